"""All changes of the books by name: what operations do, and what a person does."""

from . import accounting, by_hand, contact_service, purchases, sales, setup, uploads
from .books import Change

_MODULES = (accounting, by_hand, contact_service, purchases, sales, setup, uploads)

CHANGES: dict[str, Change] = {
    name: uploads.awake(change) for module in _MODULES for name, change in module.CHANGES.items()
}
