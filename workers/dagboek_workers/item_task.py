"""One item at work: what its modules share of it, and the two ways that it ends: its outcome is told, or it is left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from dagboek.outcome_events import outcome_record
from dagboek.push_record import AttemptOutcome, Granted, ItemOutcome, Outcome, entries_of_others
from dagboek_schemas import events
from dagboek_schemas.documents import Document
from dagboek_schemas.issues import Issue, PublicIssue, Severity
from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_sdk import clock
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Booking, Candidate, Op

from dagboek_workers.recorder import Told
from dagboek_workers.window import Delivery, ItemSeen, LinkSeen, Window, read_link

if TYPE_CHECKING:
    from dagboek_workers.lane import Lane

Finished = Callable[[], None]


class Left(Exception):
    """The item is left as it is, for now."""


class LetGo(Left):
    """The rest of this run and generation is let go: the database will bring it back."""


class NotYet(Left):
    """It waits for the core, for a moment."""


class Changed(Left):
    """What the item's decision rested on has changed: it is decided anew."""


class NotAhead(Left):
    """It is not decided before its turn, as what it needs may depend on what comes before it, or is no batch's."""


class ItemTask:
    """One item in the hands of its lane."""

    def __init__(self, lane: "Lane", window: Window, item: ItemSeen, finished: Finished) -> None:
        self.lane = lane
        self.window = window
        self.item = item
        self.finished = finished
        self.loop = lane.loop
        self.document: Document | None = None
        self.remarks: list[Issue] = list(item.remarks)
        """Information that does not change the outcome."""
        self.open = False
        """An attempt of the item has no outcome yet."""
        self.booked = False
        """An outcome that says that it stands in the tool was recorded."""
        self.sent_before = False
        """An earlier send of the attempt was uncertain: it may stand there, though no reader sees it yet."""
        self.ahead = False
        """It is decided before its turn, for a batch that begins with an item before it."""
        self.revision = item.revision
        """What is sent: of an attempt that is repeated, what it was made of."""

    @classmethod
    def ahead_of_turn(cls, lane: "Lane", window: Window, item: ItemSeen) -> "ItemTask":
        """An item whose event is yet to come: that finds it done, or decides it anew."""
        task = cls(lane, window, item, Delivery())
        task.ahead = True
        return task

    def only_in_turn(self) -> None:
        """NotAhead before the item's turn."""
        if self.ahead:
            raise NotAhead

    async def read_again(self, link: LinkSeen) -> LinkSeen:
        """The link as it is now, what this lane recorded included."""
        await self.loop.recorder.written()
        return await read_link(self.loop.db, link.id)

    async def of_others(self, link: LinkSeen, candidates: Sequence[Candidate]) -> set[str]:
        """Those of the entries that another link holds."""
        return await entries_of_others(self.loop.db, self.lane.administration_id, self.item.kind, link.id, candidates)

    def party_entry(self) -> str | None:
        """The entry of the document's other party."""
        party = self.window.parties.get(self.item.party_identity or "")
        return party.entry_id if party is not None else None

    def party_changed(self, link: LinkSeen) -> None:
        """Shows the link to the documents of the window, if the item is a party."""
        if self.item.kind is ItemKind.PARTY:
            self.window.parties[self.item.identity] = link

    def record(self, granted: Granted, outcome: Outcome, **more: Any) -> None:
        """Records the outcome of an attempt, as a fact."""
        self.open = outcome is Outcome.UNCERTAIN
        self.booked = self.booked or outcome in (Outcome.BOOKED, Outcome.ACCEPTED)
        self.loop.recorder.outcome(
            AttemptOutcome(granted.link_id, granted.attempt, outcome, revision=self.revision, **more)
        )

    def tell(
        self,
        state: ItemState,
        issues: "list[Issue] | tuple[Issue, ...]" = (),
        *,
        link: LinkSeen | None = None,
        number: str | None = None,
        updated: bool = False,
    ) -> None:
        """Gives the item its outcome; its event is delivered once that is committed."""
        run, item = self.window.run, self.item
        link = link or item.link
        if state in (ItemState.SYNCED, ItemState.ACCEPTED, ItemState.TO_SETTLE):
            issues = [*issues, *self.remarks]
        booking_number = number or (link.entry_number if link and item.kind is ItemKind.DOCUMENT else None)
        outcome = events.ItemOutcome(
            run_id=run["id"],
            tenant_id=run["tenant_id"],
            entity_id=run["entity_id"],
            connection_id=run["connection_id"],
            administration_id=run["administration_id"],
            component=item.component,
            kind=item.kind,
            sequence=item.sequence,
            state=state,
            identity=item.identity,
            revision=self.revision,
            document_number=item.title if item.kind is ItemKind.DOCUMENT else None,
            booking_number=booking_number,
            entry_id=link.entry_id if link else None,
            updated=updated,
            attempt=link.attempt if link else 0,
            link_version=link.version if link else 0,
            issues=tuple(PublicIssue.of(issue) for issue in issues),
            occurred_at=clock.now(),
        )
        record = outcome_record(outcome)
        row = ItemOutcome(
            run_id=run["id"],
            sequence=item.sequence,
            state=state,
            event=record.value,
            issues=issues_json(issues),
            attempt=outcome.attempt,
            link_version=outcome.link_version,
            booking_number=booking_number,
            entry_id=outcome.entry_id,
            updated=updated,
            link_id=link.id if link else None,
            releases=self.loop.parts.plugins.releases(self.loop.name) if link and state is ItemState.SKIPPED else None,
        )
        item.state, self.lane.moved = state, True
        item.delivery = self.finished if isinstance(self.finished, Delivery) else None
        self.loop.recorder.tell(Told(row, record, self.finished))

    def tell_to_settle(self, link: LinkSeen) -> None:
        """It may stand in the tool or not: settling finds out."""
        issue = Issue(code="D28", severity=Severity.INFORMATION, facts={"tool": self.loop.title})
        self.tell(ItemState.TO_SETTLE, [issue], link=link)


@dataclass(slots=True)
class Ready:
    """It is decided that an item is to be sent, and how."""

    task: ItemTask
    tool: AccountingPlugin
    link: LinkSeen
    booking: Booking
    op: Op


def issues_json(issues: "list[Issue] | tuple[Issue, ...]") -> bytes:
    """Issues as they are stored."""
    return orjson.dumps([issue.model_dump(mode="json") for issue in issues]) if issues else b"[]"
