"""What a lane needs of a window, read in one query when its first event is reached."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from dagboek import contexts
from dagboek.database import Database
from dagboek.runs import held_back
from dagboek_schemas.documents import Document, Party
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind, ItemState
from dagboek_sdk.accounting import MappingContext


@dataclass(slots=True)
class LinkSeen:
    """A link as last seen; the truth is in the database, and an intent on a stale one is refused."""

    id: int
    link_no: int
    incarnation: int
    current: bool
    """Not, when a person had it sent again on a new incarnation."""
    state: str
    attempt: int
    version: int
    revision: str | None
    refused_revision: str | None
    acknowledged_revision: str | None
    entry_id: str | None
    entry_number: str | None
    entry_url: str | None
    run_id: UUID | None
    sequence: int | None
    op: str | None
    roles: list[str]
    needs_person_issue: dict[str, Any] | None


class Delivery:
    """Of an outcome that came before its item's event did; that is finished once the outcome is delivered."""

    def __init__(self) -> None:
        self._done = False
        self._waiting: deque[Callable[[], None]] = deque()

    def __call__(self) -> None:
        """It is delivered. May be called from the producer's thread."""
        self._done = True
        self._call()

    def then(self, finished: Callable[[], None]) -> None:
        """Has `finished` called as soon as it is."""
        self._waiting.append(finished)
        if self._done:
            self._call()

    def _call(self) -> None:
        while True:
            try:
                finished = self._waiting.popleft()
            except IndexError:  # two threads may be here, so nobody looks first
                return
            finished()


@dataclass(slots=True)
class ItemSeen:
    """An item of the window with its snapshot and its link."""

    sequence: int
    component: Component
    kind: ItemKind
    identity: str
    title: str
    revision: str | None
    state: ItemState
    party_identity: str | None
    source_id: UUID | None
    origin_id: str | None
    event: bytes | None
    reported: bool
    starts: int
    """How often work on it began without an outcome, as far as that was suspected."""
    in_vain: int
    """How often this run has sent it, and the tool then turned out to know nothing of it."""
    remarks: tuple[Issue, ...]
    """What its source says about it and that does not keep it from being booked."""
    body: bytes | None
    link: LinkSeen | None
    delivery: Delivery | None = None
    """Of its outcome, where that came in a batch."""

    def document(self) -> Document:
        """The document of the snapshot."""
        return Document.model_validate_json(self.body or b"")

    def party(self) -> Party:
        """The party of the snapshot."""
        return Party.model_validate_json(self.body or b"")


@dataclass(slots=True)
class Window:
    """A window of a run, as its lane works on it."""

    run: dict[str, Any]
    number: int
    context: MappingContext
    items: dict[int, ItemSeen]
    parties: dict[str, LinkSeen]
    """Links of the parties of the window's documents, by identity; kept up to date by the lane."""
    held: set[str]
    """Components that are not worked on in this run."""
    entries_there: bool = False
    """Whether the tool held anything before we came."""
    unsettled: Component | None = None
    """A component of this run that has items to settle: later ones wait."""
    waits: bool = False
    """Something of the windows before was left to come again: it comes first."""
    candidates: Mapping[str, Any] | None = None
    """Relations of the tool that the window's parties may be; asked once."""
    halving: int | None = None
    """Sequence of the last item of a batch of which nothing came: it and those before it go in smaller ones."""
    _ahead: list[int] = field(default_factory=list)
    """Sequences of what may be planned still, the first one last."""

    def __post_init__(self) -> None:
        self._ahead = sorted(self.items, reverse=True)

    def comes_next(self, item: ItemSeen) -> bool:
        """Whether nothing before the item was left planned: that comes again, and the item after it.

        Told by what is stored, since a window may be read anew, and its events may come more than once.
        """
        while self._ahead and self._ahead[-1] < item.sequence:
            before = self.items[self._ahead[-1]]
            if before.state is ItemState.PLANNED and before.component not in self.held:
                return False
            self._ahead.pop()
        return not self.waits

    def after(self, item: ItemSeen) -> list[ItemSeen]:
        """The items that follow it, in order."""
        return [self.items[at] for at in sorted(self.items) if at > item.sequence]

    @property
    def looked_up(self) -> bool:
        """Whether it is known what the tool held before we came; nothing is booked before that."""
        return bool(self.run["looked_up"])

    @property
    def suspect(self) -> bool:
        """Whether the database went back in time, and was not compared with these books since."""
        return bool(self.run["suspect"])

    @property
    def unchecked(self) -> bool:
        """Whether the core has yet to see that the database is not one of an earlier time."""
        return bool(self.run["unchecked"])

    @property
    def generation(self) -> int:
        """Generation of the run that the window was published in."""
        return int(self.run["generation"])


