"""The push record: links and attempts (design section 6). Here a document is booked once, or not at all.

An intent is a compare-and-set on the link's row, in a transaction that holds the rows of its run and its lane:
whoever lost the lane, or works for an older generation, gets no intent. An outcome is a fact: it is accepted for
its attempt, whatever run, generation or worker it came from.

All statements take many rows at once, since one commit for many documents is what makes this fast.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
from dagboek_schemas.statuses import ItemState
from dagboek_sdk.attempt import Candidate
from psycopg.rows import DictRow

from dagboek.database import Connection, Database
from dagboek.refusals import Refusal, remember
from dagboek.webhooks.outbox import NOTE_OUTCOMES


class Outcome(StrEnum):
    """What became of an attempt."""

    BOOKED = "booked"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_PROCESSED = "not_processed"
    UNCERTAIN = "uncertain"
    ABSENT = "absent"
    """Settled: the tool does not hold it."""
    PERSON = "person"
    """Settled: nobody but a person can tell."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One attempt about to be made. `seen` is the link's attempt number that the decision rests on."""

    link_id: int
    administration_id: UUID
    run_id: UUID
    generation: int
    epoch: int
    sequence: int
    op: str
    expected: str
    seen: int
    settle_seconds: float
    booking: bytes
    """JSON of what will be sent."""
    revision: str | None = None
    context_version: int | None = None
    series: str | None = None
    party_entry: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The intent stands: the attempt may be sent, under this number where there is a series."""

    link_id: int
    attempt: int
    link_version: int
    series_number: int | None


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """What became of an attempt, for its link."""

    link_id: int
    attempt: int
    outcome: Outcome
    revision: str | None = None
    role: str | None = None
    entry_id: str | None = None
    entry_number: str | None = None
    entry_url: str | None = None
    entry_details: bytes = b"{}"
    accepted_token: str | None = None
    issues: bytes = b"[]"
    expected: str = "intent"
    """The state that the link is in, unless it has moved on: another one for what was accepted before."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """An entry that stands in the tool already, and is ours: the link is booked without a push."""

    link_id: int
    seen: int
    revision: str | None
    entry_id: str
    entry_number: str | None = None
    entry_url: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What became of an item of a run, with the event that tells it."""

    run_id: UUID
    sequence: int
    state: ItemState
    event: bytes
    issues: bytes = b"[]"
    attempt: int = 0
    link_version: int = 0
    booking_number: str | None = None
    entry_id: str | None = None
    updated: bool = False
    link_id: int | None = None
    releases: str | None = None
    """Of the plugins that looked at what was skipped: it is remembered, and not tried each night."""


@dataclass(slots=True)
class Group:
    """What one transaction writes, in this order."""

    outcomes: list[AttemptOutcome] = field(default_factory=list)
    adoptions: list[Adoption] = field(default_factory=list)
    items: list[ItemOutcome] = field(default_factory=list)
    reported: list[tuple[UUID, int, str]] = field(default_factory=list)
    """Run, sequence and state of items whose event was delivered; one that has another state by now is not marked."""
    intents: list[Intent] = field(default_factory=list)


@dataclass(slots=True)
class Written:
    """What a group came to."""

    granted: dict[int, Granted] = field(default_factory=dict)
    """By link; an intent that is missing was refused."""
    late: list[AttemptOutcome] = field(default_factory=list)
    """Outcomes whose link has moved on; `late_outcome` takes them one by one."""
    adopted: set[int] = field(default_factory=set)
    told: set[tuple[UUID, int]] = field(default_factory=set)
    """Run and sequence of items whose event is to be delivered; one that is missing had another outcome already."""


