"""What the results topic knows and the database does not, since that was put back to an earlier time (see `stamp`).

Every outcome is told with the entry and the version of its link, so what the topic has at a higher version than the
database was lost there, and is taken over before anything is pushed.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any, cast
from uuid import UUID

import psycopg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from dagboek_schemas.cloudevents import NotAnEvent, UnknownEvent, decode
from dagboek_schemas.events import OUTCOME_TYPES, EventData, ItemOutcome, RunFinished
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_schemas.topics import Topic
from dagboek_sdk import clock

from dagboek.database import Connection, Database, Jsonb
from dagboek.stamp import REMEMBERED, suspect

log = structlog.get_logger()

LAST = 500
"""Records at the end of each partition that are compared with the database."""
PATIENCE = 8.0
"""Seconds that this may take, however many partitions there are."""
TRIES = 4
"""How often a partition is asked for its ends."""
PACK = 1_000
"""Outcomes that are taken over at once."""
TAIL = timedelta(minutes=15)
"""How long after a notice is read on: what was in flight then is told by then."""

_MOVING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART)
"""A partition whose leader has just changed."""

_MODELS: Mapping[str, type[EventData]] = {**dict.fromkeys(OUTCOME_TYPES, ItemOutcome), RunFinished.TYPE: RunFinished}


class Results:
    """The results topic, read without a group. Blocks: to be used in a thread."""

    def __init__(self, bootstrap: str, prefix: str, security: Mapping[str, str]) -> None:
        self._topic = Topic.RESULTS.named(prefix)
        self._next: dict[int, int] = {}
        """Offset of the next record, by partition."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{prefix}.replay",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "log_level": 2,
                **security,
            }
        )

    def close(self) -> None:
        """Ends it."""
        self._consumer.close()

    def ends(self) -> dict[int, tuple[int, int]]:
        """First and next offset of each partition. KafkaException."""
        topic = self._consumer.list_topics(self._topic, timeout=10).topics.get(self._topic)
        return {one: self._ends_of(TopicPartition(self._topic, one)) for one in (topic.partitions if topic else ())}

    def _ends_of(self, partition: TopicPartition) -> tuple[int, int]:
        for left in reversed(range(TRIES)):
            try:
                return self._consumer.get_watermark_offsets(partition, timeout=10)
            except KafkaException as trouble:
                if not left or trouble.args[0].code() not in _MOVING:
                    raise
                sleep(0.5)
        raise AssertionError

    def start_at(self, when: datetime) -> None:
        """Starts to read what was told at `when` or later."""
        ends = self.ends()
        stamp = int(when.timestamp() * 1000)
        wanted = [TopicPartition(self._topic, partition, stamp) for partition in ends]
        found = self._consumer.offsets_for_times(wanted, timeout=20)
        # where nothing was told since: from the end on
        self._begin({one.partition: one.offset if one.offset >= 0 else ends[one.partition][1] for one in found})

    def start_before_end(self, most: int) -> dict[int, tuple[int, int]]:
        """Starts to read the last `most` records of each partition; its ends."""
        ends = self.ends()
        self._begin({partition: max(low, high - most) for partition, (low, high) in ends.items()})
        return ends

    def _begin(self, offsets: Mapping[int, int]) -> None:
        self._next = dict(offsets)
        self._consumer.assign([TopicPartition(self._topic, partition, at) for partition, at in offsets.items()])

    def reached(self, ends: Mapping[int, tuple[int, int]]) -> bool:
        """Whether all before `ends` was read."""
        return all(at >= ends[partition][1] for partition, at in self._next.items())

    def read(self, ends: Mapping[int, tuple[int, int]], most: int, seconds: float = 2.0) -> list[EventData]:
        """Up to about `most` outcomes and ends of runs, within `seconds`, until `ends` are reached. KafkaException."""
        found: list[EventData] = []
        deadline = monotonic() + seconds
        while len(found) < most and monotonic() < deadline and not self.reached(ends):
            for message in self._consumer.consume(most, 0.2):
                found += self._event(message)
        return found

    def _event(self, message: Message) -> Iterator[EventData]:
        error, partition, offset = message.error(), message.partition() or 0, message.offset() or 0
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            self._next[partition] = max(self._next[partition], offset)
            return
        self._next[partition] = offset + 1
        try:
            yield decode(message.value(), cast("list[tuple[str, bytes]]", message.headers()), _MODELS)
        except (NotAnEvent, UnknownEvent):
            return


