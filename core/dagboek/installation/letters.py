"""Dead letters: what came that was no event, shown without what it may say of people, and published again once."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from dagboek_schemas.cloudevents import ACTED_ON, Record
from dagboek_schemas.events import EventData, ItemOutcome
from dagboek_schemas.topics import Topic

from dagboek.database import AWAY, Database
from dagboek.dead_letters import KEY
from dagboek.installation.lag import PATIENCE, KafkaAway, admin_of, away
from dagboek.publisher import Publisher, Undeliverable
from dagboek.reasons import Refusal
from dagboek.tenants import Unusable
from dagboek.topics import topic_names

log = structlog.get_logger()

WAIT: Final = 5.0
"""Seconds that a request waits for the brokers to take what is published again."""
FORGOTTEN: Final = "1 hour"
"""After which a publishing whose process has ended may be begun again; receivers drop what they have seen."""
SHAPE: Final = 200
"""Characters of a text whose shape is shown."""

_OURS: Final = "dagboek_"
_EVENTS: Final[tuple[type[EventData], ...]] = (*ACTED_ON.values(), ItemOutcome)
_NAMES: Final = frozenset(name for model in _EVENTS for name in model.model_fields)
_PLAIN: Final = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z]\w{0,11}:[0-9a-f]{6,}|[a-z_]{1,30}|\d{4}-\d\d-\d\d[T:.\d+Z-]*"
)
"""Values that say nothing of people, under names of our own: ids, identities, words of ours, times."""
_HEADER: Final = re.compile(r"[\w./:+;=, -]{0,200}", re.ASCII)
_HEADERS: Final = frozenset(
    {"ce_specversion", "ce_type", "ce_id", "ce_source", "ce_time", "content-type", "traceparent"}
)


@dataclass(frozen=True, slots=True)
class Published:
    """That a letter was published again."""

    by: str
    begun_at: datetime
    at: datetime | None
    """When the brokers had it; None while they have not said so."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as the topic holds it."""

    partition: int
    offset: int
    at: datetime | None
    reason: str
    topic: str
    """Where it came from."""
    from_partition: str
    from_offset: str
    reference: str
    """In the log of who set it aside."""
    type: str
    size: int
    """Bytes of its body, as it came."""
    cut: bool
    """Too large to be kept whole: it cannot be published again."""
    record: Record
    published: Published | None = None


class Letters:
    """The topic of dead letters, read without a group. Blocks: to be used in a thread."""

    def __init__(self, bootstrap: str, prefix: str, security: Mapping[str, str]) -> None:
        self._bootstrap = bootstrap
        self._topic = Topic.DEADLETTERS.named(prefix)
        admin_of(bootstrap, security)  # which says where there is no broker
        options: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "group.id": f"{prefix}.operator",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "log_level": 0,
            **security,
        }
        self._consumer = Consumer(options)

    def close(self) -> None:
        """Ends it."""
        self._consumer.close()

    def newest(self, before: tuple[int, int] | None, most: int) -> list[Letter]:
        """Up to `most` letters before the one at this partition and offset, newest first. KafkaAway.

        The topic has one partition, unless somebody made it otherwise: then one comes after the other.
        """
        found: list[Letter] = []
        try:
            topic = self._consumer.list_topics(self._topic, timeout=PATIENCE).topics.get(self._topic)
            for partition in sorted(topic.partitions if topic and not topic.error else (), reverse=True):
                if before is not None and partition > before[0]:
                    continue
                low, high = self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, partition), timeout=PATIENCE
                )
                end = min(high, before[1]) if before is not None and partition == before[0] else high
                while len(found) < most and end > low:
                    start = max(low, end - (most - len(found)))
                    found += reversed(self._read(partition, start, end))
                    end = start
        except KafkaException as trouble:
            raise away(self._bootstrap, trouble) from trouble
        return found

    def one(self, partition: int, offset: int) -> Letter | None:
        """The letter there; None where there is none. KafkaAway."""
        found = self.newest((partition, offset + 1), 1)
        return found[0] if found and (found[0].partition, found[0].offset) == (partition, offset) else None

    def _read(self, partition: int, start: int, end: int) -> list[Letter]:
        self._consumer.assign([TopicPartition(self._topic, partition, start)])
        found: list[Letter] = []
        deadline = monotonic() + PATIENCE * 2
        while monotonic() < deadline:
            for message in self._consumer.consume(end - start, 0.2):
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                offset = message.offset() or 0
                if error is not None or offset >= end:
                    return found
                found.append(_letter(message))
                if offset == end - 1:
                    return found
        raise KafkaAway("Kafka does not hand out dead letters in time.", "kafka_late")