async def write(connection: Connection, group: Group) -> Written:
    """Writes a group in one transaction."""
    written = Written()
    async with connection.together():
        applied = await _outcomes(connection, group.outcomes) if group.outcomes else None
        adopted = await _adoptions(connection, group.adoptions) if group.adoptions else None
        if refused := [
            Refusal(one.run_id, one.sequence, one.link_id, one.issues, one.releases)
            for one in group.items
            if one.link_id is not None and one.releases is not None
        ]:
            await remember(connection, refused)
        told = await _items(connection, group.items) if group.items else None
        if group.reported:
            await _reported(connection, group.reported)
        granted = await _intents(connection, group.intents) if group.intents else None
    if applied is not None:
        done = {(row["id"], row["attempt"]) for row in await applied.fetchall()}
        written.late = [one for one in group.outcomes if (one.link_id, one.attempt) not in done]
    if adopted is not None:
        written.adopted = {row["id"] for row in await adopted.fetchall()}
    if told is not None:
        written.told = {(row["run_id"], row["sequence"]) for row in await told.fetchall()}
    if granted is not None:
        for row in await granted.fetchall():
            written.granted[row["id"]] = Granted(row["id"], row["attempt"], row["link_version"], row["next_number"])
    return written


# Arrays go out in PostgreSQL's binary form (`%b`): as text, every quote in a JSON value would be escaped.


def _column(rows: Sequence[Any], name: str) -> list[Any]:
    return [getattr(row, name) for row in rows]


def _word_column(rows: Sequence[Any], name: str) -> list[str]:
    return [str(getattr(row, name)) for row in rows]


def _json_column(rows: Sequence[Any], name: str) -> list[str]:
    return [getattr(row, name).decode() for row in rows]


