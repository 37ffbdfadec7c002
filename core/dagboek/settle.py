"""Settling: attempts whose outcome is not known, once they can no longer arrive (design section 6).

The job asks the tool and records what it says. It never pushes: what the tool does not hold goes back to the lane.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
import structlog
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component, ItemKind, ItemState
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Absent, Accepted, Attempt, Booking, Candidate, Found, Op, Resolution, Unknown
from dagboek_sdk.errors import AccessDenied, Later, LoginBroken

from dagboek import connections
from dagboek.booking_json import booking_from
from dagboek.database import AWAY, Connection, Database, Jsonb
from dagboek.matching import Likeness, absent, describe, match
from dagboek.plugins import Plugins, UnknownPlugin, unexpected
from dagboek.push_record import AttemptOutcome, Group, Outcome, correct_series, entries_of_others, late_outcome, write
from dagboek.runs import ASKING, MAX_PARKED_SECONDS
from dagboek.sound import sound
from dagboek.vault import Vault

log = structlog.get_logger()

Row = Mapping[str, Any]
"""An attempt that is due, with its link."""

RETRY = 60.0
"""Seconds after which a tool that could not be asked is asked again."""
PACK = 100
"""Attempts that one tool is asked about at once."""
TRIES = 3
"""How often one run sends an item of which the tool then turns out to know nothing."""
UNANSWERED = 10
"""How often nobody can say what became of an attempt, before a person is asked."""

_ALL = (Later, LoginBroken, AccessDenied)
"""What a plugin says of the tool or the login, and not of one attempt."""
_OUTAGE = (*_ALL, OSError)
"""The same, when nothing else was answered: a time-out may be due to one attempt, or to the tool."""


class Settler:
    """Asks all tools, each at its own pace: one that is slow keeps nobody else waiting."""

    def __init__(self, db: Database, plugins: Plugins, vault: Vault) -> None:
        self._db = db
        self._plugins = plugins
        self._vault = vault
        self._asking: dict[UUID | None, asyncio.Task[None]] = {}
        self._tries: Counter[tuple[int, int]] = Counter()
        """How often an attempt, by link and number, was asked about in vain."""
        self._out_of_reach: dict[UUID, str] = {}
        """By connection, why its tool could not be asked just now."""

    async def settle_due(self, patience: float = 1.0) -> int:
        """Settles every link that is past its due time; how many are looked at.

        Tools that take longer than `patience` seconds are asked on in the background.
        """
        rows = await self._db.all(_DUE, {"asking": [one for one in self._asking if one is not None]})
        by_connection: dict[UUID | None, list[Row]] = {}
        for row in rows:
            by_connection.setdefault(row["connection_id"], []).append(row)
        for connection_id, due in by_connection.items():
            if connection_id not in self._asking:
                self._asking[connection_id] = asyncio.create_task(self._settle(connection_id, due))
        if self._asking:
            await asyncio.wait(self._asking.values(), timeout=patience)
        await free_series(self._db)
        await wake_settled(self._db)
        return len(rows)

    async def _settle(self, connection_id: UUID | None, due: Sequence[Row]) -> None:
        try:
            if connection_id is None:  # until somebody connects again, who then should not wait for long
                await _postpone(self._db, due, RETRY, Issue(code="B09", severity=Severity.ERROR))
            elif later := await self._ask_all(connection_id, due):
                await _postpone(self._db, later, RETRY, await self._issue(connection_id, later[0]))
        except AWAY as trouble:
            log.warning("settle.database_away", error=type(trouble).__name__)
        except Exception as bug:
            unexpected("settle", bug)
        finally:
            self._asking.pop(connection_id, None)

    async def _issue(self, connection_id: UUID, row: Row) -> Issue:
        found = await self._db.one("SELECT plugin FROM administration WHERE id = %s", row["administration_id"])
        name = found["plugin"] if found else "?"
        with contextlib.suppress(UnknownPlugin):
            name = self._plugins.tool(name).about.title
        trouble = self._out_of_reach.pop(connection_id, "?")
        return Issue(code="B06", severity=Severity.ERROR, facts={"tool": name, "until": "?", "trouble": trouble})

    async def _ask_all(self, connection_id: UUID, due: Sequence[Row]) -> list[Row]:
        """Asks about all, in packs; those that are to be asked about later, in the order in which that is to be."""
        try:
            tool = await connections.open_tool(self._db, self._plugins, self._vault, connection_id)
        except AWAY:
            raise
        except Exception as trouble:
            log.warning("settle.not_opened", error=type(trouble).__name__)
            return await self._unanswered(due, own=False)
        later: list[Row] = []
        try:
            for at in range(0, len(due), PACK):
                try:
                    later += await self._ask(tool, due[at : at + PACK])
                except _OUTAGE as trouble:
                    log.warning("settle.tool_not_asked", tool=tool.about.name, error=type(trouble).__name__)
                    self._out_of_reach[connection_id] = getattr(trouble, "trouble", None) or "?"
                    return later + await self._unanswered(due[at:], own=False)
        finally:
            await tool.close()
        return later

    async def _ask(self, tool: AccountingPlugin, due: Sequence[Row]) -> list[Row]:
        try:
            answers = await _answers(tool, due)
        except AccessDenied:
            kinds = _by_component(due)
            if len(kinds) == 1:
                raise
            return await self._kind_by_kind(tool, kinds)
        except (*AWAY, *_ALL):
            raise
        except Exception as trouble:
            if len(due) > 1:
                return await self._one_by_one(tool, due)
            if isinstance(trouble, _OUTAGE):
                raise
            unexpected("resolve", trouble)
            return await self._unanswered(due, own=True)
        # what is sent once more goes in its order, also where the run goes on before all are settled
        in_order = sorted(due, key=lambda row: (row["run_id"], row["sequence"]))
        decided = {row["id"] for row in in_order if await self._decided(tool, row, answers)}
        return [row for row in due if row["id"] not in decided]

    async def _kind_by_kind(self, tool: AccountingPlugin, kinds: Sequence[Sequence[Row]]) -> list[Row]:
        """A right may be missing for one kind of document, as for the archive of uploads: the others need it not."""
        later: list[Row] = []
        for due in kinds:
            try:
                later += await self._ask(tool, due)
            except AccessDenied:
                log.warning("settle.not_allowed", tool=tool.about.name, component=due[0]["component"])
                later += await self._unanswered(due, own=False)
        return later

    async def _one_by_one(self, tool: AccountingPlugin, due: Sequence[Row]) -> list[Row]:
        """One of these cannot be asked about, or they are too many: it is found, and the others are settled."""
        later: list[Row] = []
        answered = False
        for at, row in enumerate(due):
            try:
                answers = await _answers(tool, [row])
            except (*AWAY, *_ALL):
                raise
            except Exception as trouble:
                unexpected("resolve", trouble)
                if isinstance(trouble, _OUTAGE) and not answered:  # those behind it come before it the next time
                    self._out_of_reach[row["connection_id"]] = getattr(trouble, "trouble", None) or "?"
                    return [*later, *due[at + 1 :], *await self._unanswered([row], own=False)]
                later += await self._unanswered([row], own=True)
            else:
                answered = True
                if not await self._decided(tool, row, answers):
                    later.append(row)
        return later

    async def _decided(self, tool: AccountingPlugin, row: Row, answers: "Answers") -> bool:
        try:
            await _decide(self._db, tool, row, *answers[row["id"]])
        except AWAY:
            raise
        except Exception as trouble:  # what cannot be compared holds up no other
            unexpected("settle", trouble)
            return not await self._unanswered([row], own=True)
        self._tries.pop((row["id"], row["attempt"]), None)
        return True

    async def _unanswered(self, due: Sequence[Row], *, own: bool) -> list[Row]:
        """Nobody can say what became of these: those to ask about later. In the end a person is asked.

        `own`: it is their own trouble, and not that the tool cannot be asked; an outage has a day to end.
        """
        later = []
        for row in due:
            key = row["id"], row["attempt"]
            self._tries[key] += 1
            if self._tries[key] < UNANSWERED or not (own or row["old"]):
                later.append(row)
                continue
            del self._tries[key]
            await _ask_person(self._db, row)
        return later


_DUE = """
SELECT l.id, l.tenant_id, l.administration_id, l.identity, l.kind, l.link_no, l.attempt, l.link_version, l.op,
       l.entry_id, l.entry_number, l.settle_due, a.booking, a.series, a.series_number, a.party_entry, a.revision,
       a.run_id, a.sequence, a.started_at, a.started_at < now() - interval '24 hours' AS old, i.component,
       c.id AS connection_id