def newest(
    bootstrap: str, prefix: str, security: Mapping[str, str], before: tuple[int, int] | None, most: int
) -> list[Letter]:
    """Letters, newest first. Blocks. KafkaAway."""
    letters = Letters(bootstrap, prefix, security)
    try:
        return letters.newest(before, most)
    finally:
        letters.close()


def at_place(bootstrap: str, prefix: str, security: Mapping[str, str], partition: int, offset: int) -> Letter | None:
    """One letter; None where there is none. Blocks. KafkaAway."""
    letters = Letters(bootstrap, prefix, security)
    try:
        return letters.one(partition, offset)
    finally:
        letters.close()


async def with_marks(db: Database, letters: Sequence[Letter]) -> list[Letter]:
    """The letters with whether they were published again."""
    rows = await db.all(
        """SELECT d.* FROM unnest(%s::int[], %s::bigint[], %s::text[]) AS w(partition, place, reference)
           JOIN dead_letter d USING (partition, place, reference)""",
        [one.partition for one in letters],
        [one.offset for one in letters],
        [one.reference for one in letters],
    )
    marks = {
        (row["partition"], row["place"]): Published(row["begun_by"], row["begun_at"], row["published_at"])
        for row in rows
    }
    return [replace(one, published=marks.get((one.partition, one.offset))) for one in letters]


class PublishedAlready(Refusal):
    """Somebody has published this letter again, or is about to."""


async def publish_again(db: Database, publisher: Publisher, letter: Letter, who: str) -> bool:
    """Publishes a letter where it came from, once, whoever asks how often; False while the brokers have not taken it.

    Unusable where it cannot be; PublishedAlready. What the brokers have not taken yet is delivered as soon as they do.
    """
    topic = {name: topic for topic, name in topic_names(publisher.prefix).items()}.get(letter.topic)
    if topic is None or topic is Topic.DEADLETTERS:
        text = f"The letter came from {letter.topic or 'nowhere'}, which is no topic of this installation."
        raise Unusable(text, "letter_elsewhere", topic=letter.topic or "?")
    if letter.cut or len(letter.record.key) >= KEY:
        raise Unusable("The record was too large to be kept whole: its sender has to send it again.", "letter_cut")
    place = {"partition": letter.partition, "place": letter.offset, "reference": letter.reference, "by": who}
    if not await db.run(_BEGIN, place):
        raise PublishedAlready(
            "This dead letter was published again already. It is not published twice; its sender can send anew.",
            "published_already",
        )
    headers = [(name, value) for name, value in letter.record.headers if not name.startswith(_OURS)]
    record = Record(letter.record.key, letter.record.value, headers)
    task = asyncio.create_task(_delivered(db, publisher, topic, record, place))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    done, _ = await asyncio.wait({task}, timeout=WAIT)
    if not done:
        return False
    task.result()
    return True


_under_way: set[asyncio.Task[None]] = set()

_BEGIN: Final = f"""
INSERT INTO dead_letter AS d (partition, place, reference, begun_by)
VALUES (%(partition)s, %(place)s, %(reference)s, %(by)s)
ON CONFLICT (partition, place, reference) DO UPDATE SET begun_by = excluded.begun_by, begun_at = now()
WHERE d.published_at IS NULL AND d.begun_at < now() - interval '{FORGOTTEN}'
"""


