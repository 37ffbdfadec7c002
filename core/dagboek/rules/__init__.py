"""What is checked before the tool is asked: our own rules, registered through the same hooks as anyone's.

A rule is pure, looks at one item, and costs microseconds: all of them run for every document. What the mapping has
to find out anyway (VAT code B01, discount account B02, ledger account B04, exchange rate R01, rounding R03, charges
R04) is no rule here: `dagboek_sdk.mapping.split` reports all of that at once.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Final

from dagboek_schemas.issues import Issue, Severity

from dagboek.rules import approval, journals, parties, start_date, totals, vat_categories

MODULES: Final[tuple[ModuleType, ...]] = (approval, start_date, journals, vat_categories, totals, parties)


def waiting(issues: Sequence[Issue]) -> list[Issue]:
    """What says that the item is not ready yet: information. What else is wrong with it does not matter before."""
    return [issue for issue in issues if issue.severity is Severity.INFORMATION]