_LINK = """l.id AS l_id, l.link_no AS l_link_no, l.incarnation AS l_incarnation, l.current AS l_current,
l.state AS l_state,
l.attempt AS l_attempt, l.link_version AS l_version, l.revision AS l_revision, l.refused_revision AS l_refused_revision,
l.acknowledged_revision AS l_acknowledged_revision, l.entry_id AS l_entry_id, l.entry_number AS l_entry_number,
l.entry_url AS l_entry_url, l.run_id AS l_run_id, l.sequence AS l_sequence, l.op AS l_op, l.roles AS l_roles,
l.needs_person_issue AS l_needs_person_issue"""


async def load_window(db: Database, run_id: UUID, generation: int, number: int) -> Window | None:
    """The window, or None when its run is not active in this generation any more."""
    async with db.connection() as connection:
        found = await connection.execute(
            """SELECT r.*, a.looked_up_at IS NOT NULL AS looked_up, a.suspect_since IS NOT NULL AS suspect,
                      (SELECT unchecked FROM stamp) AS unchecked,
                      EXISTS (SELECT 1 FROM tool_entry WHERE administration_id = a.id) AS entries_there FROM run r
               JOIN administration a ON a.id = r.administration_id
               WHERE r.id = %s""",  # alone: an index of what is active looks small, and would be read whole
            (run_id,),
        )
        run = await found.fetchone()
        if run is None or (run["generation"], run["state"]) != (generation, "active"):
            return None
        held = held_back(run["component_errors"])
        rows = await (
            await connection.execute(
                f"""SELECT i.sequence, i.component, i.kind, i.identity, i.title, i.revision, i.state, i.party_identity,
                           i.source_id, i.origin_id, i.event, i.reported_at, i.starts, i.issues,
                           CASE WHEN l.attempt > 0 AND l.run_id = i.run_id
                                THEN (SELECT count(*) FROM attempt t WHERE t.link_id = l.id AND t.run_id = i.run_id
                                      AND t.outcome = 'absent') ELSE 0 END AS in_vain,
                           -- each by its key, never all of the run for each
                           (SELECT body FROM snapshot s WHERE s.run_id = i.run_id AND s.sequence = i.sequence) AS body,
                           {_LINK}
                    FROM item i
                    LEFT JOIN link l ON l.administration_id = %s AND l.identity = i.identity AND l.current
                    WHERE i.run_id = %s AND i.window_no = %s AND i.generation = %s""",
                (run["administration_id"], run_id, number, generation),
            )
        ).fetchall()
        parties = await (
            await connection.execute(
                f"""SELECT l.identity, {_LINK} FROM link l WHERE l.administration_id = %s AND l.current
                    AND l.identity = ANY(%s)""",
                (run["administration_id"], list({row["party_identity"] for row in rows if row["party_identity"]})),
            )
        ).fetchall()
        before = await (
            await connection.execute(
                """SELECT (SELECT component FROM item WHERE run_id = %(run)s AND state = 'to_settle'
                           AND component <> ALL(%(held)s) ORDER BY sequence LIMIT 1) AS unsettled,
                          EXISTS (SELECT 1 FROM item WHERE run_id = %(run)s AND state = 'planned'
                                  AND sequence < %(end)s AND window_no < %(number)s
                                  AND generation = %(generation)s AND component <> ALL(%(held)s)) AS left""",
                {
                    "run": run_id,
                    "held": held,
                    "number": number,
                    "generation": generation,
                    "end": max((row["sequence"] for row in rows), default=0),
                },
            )
        ).fetchone()
    assert before is not None
    context = await contexts.load(db, run["connection_id"], run["context_version"])
    return Window(
        run=run,
        number=number,
        context=context,
        items={row["sequence"]: _item(row) for row in rows},
        parties={row["identity"]: _link(row) for row in parties},
        held=set(held),
        entries_there=run["entries_there"],
        unsettled=Component(before["unsettled"]) if before["unsettled"] else None,
        waits=before["left"],
    )


def _item(row: Mapping[str, Any]) -> ItemSeen:
    return ItemSeen(
        sequence=row["sequence"],
        component=Component(row["component"]),
        kind=ItemKind(row["kind"]),
        identity=row["identity"],
        title=row["title"],
        revision=row["revision"],
        state=ItemState(row["state"]),
        party_identity=row["party_identity"],
        source_id=row["source_id"],
        origin_id=row["origin_id"],
        event=row["event"],
        reported=row["reported_at"] is not None,
        starts=row["starts"],
        in_vain=row["in_vain"],
        remarks=tuple(map(Issue.model_validate, row["issues"])) if row["state"] == ItemState.PLANNED else (),
        body=row["body"],
        link=_link(row) if row["l_id"] is not None else None,
    )


def _link(row: Mapping[str, Any]) -> LinkSeen:
    return LinkSeen(**{name: row[f"l_{name}"] for name in LinkSeen.__dataclass_fields__})


async def read_link(db: Database, link_id: int) -> LinkSeen:
    """A link, read again."""
    row = await db.one(f"SELECT {_LINK} FROM link l WHERE l.id = %s", link_id)
    assert row is not None
    return _link(row)