# whether the topic knows more


@dataclass(frozen=True, slots=True)
class Proof:
    """What the topic knows and the database does not."""

    words: str
    at: datetime


def last_told(bootstrap: str, prefix: str, security: Mapping[str, str]) -> list[EventData]:
    """What was told last, of each partition. Blocks for `PATIENCE` seconds at most. KafkaException."""
    results = Results(bootstrap, prefix, security)
    try:
        ends = results.start_before_end(LAST)
        return results.read(ends, LAST * len(ends), PATIENCE)
    finally:
        results.close()


async def knows_more(connection: Connection, told: Sequence[EventData]) -> Proof | None:
    """The oldest of what was told, and not noticed before, that the database does not know; None: it knows all."""
    found = await connection.execute("SELECT noticed_at FROM stamp")
    stamp = await found.fetchone()
    noticed = stamp["noticed_at"] if stamp else None
    new = [one for one in _told(told) if noticed is None or one.occurred_at > noticed]
    proofs = [*await _runs_lost(connection, new), *await _links_behind(connection, new)]
    return min(proofs, key=lambda proof: proof.at, default=None)


def _told(told: Sequence[EventData]) -> Iterator[ItemOutcome | RunFinished]:
    return (one for one in told if isinstance(one, ItemOutcome | RunFinished))


async def _runs_lost(connection: Connection, told: Sequence[ItemOutcome | RunFinished]) -> list[Proof]:
    first: dict[UUID, datetime] = {}
    ends: dict[UUID, datetime] = {}
    for one in told:
        first[one.run_id] = min(first.get(one.run_id, one.occurred_at), one.occurred_at)
        if isinstance(one, RunFinished):
            ends[one.run_id] = one.occurred_at
    found = await connection.execute("SELECT id, state FROM run WHERE id = ANY(%s)", (list(first),))
    there = {row["id"]: row["state"] for row in await found.fetchall()}
    young = clock.now() - REMEMBERED
    return [
        *(
            Proof(f"run {run} is not in the database", at)
            for run, at in first.items()
            if run not in there and at > young
        ),
        *(Proof(f"run {run} has not ended in the database", at) for run, at in ends.items() if _going_on(there, run)),
    ]


def _going_on(there: Mapping[UUID, str], run: UUID) -> bool:
    return run in there and there[run] != "ended"


async def _links_behind(connection: Connection, told: Sequence[ItemOutcome | RunFinished]) -> list[Proof]:
    """Documents and parties that were told at a higher version than their links, of books that are known here."""
    latest: dict[tuple[UUID, str], ItemOutcome] = {}
    for one in told:
        if isinstance(one, ItemOutcome) and one.link_version > 0:
            key = one.administration_id, one.identity
            if key not in latest or latest[key].link_version < one.link_version:
                latest[key] = one
    found = await connection.execute(
        """SELECT t.administration_id, t.identity
           FROM unnest(%s::uuid[], %s::text[], %s::bigint[]) AS t(administration_id, identity, version)
           JOIN administration a ON a.id = t.administration_id
           WHERE NOT EXISTS (SELECT 1 FROM link l WHERE l.administration_id = t.administration_id
                             AND l.identity = t.identity AND l.link_version >= t.version)""",
        ([key[0] for key in latest], [key[1] for key in latest], [one.link_version for one in latest.values()]),
    )
    behind = [latest[row["administration_id"], row["identity"]] for row in await found.fetchall()]
    return [
        Proof(f"{one.identity} was told as {one.state} of version {one.link_version}", one.occurred_at)
        for one in behind
    ]


# taking it over


