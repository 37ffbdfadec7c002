"""All operations that the sandbox offers, by service and name; `table` says what they take and give."""

from . import (
    accounting,
    archive_service,
    contact_service,
    general,
    lists,
    outstanding,
    purchases,
    sales,
    transactions,
    uploads,
)
from .call import Operation
from .table import SERVICES

_MODULES: tuple[dict[tuple[str, str], Operation], ...] = (
    accounting.OPERATIONS,
    archive_service.OPERATIONS,
    contact_service.OPERATIONS,
    lists.OPERATIONS,
    outstanding.OPERATIONS,
    purchases.OPERATIONS,
    sales.OPERATIONS,
    transactions.OPERATIONS,
    uploads.OPERATIONS,
)
"""The `OPERATIONS` of the modules that have some."""

OPERATIONS: dict[tuple[str, str], Operation] = {
    **{(service, name): operation for service in SERVICES for name, operation in general.OPERATIONS.items()},
    **{name: uploads.awake(operation) for module in _MODULES for name, operation in module.items()},
}
