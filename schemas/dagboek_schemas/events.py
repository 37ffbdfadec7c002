"""Events on the topics: their data and their CloudEvents types.

Types are versioned and additive only within a version. None of them holds personal data: documents and
parties are named by identity, texts of tools and of issues stay in the database.
"""

from datetime import UTC, datetime
from typing import Annotated, ClassVar
from uuid import UUID, uuid5

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from dagboek_schemas.documents import PaymentState
from dagboek_schemas.issues import PublicIssue
from dagboek_schemas.statuses import Component, ComponentStatus, ItemKind, ItemState, RunStatus, Trigger

_NAMESPACE = UUID("6f0c2a55-6c0e-4b87-9f0b-5d4e3f6f7a10")


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("outside the years 1 to 9999 in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A time with its zone; kept and written in UTC."""


class EventData(BaseModel):
    """Data of an event. Unknown fields are let through: a newer writer may have added some."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    TYPE: ClassVar[str]


class StartSync(EventData):
    """Command: plan this run. The run's row was committed before the command was written."""

    TYPE: ClassVar[str] = "dagboek.sync.start.v1"

    run_id: UUID
    tenant_id: UUID
    connection_id: UUID
    administration_id: UUID
    trigger: Trigger


class ContinueSync(EventData):
    """Command: publish the window after `window`, if this generation has not published it yet."""

    TYPE: ClassVar[str] = "dagboek.sync.continue.v1"

    run_id: UUID
    administration_id: UUID
    generation: int
    window: int


class ItemReady(EventData):
    """A planned item is ready to be worked on. Thin: its snapshot is in the database."""

    TYPE: ClassVar[str] = "dagboek.item.ready.v1"

    run_id: UUID
    tenant_id: UUID
    connection_id: UUID
    administration_id: UUID
    tool: str = Field(description="name of the accounting plugin, such as octopus")
    generation: int
    window: int
    sequence: int = Field(description="place of the item in its run, from 0")
    component: Component
    kind: ItemKind
    identity: str
    revision: str | None = None
    ask_next: bool = Field(False, description="the lane asks for the next window when it reaches this item")
    window_end: bool = Field(False, description="the last item of its window")


class ItemOutcome(EventData):
    """What became of an item. Written to the results topic; one of `WARNED_STATES` goes to the warnings topic too.

    A `repeated` one does not: it was told there when it was tried.

    A consumer drops what has an event id that it has seen, and orders what it sees of one document by
    `link_version`.
    """

    run_id: UUID
    tenant_id: UUID
    entity_id: UUID
    connection_id: UUID
    administration_id: UUID
    component: Component
    kind: ItemKind
    sequence: int
    state: ItemState
    identity: str
    revision: str | None = None
    document_number: str | None = Field(None, description="the number that the document itself bears")
    booking_number: str | None = Field(None, description="the number that the tool gave the entry")
    entry_id: str | None = None
    updated: bool = Field(False, description="an entry that was there already was changed")
    attempt: int = 0
    link_version: int = 0
    issues: tuple[PublicIssue, ...] = ()
    repeated: bool = Field(
        False, description="skipped as before without being tried, since nothing has changed; told as a warning before"
    )
    occurred_at: Moment

    @property
    def event_type(self) -> str:
        """CloudEvents type, such as `dagboek.document.booked.v1`."""
        return outcome_type(self.kind, self.state)

    @property
    def event_id(self) -> UUID:
        """Stable: the same run, item, revision and outcome always give the same id."""
        return uuid5(_NAMESPACE, f"{self.run_id}/{self.sequence}/{self.revision}/{self.state}/{self.link_version}")


_OUTCOME_WORDS = {
    ItemState.SYNCED: "booked",
    ItemState.UNCHANGED: "unchanged",
    ItemState.ACCEPTED: "accepted",
    ItemState.SKIPPED: "skipped",
    ItemState.NEEDS_PERSON: "needs-person",
    ItemState.NOT_READY: "not-ready",
    ItemState.NOT_TRIED: "not-tried",
    ItemState.TO_SETTLE: "to-settle",
}


def outcome_type(kind: ItemKind, state: ItemState) -> str:
    """CloudEvents type of an item's outcome. A pull or a party is `read` or `synced` rather than booked."""
    word = _OUTCOME_WORDS[state]
    if state is ItemState.SYNCED and kind is not ItemKind.DOCUMENT:
        word = "synced"
    return f"dagboek.{'list' if kind is ItemKind.PULL else kind}.{word}.v1"


OUTCOME_TYPES = {outcome_type(kind, state): (kind, state) for kind in ItemKind for state in _OUTCOME_WORDS}
"""CloudEvents types of `ItemOutcome`: the kind and state that each stands for."""

Count = Annotated[int, Field(ge=0)]


class Counts(BaseModel):
    """How many items stand where; derived from the items, never counted up. Their sum is `total`."""

    model_config = ConfigDict(frozen=True)

    total: Count = 0
    synced: Count = 0
    unchanged: Count = 0
    skipped: Count = 0
    not_ready: Count = 0
    not_tried: Count = 0
    to_settle: Count = 0
    planned: Count = 0


class ComponentFinished(EventData):
    """A component of a run has ended."""

    TYPE: ClassVar[str] = "dagboek.component.finished.v1"

    run_id: UUID
    tenant_id: UUID
    entity_id: UUID
    connection_id: UUID
    administration_id: UUID
    component: Component
    status: ComponentStatus
    counts: Counts
    occurred_at: Moment


class RunFinished(EventData):
    """A run has ended, with its overall label and counts."""

    TYPE: ClassVar[str] = "dagboek.run.finished.v1"

    run_id: UUID
    tenant_id: UUID
    entity_id: UUID
    connection_id: UUID
    administration_id: UUID
    trigger: Trigger
    status: RunStatus
    counts: Counts
    started_at: Moment
    finished_at: Moment
    occurred_at: Moment


class PaymentChanged(EventData):
    """The tool says that an entry of ours was paid, in full or in part, or is open again."""

    TYPE: ClassVar[str] = "dagboek.document.payment-changed.v1"

    run_id: UUID
    tenant_id: UUID
    entity_id: UUID
    connection_id: UUID
    administration_id: UUID
    identity: str
    booking_number: str | None = None
    state: PaymentState
    open_amount: str | None = Field(None, description="decimal, in the document's currency")
    currency: str | None = None
    occurred_at: Moment


MODELS: dict[str, type[EventData]] = {
    **{model.TYPE: model for model in (StartSync, ContinueSync, ItemReady)},
    **dict.fromkeys(OUTCOME_TYPES, ItemOutcome),
    **{model.TYPE: model for model in (ComponentFinished, RunFinished, PaymentChanged)},
}
"""Every type of event on the topics, and the model of its data."""


def stable_id(*parts: object) -> UUID:
    """An event id that is the same whenever the same thing is told."""
    return uuid5(_NAMESPACE, "/".join(map(str, parts)))