@dataclass
class Adopted:
    """What was taken over."""

    entries: list[tuple[str, str]] = field(default_factory=list)
    """Identities that are booked now, and the numbers of their entries."""
    for_person: list[str] = field(default_factory=list)
    """Identities that wait for a person."""

    def add(self, other: "Adopted") -> None:
        """Adds what another lot came to."""
        self.entries += other.entries
        self.for_person += other.for_person


@dataclass(slots=True)
class _Fact:
    """All that a lot says of one item."""

    latest: ItemOutcome
    booked: ItemOutcome | None = None

    def take(self, one: ItemOutcome) -> None:
        if one.link_version >= self.latest.link_version:
            self.latest = one
        stands = (one.state is ItemState.SYNCED and one.entry_id) or one.state is ItemState.ACCEPTED
        if stands and (self.booked is None or one.link_version >= self.booked.link_version):
            self.booked = one


async def adopt(db: Database, told: Sequence[EventData]) -> Adopted:
    """Takes over what was told at a higher version than the links have, in administrations that are suspect."""
    facts: dict[tuple[UUID, str], _Fact] = {}
    for one in told:
        if isinstance(one, ItemOutcome) and one.kind is not ItemKind.PULL and one.link_version > 0:
            facts.setdefault((one.administration_id, one.identity), _Fact(one)).take(one)
    if not facts:
        return Adopted()
    return await _adopt(db, list(facts.values()))


async def _adopt(db: Database, facts: Sequence[_Fact]) -> Adopted:
    try:
        async with db.transaction() as connection:
            await _make_missing(connection, [fact.latest for fact in facts])
            booked = [fact.booked for fact in facts if fact.booked is not None]
            entries = [*await _close_sent_again(connection, booked), *await _book(connection, booked)]
            return Adopted(list(dict.fromkeys(entries)), await _raise(connection, [fact.latest for fact in facts]))
    except psycopg.errors.UniqueViolation:  # an entry that another link holds
        if len(facts) == 1:
            return await _ask_person(db, facts[0])
    adopted = Adopted()
    for fact in facts:
        adopted.add(await _adopt(db, [fact]))
    return adopted


async def _make_missing(connection: Connection, told: Sequence[ItemOutcome]) -> None:
    """A link for what has none; its number is taken from the administration."""
    await connection.execute(
        """WITH missing AS (
               SELECT t.*, row_number() OVER (PARTITION BY t.administration_id ORDER BY t.identity)::int - 1 AS place
               FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS t(administration_id, identity, kind)
               JOIN administration a ON a.id = t.administration_id AND a.suspect_since IS NOT NULL
               WHERE NOT EXISTS (SELECT 1 FROM link l WHERE l.administration_id = t.administration_id
                                 AND l.identity = t.identity AND l.current)
           ), taken AS (
               UPDATE administration a SET next_link_no = a.next_link_no + m.number
               FROM (SELECT administration_id, count(*)::int AS number FROM missing GROUP BY 1) m
               WHERE a.id = m.administration_id RETURNING a.id, a.tenant_id, a.next_link_no - m.number AS first
           )
           INSERT INTO link (tenant_id, administration_id, identity, kind, link_no)
           SELECT k.tenant_id, k.id, m.identity, m.kind, k.first + m.place
           FROM missing m JOIN taken k ON k.id = m.administration_id ON CONFLICT DO NOTHING""",
        ([one.administration_id for one in told], [one.identity for one in told], [str(one.kind) for one in told]),
    )


