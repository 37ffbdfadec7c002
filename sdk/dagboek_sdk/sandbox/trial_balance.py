"""The proof of a sandbox's books: what stands on each account, and that all of it together is nothing."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)


def trial_balance(
    dossier: int | str, bookyear: int | None, postings: Iterable[tuple[int | str, str, Decimal]]
) -> dict[str, Any]:
    """Debit, credit and balance (debit - credit) of each account that was posted on, and of all together.

    A posting is its account, the account's name and an amount, which is above zero for a debit.
    """
    debit: dict[Any, Decimal] = defaultdict(lambda: ZERO)
    credit: dict[Any, Decimal] = defaultdict(lambda: ZERO)
    names: dict[Any, str] = {}
    for account, name, amount in postings:
        (debit if amount > 0 else credit)[account] += abs(amount)
        names[account] = name
    rows = [
        {
            "account": account,
            "name": names[account],
            "debit": debit[account],
            "credit": credit[account],
            "balance": debit[account] - credit[account],
        }
        for account in sorted(names)
    ]
    total_debit, total_credit = sum(debit.values(), ZERO), sum(credit.values(), ZERO)
    return {
        "dossier": dossier,
        "bookyear": bookyear,
        "accounts": rows,
        "debit": total_debit,
        "credit": total_credit,
        "difference": total_debit - total_credit,
        "balanced": total_debit == total_credit,
    }
