"""What the reference leaves open, or tells in two ways: each as a setting with the reading that is held for likelier.

A plugin should get through all of them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """See the reference's section 12 and the marks `[?]` in it."""

    reuse: str = "refuse"
    """What an old refresh token gives. "refuse": 401, while the chain goes on with its new one. "once": it works until
    the new one (or the new access token) is first used, for ten minutes. "end": 401, and the chain is dead."""
    early_status: int = 401
    """Status for asking a new access token before 570 s: 401 or 400."""
    anonymous: str = "reason"
    """An API call without a token, or with one that is none: "reason" 401, "page" the login page as HTML with 401,
    "redirect" 302 to the login page."""
    velocity_statuses: tuple[int, ...] = (400, 401, 403, 404)
    """Answers that count for error velocity; add 500 for reports that refused bookings count as well."""
    velocity_scope: str = "division"
    """What ten errors on an endpoint block: the "division" for this app and user, or the "endpoint" there alone."""
    velocity_status: int = 429
    """The answer while blocked; its body is empty."""
    long_top: str = "page"
    """`$top` above the page size: "page" gives a page of `results` with `__next`, "array" a bare array of a page."""
    function_form: str = "scalar"
    """A function such as UserHasRights: "scalar" {"d": true} or "object" {"d": {"UserHasRights": true}}."""
    iso_dates: tuple[str, ...] = ("read/financial/*",)
    """Resources whose times are ISO text instead of /Date(ms)/."""
    date_only: bool = True
    """Whether datetime'2026-01-01' without a time is understood."""
    longest_query: int = 2048
    """Characters of a query string; more is a 404, as web servers of this kind do unless told otherwise."""
    mandatory_filter: tuple[str, ...] = ()
    """Resources that may be listed with a filter alone, such as crm/Accounts."""
    needs_select: tuple[str, ...] = (
        "purchaseentry/PurchaseEntries",
        "cashflow/Receivables",
        "cashflow/Payments",
        "bulk/*",
    )
    """Resources that may be listed with $select or $top=1 alone."""
    type_posted: bool = True
    """Whether a posted `Type` 21 or 31 is heeded; without it a negative total makes a credit note."""
    positive_credit: str = "warn"
    """A credit note with a positive total: "warn" books it as it is and notes it, "refuse" refuses it."""
    wished_number: str = "ignore"
    """A posted EntryNumber that is used or lower than the last: "ignore" gives the next one, "refuse" is In use."""
    sales_duplicates: bool = False
    """Whether sales are checked for customer, YourRef, date and amount all equal, as purchases are."""
    purchase_sign: int = 1
    """-1: amounts of purchase entries are negative when they are read."""
    payables_sign: int = 1
    """-1: open amounts in PayablesList are negative."""
    vat_tolerance: str | None = None
    """By how much a line's VATAmountFC may differ from what the code gives; None: by anything."""
    lengths: tuple[tuple[str, int], ...] = ()
    """Longest texts by field name; the reference has none."""