async def _close_sent_again(connection: Connection, told: Sequence[ItemOutcome]) -> list[tuple[str, str]]:
    """A person had it sent again: the new entry is that of a link of its own, as it was."""
    found = await connection.execute(
        f"""SELECT l.*, t.place FROM {_TOLD} JOIN link l ON {_BEHIND} AND l.current
            WHERE l.entry_id <> t.entry_id AND NOT t.updated""",
        _given(told),
    )
    entries = []
    for old in await found.fetchall():
        one = told[old["place"] - 1]
        await connection.execute("UPDATE link SET current = false, updated_at = now() WHERE id = %s", (old["id"],))
        await connection.execute(
            """WITH taken AS (
                   UPDATE administration SET next_link_no = next_link_no + 1 WHERE id = %(administration)s
                   RETURNING next_link_no - 1 AS number
               )
               INSERT INTO link (tenant_id, administration_id, identity, incarnation, kind, link_no, link_version,
                                 state, attempt, revision, entry_id, entry_number, roles)
               SELECT %(tenant)s, %(administration)s, %(identity)s,
                      (SELECT max(incarnation) + 1 FROM link WHERE administration_id = %(administration)s
                                                               AND identity = %(identity)s),
                      %(kind)s, number, %(version)s, 'booked', %(attempt)s, %(revision)s, %(entry)s, %(number)s,
                      %(roles)s
               FROM taken""",
            {
                "tenant": old["tenant_id"],
                "administration": one.administration_id,
                "identity": one.identity,
                "kind": one.kind,
                "version": one.link_version,
                "attempt": one.attempt,
                "revision": one.revision,
                "entry": one.entry_id,
                "number": one.booking_number,
                "roles": old["roles"],
            },
        )
        entries.append((one.identity, one.booking_number or one.entry_id or "?"))
    return entries


_TOLD = """unnest(%(administrations)s::uuid[], %(identities)s::text[], %(versions)s::bigint[], %(states)s::text[],
    %(entries)s::text[], %(numbers)s::text[], %(revisions)s::text[], %(roles)s::text[], %(attempts)s::int[],
    %(updated)s::bool[]) WITH ORDINALITY
    AS t(administration_id, identity, version, state, entry_id, number, revision, role, attempt, updated, place)
JOIN administration a ON a.id = t.administration_id AND a.suspect_since IS NOT NULL"""

_BEHIND = """l.administration_id = t.administration_id AND l.identity = t.identity AND l.link_version < t.version"""


def _given(told: Sequence[ItemOutcome]) -> dict[str, Any]:
    return {
        "administrations": [one.administration_id for one in told],
        "identities": [one.identity for one in told],
        "versions": [one.link_version for one in told],
        "states": [str(one.state) for one in told],
        "entries": [one.entry_id for one in told],
        "numbers": [one.booking_number for one in told],
        "revisions": [one.revision for one in told],
        "roles": [str(one.component) if one.kind is ItemKind.PARTY else None for one in told],
        "attempts": [one.attempt for one in told],
        "updated": [one.updated for one in told],
    }


async def _book(connection: Connection, told: Sequence[ItemOutcome]) -> list[tuple[str, str]]:
    """Also what was being sent: it was settled in the time that was lost."""
    found = await connection.execute(
        f"""UPDATE link l SET state = CASE t.state WHEN 'accepted' THEN 'accepted' ELSE 'booked' END,
                   entry_id = coalesce(t.entry_id, l.entry_id), entry_number = coalesce(t.number, l.entry_number),
                   revision = t.revision, refused_revision = NULL, needs_person_issue = NULL,
                   accepted_token = CASE t.state WHEN 'accepted' THEN '' END, -- the tool's own word was lost
                   attempt = greatest(l.attempt, t.attempt), link_version = t.version, updated_at = now(),
                   roles = CASE WHEN t.role IS NULL OR t.role = ANY(l.roles) THEN l.roles ELSE l.roles || t.role END
            FROM {_TOLD} WHERE {_BEHIND} AND l.current
            RETURNING l.identity, coalesce(l.entry_number, l.entry_id, '?') AS number""",
        _given(told),
    )
    return [(row["identity"], row["number"]) for row in await found.fetchall()]