FROM link l
JOIN attempt a ON a.link_id = l.id AND a.number = l.attempt
LEFT JOIN item i ON i.run_id = a.run_id AND i.sequence = a.sequence
LEFT JOIN LATERAL (
    SELECT c.id FROM connection c LEFT JOIN run r ON r.id = a.run_id
    WHERE c.administration_id = l.administration_id AND c.deleted_at IS NULL AND c.state <> 'reconnect'
    ORDER BY c.id = r.connection_id DESC LIMIT 1
) c ON true
WHERE l.state = 'intent' AND l.settle_due < clock_timestamp() AND (c.id IS NULL OR c.id <> ALL(%(asking)s::uuid[]))
ORDER BY l.settle_due LIMIT 500
"""


def _by_component(due: Sequence[Row]) -> list[list[Row]]:
    found: dict[str | None, list[Row]] = {}
    for row in due:
        found.setdefault(row["component"], []).append(row)
    return list(found.values())


Answers = Mapping[int, tuple[Booking, Resolution]]
"""By link: what was sent, and what the tool says of it."""


async def _answers(tool: AccountingPlugin, due: Sequence[Row]) -> Answers:
    attempts = [_attempt(row) for row in due]
    async with asyncio.timeout(tool.resolve_deadline):
        resolutions = await tool.resolve(attempts)
    return {one.link_id: (one.booking, resolutions.get(one.link_id, Unknown("not answered"))) for one in attempts}


async def _decide(db: Database, tool: AccountingPlugin, row: Row, booking: Booking, resolution: Resolution) -> None:
    if isinstance(resolution, Accepted):
        await _record(db, row, _accepted(row, resolution))
        return
    candidates = resolution.candidates if isinstance(resolution, Found) else ()
    others = await entries_of_others(db, row["administration_id"], row["kind"], row["id"], candidates)
    free = [one for one in candidates if one.entry_id not in others]
    found = match(booking, row["party_entry"], free)
    if found.likeness is Likeness.OURS:
        await _record(db, row, _booked(row, found.candidates[0]))
    elif row["op"] == Op.UPDATE:  # it sends the whole document, so it may be sent again
        await _record(db, row, AttemptOutcome(row["id"], row["attempt"], Outcome.ABSENT))
    elif found.likeness is Likeness.PERHAPS or not _proves_absence(tool, row, booking, resolution, free):
        if await _record(db, row, _for_person(row, describe(found.candidates or free))):
            await _correct(db, tool, row)
    elif await _record(db, row, AttemptOutcome(row["id"], row["attempt"], Outcome.ABSENT)):
        await _correct(db, tool, row)


def _proves_absence(
    tool: AccountingPlugin, row: Row, booking: Booking, resolution: Resolution, free: Sequence[Candidate]
) -> bool:
    component = Component(row["component"]) if row["component"] else None
    settling = tool.about.settling_of(ItemKind(row["kind"]), component)
    return isinstance(resolution, Absent) or (isinstance(resolution, Found) and absent(booking, free, settling))


async def _ask_person(db: Database, row: Row) -> None:
    """Nobody else can tell. An update sends the whole document, so that may be sent again."""
    update = row["op"] == Op.UPDATE
    outcome = AttemptOutcome(row["id"], row["attempt"], Outcome.ABSENT) if update else _for_person(row, "")
    await _record(db, row, outcome)


def _for_person(row: Row, candidates: str) -> AttemptOutcome:
    issue = Issue(code="D10", facts={"number": row["identity"], "candidates": candidates or "?"})
    issues = orjson.dumps([issue.model_dump(mode="json")])
    return AttemptOutcome(row["id"], row["attempt"], Outcome.PERSON, issues=issues)


async def _correct(db: Database, tool: AccountingPlugin, row: Row) -> None:
    """The tool's last number decides how a series goes on after a number that was not settled as ours."""
    if row["series"] is None:
        return
    try:
        last = await tool.last_number(row["series"])
    except Exception as trouble:
        log.warning("settle.series_not_read", tool=tool.about.name, error=type(trouble).__name__)
        return
    async with db.connection() as connection:
        await correct_series(connection, row["administration_id"], row["series"], last)