_INTENTS = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%b::bigint[], %b::uuid[], %b::uuid[], %b::int[], %b::bigint[], %b::int[], %b::text[],
                         %b::text[], %b::int[], %b::float8[], %b::text[], %b::text[], %b::int[], %b::text[], %b::text[])
    AS w(link_id, administration_id, run_id, generation, epoch, sequence, op, expected, seen, settle, booking,
         revision, context_version, series, party_entry)
), live AS MATERIALIZED (
    -- one by one and by id alone: else all runs that are open would be read for a few, as they look like few
    SELECT r.* FROM (SELECT DISTINCT run_id FROM wanted ORDER BY run_id) w
    CROSS JOIN LATERAL (SELECT id, generation, state FROM run WHERE id = w.run_id FOR SHARE) r
), mine AS MATERIALIZED (
    SELECT administration_id, epoch FROM lane
    WHERE administration_id IN (SELECT administration_id FROM wanted) ORDER BY administration_id FOR SHARE
), allowed AS MATERIALIZED (
    SELECT w.* FROM wanted w
    JOIN live ON live.id = w.run_id AND live.generation = w.generation AND live.state = 'active'
    JOIN mine ON mine.administration_id = w.administration_id AND mine.epoch = w.epoch
), locked AS MATERIALIZED (
    SELECT l.id FROM link l JOIN allowed a ON a.link_id = l.id
    WHERE l.state = a.expected AND l.attempt = a.seen AND l.current
    ORDER BY l.id FOR UPDATE OF l
), numbered AS (
    UPDATE series s SET open_link = a.link_id, open_attempt = a.seen + 1
    FROM allowed a JOIN locked k ON k.id = a.link_id
    WHERE a.series IS NOT NULL AND s.administration_id = a.administration_id AND s.key = a.series
      AND s.open_link IS NULL
    RETURNING a.link_id, s.next_number
), granted AS (
    UPDATE link l SET state = 'intent', op = a.op, prior_state = l.state, attempt = a.seen + 1,
        settle_due = clock_timestamp() + make_interval(secs => a.settle), run_id = a.run_id, sequence = a.sequence,
        link_version = l.link_version + 1, updated_at = now()
    FROM allowed a LEFT JOIN numbered n ON n.link_id = a.link_id
    WHERE l.id = a.link_id AND l.id IN (SELECT id FROM locked) AND l.state = a.expected AND l.attempt = a.seen
      AND (a.series IS NULL OR n.link_id IS NOT NULL)
    RETURNING l.id, l.attempt, l.link_version, n.next_number
), written AS (
    INSERT INTO attempt (link_id, number, op, run_id, sequence, generation, epoch, revision, context_version, booking,
                         series, series_number, party_entry)
    SELECT a.link_id, g.attempt, a.op, a.run_id, a.sequence, a.generation, a.epoch, a.revision, a.context_version,
           a.booking::jsonb, a.series, g.next_number, a.party_entry
    FROM granted g JOIN allowed a ON a.link_id = g.id
)
SELECT * FROM granted
"""


async def _intents(connection: Connection, intents: Sequence[Intent]) -> Any:
    return await connection.execute(
        _INTENTS,
        (
            _column(intents, "link_id"),
            _column(intents, "administration_id"),
            _column(intents, "run_id"),
            _column(intents, "generation"),
            _column(intents, "epoch"),
            _column(intents, "sequence"),
            _word_column(intents, "op"),
            _column(intents, "expected"),
            _column(intents, "seen"),
            _column(intents, "settle_seconds"),
            _json_column(intents, "booking"),
            _column(intents, "revision"),
            _column(intents, "context_version"),
            _column(intents, "series"),
            _column(intents, "party_entry"),
        ),
    )


_OUTCOMES = """
WITH done AS MATERIALIZED (
    SELECT * FROM unnest(%b::bigint[], %b::int[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
                         %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS d(link_id, attempt, outcome, revision, role, entry_id, entry_number, entry_url, entry_details, token, issues,
         expected)
), locked AS MATERIALIZED (
    SELECT l.id, l.attempt FROM link l JOIN done d ON d.link_id = l.id
    WHERE l.state = d.expected AND l.attempt = d.attempt ORDER BY l.id FOR UPDATE OF l
), told AS (
    UPDATE attempt a SET outcome = d.outcome, outcome_at = clock_timestamp(), entry_id = d.entry_id,
        entry_number = d.entry_number, issues = d.issues::jsonb
    FROM done d JOIN locked k ON k.id = d.link_id AND k.attempt = d.attempt
    WHERE a.link_id = d.link_id AND a.number = d.attempt
), freed AS (
    UPDATE series s SET open_link = NULL, open_attempt = NULL,
        next_number = CASE WHEN d.outcome IN ('booked', 'accepted') THEN greatest(s.next_number, t.series_number + 1)
                           ELSE s.next_number END
    FROM done d JOIN attempt t ON t.link_id = d.link_id AND t.number = d.attempt
    WHERE d.outcome <> 'uncertain' AND s.open_link = d.link_id AND s.open_attempt = d.attempt
      AND t.series = s.key
)
UPDATE link l SET
    state = CASE d.outcome WHEN 'booked' THEN CASE WHEN l.op = 'create' AND l.entry_id <> d.entry_id
                                                   THEN 'needs_person' ELSE 'booked' END
                           WHEN 'accepted' THEN 'accepted' WHEN 'uncertain' THEN 'intent'
                           WHEN 'person' THEN 'needs_person' ELSE l.prior_state END,
    revision = CASE WHEN d.outcome IN ('booked', 'accepted') THEN d.revision ELSE l.revision END,
    refused_revision = CASE d.outcome WHEN 'refused' THEN d.revision WHEN 'booked' THEN NULL
                                      ELSE l.refused_revision END,
    roles = CASE WHEN d.outcome = 'booked' AND d.role IS NOT NULL AND NOT d.role = ANY(l.roles)
                 THEN l.roles || d.role ELSE l.roles END,
    entry_id = CASE l.op WHEN 'create' THEN coalesce(l.entry_id, d.entry_id) ELSE coalesce(d.entry_id, l.entry_id) END,
    entry_number = CASE WHEN l.op = 'create' AND l.entry_id IS NOT NULL THEN l.entry_number
                        ELSE coalesce(d.entry_number, l.entry_number) END,
    entry_url = coalesce(d.entry_url, l.entry_url),
    entry_details = coalesce(l.entry_details, '{}') || d.entry_details::jsonb,
    accepted_token = d.token, retry_at = CASE WHEN d.outcome IN ('booked', 'accepted') THEN NULL ELSE l.retry_at END,
    needs_person_issue = CASE
        WHEN d.outcome = 'person' THEN d.issues::jsonb -> 0
        WHEN d.outcome = 'booked' AND l.op = 'create' AND l.entry_id <> d.entry_id -- an earlier attempt booked as well
        THEN jsonb_build_object('code', 'D12', 'severity', 'error',
                                'facts', jsonb_build_object('entry', coalesce(d.entry_number, d.entry_id)))
    END,
    link_version = l.link_version + 1, updated_at = now()
FROM done d WHERE l.id = d.link_id AND l.id IN (SELECT id FROM locked) AND l.attempt = d.attempt
RETURNING l.id, l.attempt
"""


async def _outcomes(connection: Connection, outcomes: Sequence[AttemptOutcome]) -> Any:
    return await connection.execute(
        _OUTCOMES,
        (
            _column(outcomes, "link_id"),
            _column(outcomes, "attempt"),
            _word_column(outcomes, "outcome"),
            _column(outcomes, "revision"),
            _column(outcomes, "role"),
            _column(outcomes, "entry_id"),
            _column(outcomes, "entry_number"),
            _column(outcomes, "entry_url"),
            _json_column(outcomes, "entry_details"),
            _column(outcomes, "accepted_token"),
            _json_column(outcomes, "issues"),
            _column(outcomes, "expected"),
        ),
    )


async def _adoptions(connection: Connection, adoptions: Sequence[Adoption]) -> Any:
    return await connection.execute(
        """WITH found AS MATERIALIZED (
               SELECT * FROM unnest(%b::bigint[], %b::int[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
               AS f(link_id, seen, revision, entry_id, entry_number, entry_url, role)
           )
           UPDATE link l SET state = 'booked', revision = f.revision, entry_id = f.entry_id,
               entry_number = f.entry_number, entry_url = f.entry_url, link_version = l.link_version + 1,
               roles = CASE WHEN f.role IS NULL OR f.role = ANY(l.roles) THEN l.roles ELSE l.roles || f.role END,
               retry_at = NULL, updated_at = now()
           FROM found f WHERE l.id = f.link_id AND l.state = 'free' AND l.attempt = f.seen AND l.current
             AND NOT EXISTS (SELECT 1 FROM link x WHERE x.administration_id = l.administration_id AND x.kind = l.kind
                             AND x.entry_id = f.entry_id AND x.current AND x.id <> l.id)
           RETURNING l.id""",
        tuple(
            _column(adoptions, name)
            for name in ("link_id", "seen", "revision", "entry_id", "entry_number", "entry_url", "role")
        ),
    )


async def _items(connection: Connection, items: Sequence[ItemOutcome]) -> Any:
    # Given are those that have the outcome, also by a commit whose answer was lost. One that comes when the item was
    # told as something else, such as a frozen worker's, is left to the sweeper: consumers order by version, then time,
    # and its event has the time when it was made, which may be long before what was told meanwhile.
    return await connection.execute(
        f"""WITH o AS MATERIALIZED (
               SELECT * FROM unnest(%b::uuid[], %b::int[], %b::text[], %b::text[], %b::int[], %b::bigint[], %b::text[],
                                    %b::text[], %b::bool[], %b::bytea[])
               AS o(run_id, sequence, state, issues, attempt, link_version, booking_number, entry_id, updated, event)
           ), written AS (
               UPDATE item i SET state = o.state, issues = o.issues::jsonb, attempt = o.attempt,
                   link_version = greatest(i.link_version, o.link_version), booking_number = o.booking_number,
                   entry_id = o.entry_id, updated = o.updated, outcome_at = now(), reported_at = NULL,
                   event = CASE WHEN i.state = 'planned' OR i.event = o.event THEN o.event END
               FROM o WHERE i.run_id = o.run_id AND i.sequence = o.sequence
                 AND i.state IN ('planned', 'to_settle', 'accepted', 'needs_person', 'not_tried')
               RETURNING i.run_id, i.sequence, i.event
           ), noted AS ({NOTE_OUTCOMES})
           SELECT run_id, sequence FROM written WHERE event IS NOT NULL
           UNION SELECT i.run_id, i.sequence FROM item i JOIN o ON o.run_id = i.run_id AND o.sequence = i.sequence
           WHERE i.event = o.event""",
        (
            _column(items, "run_id"),
            _column(items, "sequence"),
            _word_column(items, "state"),
            _json_column(items, "issues"),
            _column(items, "attempt"),
            _column(items, "link_version"),
            _column(items, "booking_number"),
            _column(items, "entry_id"),
            _column(items, "updated"),
            _column(items, "event"),
        ),
    )


async def _reported(connection: Connection, reported: Sequence[tuple[UUID, int, str]]) -> Any:
    return await connection.execute(
        """UPDATE item i SET reported_at = now()
           FROM unnest(%b::uuid[], %b::int[], %b::text[]) AS r(run_id, sequence, state)
           WHERE i.run_id = r.run_id AND i.sequence = r.sequence AND i.state = r.state""",
        (
            [run_id for run_id, _, _ in reported],
            [sequence for _, sequence, _ in reported],
            [str(state) for _, _, state in reported],
        ),
    )


async def hand_to_person(connection: Connection, item: ItemOutcome, issues: bytes) -> None:
    """An item whose outcome was written turns out to be a person's business; the sweeper tells it."""
    await connection.execute(
        """UPDATE item SET state = 'needs_person', issues = %s::jsonb, booking_number = NULL, entry_id = NULL,
                  event = NULL, reported_at = NULL, outcome_at = now() WHERE run_id = %s AND sequence = %s""",
        (issues.decode(), item.run_id, item.sequence),
    )


async def repeat_intent(connection: Connection, intent: Intent, attempt: int) -> datetime | None:
    """Renews the settle time of an open attempt that is about to be sent once more; None when it may not be.

    The same checks as for an intent: the run is active in this generation, the lane is ours.
    """
    found = await connection.execute(
        """WITH live AS MATERIALIZED (
               SELECT id FROM run WHERE id = %(run)s AND generation = %(generation)s AND state = 'active' FOR SHARE
           ), mine AS MATERIALIZED (
               SELECT 1 FROM lane WHERE administration_id = %(administration)s AND epoch = %(epoch)s FOR SHARE
           )
           UPDATE link SET settle_due = clock_timestamp() + make_interval(secs => %(settle)s), updated_at = now()
           WHERE id = %(link)s AND state = 'intent' AND attempt = %(attempt)s
             AND EXISTS (SELECT 1 FROM live) AND EXISTS (SELECT 1 FROM mine)
           RETURNING settle_due""",
        {
            "run": intent.run_id,
            "generation": intent.generation,
            "administration": intent.administration_id,
            "epoch": intent.epoch,
            "settle": intent.settle_seconds,
            "link": intent.link_id,
            "attempt": attempt,
        },
    )
    row = await found.fetchone()
    return row["settle_due"] if row else None


class Late(StrEnum):
    """What an outcome meant for a link that had moved on."""

    KNOWN = "known"
    ADOPTED = "adopted"
    ACCEPTED = "accepted"
    """The tool books it later, and is asked for it."""
    BOOKED_TWICE = "booked_twice"
    NO_MATTER = "no_matter"


async def late_outcome(connection: Connection, late: AttemptOutcome, twice: bytes) -> Late:
    """Takes an outcome whose link has moved on: a fact all the same.

    `twice` is the issue (JSON) for a person when the tool turns out to hold two entries for one link. While a newer
    attempt is open the link keeps waiting for it, but with the entry, so that it cannot become free again. For what a
    person had sent again meanwhile it is a fact of the link that took its place. The attempt itself may be missing, in
    a database that was put back to before it.
    """
    async with connection.transaction():
        found = await connection.execute("SELECT * FROM link WHERE id = %s FOR UPDATE", (late.link_id,))
        link = await found.fetchone()
        if link is None:
            return Late.NO_MATTER
        noted = await connection.execute(
            """UPDATE attempt SET outcome = %s, outcome_at = clock_timestamp(), entry_id = %s, entry_number = %s
               WHERE link_id = %s AND number = %s AND outcome IS DISTINCT FROM 'booked'""",
            (late.outcome, late.entry_id, late.entry_number, late.link_id, late.attempt),
        )
        if late.outcome is Outcome.ACCEPTED:
            return await _accepted_late(connection, late)
        if late.outcome is not Outcome.BOOKED:
            return Late.NO_MATTER
        if link["entry_id"] == late.entry_id or (not noted.rowcount and await _has_attempt(connection, late)):
            return Late.KNOWN
        if not link["current"]:
            link = await _successor(connection, link)
        if link["entry_id"] == late.entry_id:
            return Late.KNOWN
        if await _adopted_late(connection, link["id"], late):
            return Late.ADOPTED
        await connection.execute(
            """UPDATE link SET state = 'needs_person', needs_person_issue = %s::jsonb,
                      link_version = link_version + 1, updated_at = now() WHERE id = %s""",
            (twice.decode(), link["id"]),
        )
        return Late.BOOKED_TWICE


async def _accepted_late(connection: Connection, late: AttemptOutcome) -> Late:
    """Has the tool asked for it, where nothing that came after that attempt is open; what is free is not sent again.

    The database may know less attempts than there were, where it was put back to before that one.
    """
    asked = await connection.execute(
        """UPDATE link SET accepted_token = %(token)s,
                  state = CASE WHEN state = 'free' AND current THEN 'accepted' ELSE state END,
                  revision = %(revision)s, -- what it accepted, whatever was sent since
                  prior_state = coalesce(prior_state, 'free'), -- if the tool does not book it after all
                  link_version = link_version + 1, updated_at = now()
           WHERE id = %(link)s AND (attempt <= %(attempt)s OR state = 'free' AND current) AND accepted_token IS NULL
             AND (state IN ('free', 'needs_person') OR NOT current) AND entry_id IS NULL""",
        {"token": late.accepted_token, "revision": late.revision, "link": late.link_id, "attempt": late.attempt},
    )
    return Late.ACCEPTED if asked.rowcount else Late.NO_MATTER


async def _has_attempt(connection: Connection, late: AttemptOutcome) -> bool:
    found = await connection.execute(
        "SELECT 1 FROM attempt WHERE link_id = %s AND number = %s", (late.link_id, late.attempt)
    )
    return await found.fetchone() is not None


async def _successor(connection: Connection, link: DictRow) -> DictRow:
    """The current link of what a closed one stood for."""
    found = await connection.execute(
        "SELECT * FROM link WHERE administration_id = %s AND identity = %s AND current FOR UPDATE",
        (link["administration_id"], link["identity"]),
    )
    return await found.fetchone() or link


async def _adopted_late(connection: Connection, link_id: int, late: AttemptOutcome) -> bool:
    """Whether the link has no other entry, and the entry no other link. A person may have told its number alone."""
    try:
        async with connection.transaction():
            adopted = await connection.execute(
                """UPDATE link l SET state = CASE state WHEN 'intent' THEN 'intent' ELSE 'booked' END,
                          prior_state = 'booked', entry_id = %(entry)s, entry_number = %(number)s, entry_url = %(url)s,
                          revision = %(revision)s, needs_person_issue = NULL, link_version = link_version + 1,
                          updated_at = now()
                   WHERE id = %(link)s AND entry_id IS NULL
                     AND (state IN ('free', 'needs_person', 'intent')
                          OR state = 'booked' AND entry_number = %(number)s)
                     AND NOT EXISTS (SELECT 1 FROM link x WHERE x.administration_id = l.administration_id
                                     AND x.kind = l.kind AND x.entry_id = %(entry)s AND x.current AND x.id <> l.id)""",
                {
                    "link": link_id,
                    "entry": late.entry_id,
                    "number": late.entry_number,
                    "url": late.entry_url,
                    "revision": late.revision,
                },
            )
    except psycopg.errors.UniqueViolation:  # another link took it at this moment
        return False
    return adopted.rowcount == 1


async def entries_of_others(
    db: Database, administration_id: UUID, kind: str, link_id: int, candidates: Sequence[Candidate]
) -> set[str]:
    """Ids of those candidates that another link holds: they are never adopted."""
    if not candidates:
        return set()
    rows = await db.all(
        """SELECT entry_id FROM link WHERE administration_id = %s AND kind = %s AND current AND id <> %s
           AND entry_id = ANY(%s)""",
        administration_id,
        kind,
        link_id,
        [one.entry_id for one in candidates],
    )
    return {row["entry_id"] for row in rows}


async def start_series(connection: Connection, administration_id: UUID, key: str, last: int) -> None:
    """Makes a series known, from the tool's last number. One that is known already is left alone."""
    await connection.execute(
        "INSERT INTO series (administration_id, key, next_number) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (administration_id, key, last + 1),
    )


async def correct_series(connection: Connection, administration_id: UUID, key: str, last: int) -> None:
    """Sets the next number after the tool's last one, unless an open attempt holds the series."""
    await connection.execute(
        """UPDATE series SET next_number = %s
           WHERE administration_id = %s AND key = %s AND open_link IS NULL""",
        (last + 1, administration_id, key),
    )