async def _raise(connection: Connection, told: Sequence[ItemOutcome]) -> list[str]:
    """Versions rise for whoever reads the topic. What was a person's business is, and so is what nobody can tell.

    That is an attempt whose outcome was not known, and which the database does not know of; an update is sent again.
    """
    found = await connection.execute(
        f"""WITH raised AS (
                UPDATE link l SET link_version = t.version, attempt = greatest(l.attempt, t.attempt),
                       state = CASE WHEN {_LOST} THEN 'needs_person' ELSE l.state END,
                       needs_person_issue = CASE WHEN {_LOST} THEN %(issue)s ELSE l.needs_person_issue END
                FROM {_TOLD} WHERE {_BEHIND} AND l.current
                RETURNING l.identity, l.state, l.needs_person_issue
            )
            SELECT identity FROM raised WHERE state = 'needs_person' AND needs_person_issue = %(issue)s""",
        _given(told) | {"issue": Jsonb(Issue(code="D41").model_dump(mode="json"))},
    )
    return [row["identity"] for row in await found.fetchall()]


# of documents: parties are looked for before they are made
_LOST = """(t.state = 'needs_person' OR t.state = 'to_settle' AND t.role IS NULL
            AND (l.state = 'free' OR l.state = 'intent' AND l.attempt <> t.attempt))"""


async def _ask_person(db: Database, fact: _Fact) -> Adopted:
    """Its entry is another link's by now: a person has to look."""
    one = fact.booked or fact.latest
    issue = Issue(code="D11", facts={"entry": one.booking_number or one.entry_id or "?"})
    async with db.transaction() as connection:
        await _make_missing(connection, [one])
        changed = await connection.execute(
            f"""UPDATE link l SET state = 'needs_person', needs_person_issue = %(issue)s, link_version = t.version,
                       updated_at = now() FROM {_TOLD} WHERE {_BEHIND} AND l.current""",
            _given([fact.latest]) | {"issue": Jsonb(issue.model_dump(mode="json"))},
        )
        return Adopted(for_person=[one.identity] if changed.rowcount else [])


class Replay:
    """The core's part: compares after a restart; after a notice takes over what the topic knows, and reads on a while.

    One that fails reads again from where the suspicion begins: what is taken over twice does no harm.
    """

    def __init__(self, db: Database, bootstrap: str, prefix: str, security: Mapping[str, str]) -> None:
        self._db = db
        self._servers = bootstrap, prefix, security
        self._results: Results | None = None
        self._of: datetime | None = None
        """The notice that it reads for."""

    async def step(self) -> Adopted:
        """Does what is due; what was taken over. KafkaException."""
        row = await self._db.one("SELECT *, clock_timestamp() AS now FROM stamp")
        if row is None:
            return Adopted()
        if row["unchecked"]:
            await self._check()
        noticed, until = row["noticed_at"], row["replayed_until"]
        if noticed is None or (until is not None and until > noticed + TAIL):
            self.close()
            return Adopted()
        try:
            return await self._read_on(row)
        except BaseException:
            self.close()  # what was read and not taken over is read again
            raise

    async def _check(self) -> None:
        told = await asyncio.to_thread(last_told, *self._servers)
        async with self._db.transaction() as connection:
            proof = await knows_more(connection, told)
            if proof is not None:
                await suspect(connection, f"{proof.words}; the results topic has it", at=proof.at)
            await connection.execute("UPDATE stamp SET unchecked = false")

    async def _read_on(self, row: Mapping[str, Any]) -> Adopted:
        if self._results is None or self._of != row["noticed_at"]:
            self.close()
            self._results, self._of = Results(*self._servers), row["noticed_at"]
            await asyncio.to_thread(self._results.start_at, row["since"])
        adopted = Adopted()
        ends = await asyncio.to_thread(self._results.ends)
        while not self._results.reached(ends):
            adopted.add(await adopt(self._db, await asyncio.to_thread(self._results.read, ends, PACK)))
        await self._db.run("UPDATE stamp SET replayed_until = %s WHERE noticed_at = %s", row["now"], row["noticed_at"])
        if adopted.entries or adopted.for_person:
            log.warning("results.adopted", entries=len(adopted.entries), for_person=len(adopted.for_person))
        return adopted

    def close(self) -> None:
        """Ends its reader."""
        if self._results is not None:
            self._results.close()
            self._results = None