def _attempt(row: Row) -> Attempt:
    return Attempt(
        link_id=row["id"],
        link_no=row["link_no"],
        number=row["attempt"],
        op=Op(row["op"]),
        identity=row["identity"],
        kind=ItemKind(row["kind"]),
        component=Component(row["component"]) if row["component"] else Component.SALES_INVOICES,
        booking=booking_from(row["booking"]),
        series_number=row["series_number"],
        party_entry=row["party_entry"],
        entry_id=row["entry_id"],
        entry_number=row["entry_number"],
        run_id=row["run_id"],
        begun=row["started_at"],
        sent=True,
    )


def _booked(row: Row, entry: Candidate) -> AttemptOutcome:
    return AttemptOutcome(
        row["id"],
        row["attempt"],
        Outcome.BOOKED,
        revision=row["revision"],
        role=row["component"] if row["kind"] == ItemKind.PARTY else None,
        entry_id=entry.entry_id,
        entry_number=entry.number,
        entry_url=entry.url,
    )


def _accepted(row: Row, found: Accepted) -> AttemptOutcome:
    kept = sound(found)
    if not isinstance(kept, Accepted):
        raise ValueError("accepted, but there is no token to ask with")
    return AttemptOutcome(
        row["id"], row["attempt"], Outcome.ACCEPTED, revision=row["revision"], accepted_token=kept.token
    )