async def _delivered(
    db: Database, publisher: Publisher, topic: Topic, record: Record, place: Mapping[str, Any]
) -> None:
    try:
        await publisher.publish(topic, [record])
    except Undeliverable as never:
        await db.run(
            "DELETE FROM dead_letter WHERE partition = %(partition)s AND place = %(place)s"
            " AND reference = %(reference)s",
            place,
        )
        raise Unusable(f"The brokers do not take it: {never}", "letter_refused") from never
    try:
        await db.run(
            "UPDATE dead_letter SET published_at = now() WHERE partition = %(partition)s AND place = %(place)s"
            " AND reference = %(reference)s",
            place,
        )
    except AWAY as trouble:  # begun stays noted, so that it is not published twice
        log.warning("dead_letter.not_noted", error=type(trouble).__name__)


def _letter(message: Message) -> Letter:
    given = message.headers() or []
    pairs = given.items() if isinstance(given, dict) else given
    headers = [(name, value.encode() if isinstance(value, str) else value or b"") for name, value in pairs]
    words = {name: value.decode("utf-8", "replace") for name, value in headers}
    value, key = message.value() or b"", message.key() or b""
    body = value.encode() if isinstance(value, str) else value
    kind, moment = message.timestamp()
    cut = words.get("dagboek_cut", "")
    return Letter(
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        at=datetime.fromtimestamp(moment / 1000, UTC) if kind else None,
        reason=words.get("dagboek_reason", ""),
        topic=words.get("dagboek_topic", ""),
        from_partition=words.get("dagboek_partition", ""),
        from_offset=words.get("dagboek_offset", ""),
        reference=words.get("dagboek_reference", ""),
        type=_header("ce_type", words.get("ce_type", "")),
        size=int(cut) if cut.isdecimal() else len(body),
        cut=bool(cut),
        record=Record(key.encode() if isinstance(key, str) else key, body, headers),
    )


# what is shown of what may say something of people


def headers_shown(letter: Letter) -> list[tuple[str, str]]:
    """Its headers: those that everybody's events have as they are, of others their shape."""
    return [
        (
            name if _PLAIN.fullmatch(name.lower().replace("-", "_")) else shape(name),
            _header(name, value.decode("utf-8", "replace")),
        )
        for name, value in letter.record.headers
        if not name.startswith(_OURS)
    ]


def _header(name: str, value: str) -> str:
    return value if name in _HEADERS and _HEADER.fullmatch(value) else shape(value)


def key_shown(letter: Letter) -> str:
    """Its key, which should be an id."""
    key = letter.record.key.decode("utf-8", "replace")
    return key if _PLAIN.fullmatch(key) and "-" in key else shape(key)


def body_shown(letter: Letter) -> str:
    """Its body: names and ids of our own events as they are, of everything else the shape alone."""
    text = letter.record.value.decode("utf-8", "replace")
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return shape(text)
    if not isinstance(read, dict):
        return shape(text)
    return json.dumps({_name(name): _value(name, value) for name, value in list(read.items())[:100]}, indent=2)


def _name(name: str) -> str:
    return name if name in _NAMES else shape(name)


def _value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if name in _NAMES and isinstance(value, int):
        return value
    if name in _NAMES and isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return shape(value if isinstance(value, str) else json.dumps(value))


def shape(text: str) -> str:
    """What a text looks like, without what it says: letters become x, digits 0."""
    shown = "".join("x" if sign.isalpha() else "0" if sign.isdigit() else sign for sign in text[:SHAPE])
    shown = "".join(sign if sign.isprintable() or sign == "\n" else "·" for sign in shown)
    return f"{shown}… ({len(text)})" if len(text) > SHAPE else shown
