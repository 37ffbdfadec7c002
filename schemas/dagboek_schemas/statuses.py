"""Words for where an item, a component and a run stand (design section 7)."""

from enum import StrEnum


class Component(StrEnum):
    """One step of a run. The order of the members is the order of the work, always."""

    LEDGER_ACCOUNTS = "ledger_accounts"
    CUSTOMERS = "customers"
    SALES_INVOICES = "sales_invoices"
    SALES_CREDIT_NOTES = "sales_credit_notes"
    SUPPLIERS = "suppliers"
    PURCHASE_INVOICES = "purchase_invoices"
    PURCHASE_CREDIT_NOTES = "purchase_credit_notes"
    PAYMENT_STATUSES = "payment_statuses"

    @property
    def position(self) -> int:
        """Place in the order of work, from 0."""
        return _POSITIONS[self]


_POSITIONS = {component: position for position, component in enumerate(Component)}


class ItemKind(StrEnum):
    """What a row of a run stands for."""

    DOCUMENT = "document"
    PARTY = "party"
    PULL = "pull"
    """A list that is read from the tool: ledger accounts, payment statuses."""


class ItemState(StrEnum):
    """Where an item of a run stands."""

    PLANNED = "planned"
    SYNCED = "synced"
    UNCHANGED = "unchanged"
    ACCEPTED = "accepted"
    """The tool took it and books it later; counts as synced."""
    SKIPPED = "skipped"
    NEEDS_PERSON = "needs_person"
    """Nobody but a person can tell whether it was booked; counts as skipped."""
    NOT_READY = "not_ready"
    """Expected and no error, such as an expense that is not approved yet."""
    NOT_TRIED = "not_tried"
    TO_SETTLE = "to_settle"
    """Sent, and the answer is not known; the settling job finds out."""


FINAL_STATES = frozenset(ItemState) - {ItemState.PLANNED, ItemState.TO_SETTLE}
"""States in which a run has nothing more to do for an item."""

HANDLED_STATES = frozenset(ItemState) - {ItemState.PLANNED}
"""States in which the lane has nothing more to do for an item."""

WARNED_STATES = frozenset({ItemState.SKIPPED, ItemState.NEEDS_PERSON})
"""States whose outcome goes to the warnings topic as well as to the results topic."""


class ComponentStatus(StrEnum):
    """Status of one component as a bookkeeper sees it."""

    PENDING = "Pending"
    IN_PROGRESS = "In progress"
    SUCCESS = "Success"
    WARNING = "Warning"
    ERROR = "Error"


class RunStatus(StrEnum):
    """Overall label of a run. `Stalled` means: nothing moves until something outside is resolved."""

    PENDING = "Pending"
    IN_PROGRESS = "In progress"
    SUCCESS = "Success"
    WARNING = "Warning"
    ERROR = "Error"
    STALLED = "Stalled"
    CANCELLED = "Cancelled"


class Trigger(StrEnum):
    """Why a run was started."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"
    RETRY = "retry"
    """A person asked for one document again; a small run."""
    RESEND = "resend"
    """A person asked to send a document anew, on a new incarnation of its link; a small run."""