async def _record(db: Database, row: Row, outcome: AttemptOutcome) -> bool:
    """Records what settling found, for the link and for the item that waits for it; False when it is out of date."""
    async with db.transaction() as connection:
        if outcome.outcome is not Outcome.BOOKED and not await _still_due(connection, row):
            return False
        written = await write(connection, Group(outcomes=[outcome]))
        if written.late:  # its own answer came meanwhile, or somebody else has settled it
            twice = Issue(code="D12", severity=Severity.ERROR, facts={"entry": outcome.entry_number or "?"})
            await late_outcome(connection, outcome, twice.model_dump_json().encode())
            return False
        await _tell_item(connection, row, outcome)
    log.info("settled", link=row["id"], attempt=row["attempt"], outcome=str(outcome.outcome))
    return True


async def _still_due(connection: Connection, row: Row) -> bool:
    """Whether the attempt was not sent once more while the tool was asked: it might stand there by now."""
    found = await connection.execute(
        "SELECT 1 FROM link WHERE id = %s AND state = 'intent' AND attempt = %s AND settle_due = %s FOR UPDATE",
        (row["id"], row["attempt"], row["settle_due"]),
    )
    return await found.fetchone() is not None


async def _tell_item(connection: Connection, row: Row, outcome: AttemptOutcome) -> None:
    """What settling found, for the item that waits for it; the sweeper tells it. Back to planned: it comes again."""
    found = await connection.execute(
        """SELECT i.state, i.issues, r.state AS run_state FROM item i JOIN run r ON r.id = i.run_id
           WHERE i.run_id = %s AND i.sequence = %s
             AND (i.state IN ('planned', 'to_settle', 'not_tried') OR i.state = 'skipped' AND %s)
           FOR UPDATE OF i FOR SHARE OF r""",
        (row["run_id"], row["sequence"], outcome.outcome in (Outcome.BOOKED, Outcome.ACCEPTED)),
    )
    item = await found.fetchone()
    if item is None:
        return
    told = [] if item["state"] == ItemState.SKIPPED else map(Issue.model_validate, item["issues"])
    remarks = [issue for issue in told if issue.code not in ("D27", "D28")]
    state, issues = await _state_of(connection, row, outcome, remarks, ended=item["run_state"] == "ended")
    again = state is ItemState.PLANNED
    await connection.execute(
        """UPDATE item SET state = %(state)s, issues = %(issues)s, attempt = %(attempt)s,
                  link_version = %(version)s, booking_number = %(number)s, entry_id = %(entry)s,
                  updated = %(updated)s, event = NULL,
                  reported_at = NULL, generation = CASE WHEN %(again)s THEN NULL ELSE generation END,
                  outcome_at = CASE WHEN NOT %(again)s THEN now() END
           WHERE run_id = %(run)s AND sequence = %(sequence)s""",
        {
            "state": state,
            "issues": Jsonb([issue.model_dump(mode="json") for issue in issues]),
            "attempt": row["attempt"],
            "version": row["link_version"] + 1,
            "number": outcome.entry_number if row["kind"] == ItemKind.DOCUMENT else None,
            "entry": outcome.entry_id,
            "updated": state is ItemState.SYNCED and row["op"] == Op.UPDATE,
            "again": again,
            "run": row["run_id"],
            "sequence": row["sequence"],
        },
    )


