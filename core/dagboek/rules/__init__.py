"""What is checked before the tool is asked: our own rules, registered through the same hooks as anyone's.

A rule is pure, looks at one item, and costs microseconds: all of them run for every document. What the mapping has
to find out anyway (VAT code B01, discount account B02, ledger account B04, exchange rate R01, rounding R03, charges
R04) is no rule here: `dagboek_sdk.mapping.split` reports all of that at once.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Final

from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import ItemState

from dagboek.rules import approval, journals, parties, start_date, totals, vat_categories

MODULES: Final[tuple[ModuleType, ...]] = (approval, start_date, journals, vat_categories, totals, parties)

NOT_READY: Final = frozenset({approval.PENDING, approval.REFUSED, start_date.BEFORE_START, "D18"})
"""Issues that are expected: the item is not ready (information under Success) rather than skipped. D18: a draft."""


def waiting(issues: Sequence[Issue]) -> list[Issue]:
    """What says that the item is not ready; what else is wrong does not matter yet."""
    return [issue for issue in issues if issue.code in NOT_READY]


def verdict(issues: Sequence[Issue]) -> ItemState | None:
    """What `issues` do to an item: not ready, skipped, or None when it may be booked. Information alone is a remark."""
    if waiting(issues):
        return ItemState.NOT_READY
    return ItemState.SKIPPED if any(issue.severity is not Severity.INFORMATION for issue in issues) else None