async def _state_of(
    connection: Connection, row: Row, outcome: AttemptOutcome, remarks: list[Issue], *, ended: bool
) -> tuple[ItemState, list[Issue]]:
    if outcome.outcome is Outcome.BOOKED:
        return ItemState.SYNCED, remarks
    if outcome.outcome is Outcome.ACCEPTED:
        return ItemState.ACCEPTED, remarks
    if outcome.outcome is Outcome.PERSON:
        return ItemState.NEEDS_PERSON, [Issue.model_validate(issue) for issue in orjson.loads(outcome.issues)]
    if ended:
        return ItemState.NOT_TRIED, [Issue(code="D27", severity=Severity.INFORMATION)]
    if await _in_vain(connection, row):
        return ItemState.SKIPPED, [Issue(code="D32", facts={"reference": f"{row['id']}/{row['attempt']}"})]
    return ItemState.PLANNED, remarks


async def _in_vain(connection: Connection, row: Row) -> bool:
    """Whether this run has sent the item often enough: what is never answered must not keep the rest waiting."""
    found = await connection.execute(
        "SELECT count(*) AS tries FROM attempt WHERE link_id = %s AND run_id = %s AND outcome = 'absent'",
        (row["id"], row["run_id"]),
    )
    tries = await found.fetchone()
    return tries is not None and tries["tries"] >= TRIES


async def _postpone(db: Database, due: Sequence[Row], seconds: float, issue: Issue) -> None:
    """These are asked about later, in this order.

    A tool that cannot be asked is trouble without a known end: it counts for the runs that wait for the answer, be it
    for an item of theirs, for a party that another run has sent, or for a number. They stand still, with `issue`, until
    the tool has been asked again; when they have waited for as long as a run may, they end.
    """
    links = [row["id"] for row in due]
    await db.run(
        """UPDATE link l SET settle_due = clock_timestamp() + make_interval(secs => %s + d.place / 1000.0)
           FROM unnest(%s::bigint[]) WITH ORDINALITY AS d(id, place) WHERE l.id = d.id AND l.state = 'intent'""",
        seconds,
        links,
    )
    await db.run(
        """UPDATE run r SET parked_seconds = parked_seconds + %(seconds)s,
                  park_issue = coalesce(park_issue, %(issue)s),
                  parked_until = CASE WHEN parked_seconds + %(seconds)s >= %(most)s THEN now()
                      ELSE greatest(parked_until, now() + make_interval(secs => %(seconds)s) + %(asking)s) END
           WHERE r.state = 'parked'
             AND r.administration_id IN (SELECT administration_id FROM link WHERE id = ANY(%(links)s))
             AND (r.park_reason = 'settling'
                  AND EXISTS (SELECT 1 FROM item i LEFT JOIN link p ON p.administration_id = r.administration_id
                                                   AND p.identity = i.party_identity AND p.current
                              WHERE i.run_id = r.id AND (i.state = 'to_settle' AND i.link_id = ANY(%(links)s)
                                                         OR i.state = 'planned' AND p.id = ANY(%(links)s)))
               OR r.park_reason = 'series'
                  AND EXISTS (SELECT 1 FROM series s WHERE s.administration_id = r.administration_id
                              AND s.open_link = ANY(%(links)s)))""",
        {
            "seconds": seconds,
            "links": links,
            "issue": Jsonb(issue.model_dump(mode="json")),
            "most": MAX_PARKED_SECONDS,
            "asking": ASKING,
        },
    )


async def free_series(db: Database) -> None:
    """A number is held by an open attempt, and by nothing else: none may keep its journal waiting for ever."""
    await db.run(
        """UPDATE series s SET open_link = NULL, open_attempt = NULL FROM link l
           WHERE l.id = s.open_link AND (l.state <> 'intent' OR l.attempt <> s.open_attempt)"""
    )


async def wake_settled(db: Database) -> None:
    """Runs that were parked for settling, or for a number that is not settled, go on as soon as nothing is open.

    An item that waited for an attempt of another run is decided anew: its link says what became of it. In a run that
    has ended it is told apart: the other run tells what became of the document. So is one of its own that was told to
    wait after settling had decided.
    """
    await db.run(
        """WITH waiting AS MATERIALIZED (
               SELECT id FROM run WHERE state = 'parked' AND park_reason IN ('settling', 'series') FOR SHARE
           )
           UPDATE item i SET state = 'planned', generation = NULL, event = NULL, reported_at = NULL, outcome_at = NULL,
                  issues = jsonb_path_query_array(i.issues, '$[*] ? (@.code != "D28")')
           FROM waiting r, link l
           WHERE r.id = i.run_id AND i.state = 'to_settle' AND l.id = i.link_id AND l.state <> 'intent'"""
    )
    await db.run(
        """UPDATE item i SET state = CASE WHEN l.state IN ('needs_person', 'accepted') THEN l.state
                                          WHEN l.state <> 'booked' THEN 'not_tried'
                                          WHEN (l.run_id, l.sequence) = (i.run_id, i.sequence) THEN 'synced'
                                          ELSE 'unchanged' END,
                  issues = CASE l.state WHEN 'booked' THEN '[]' WHEN 'accepted' THEN '[]'
                                        WHEN 'needs_person' THEN jsonb_build_array(coalesce(l.needs_person_issue,
                                                                                               '{"code": "D10"}'))
                                        ELSE '[{"code": "D27", "severity": "information"}]' END,
                  attempt = l.attempt, link_version = l.link_version, booking_number = l.entry_number,
                  entry_id = l.entry_id, event = NULL, reported_at = NULL, outcome_at = now()
           FROM run r, link l
           WHERE i.state = 'to_settle' AND r.id = i.run_id AND r.state = 'ended' AND l.id = i.link_id
             AND l.state <> 'intent'"""
    )
    await db.run(
        """UPDATE run r SET parked_until = now() WHERE r.state = 'parked' AND r.parked_until > now()
             AND (r.park_reason = 'settling'
                  AND NOT EXISTS (SELECT 1 FROM item i JOIN link l ON l.id = i.link_id
                                  WHERE i.run_id = r.id AND i.state = 'to_settle' AND l.state = 'intent')
                  AND NOT EXISTS (SELECT 1 FROM item i
                                  JOIN link l ON l.administration_id = r.administration_id
                                             AND l.identity = i.party_identity AND l.current
                                  WHERE i.run_id = r.id AND i.state = 'planned' AND l.state = 'intent')
               OR r.park_reason = 'series'
                  AND NOT EXISTS (SELECT 1 FROM series s JOIN link l ON l.id = s.open_link
                                  WHERE s.administration_id = r.administration_id AND l.state = 'intent'))"""
    )
