"""How far readers of the topics are behind, by group. All of it blocks: to be used in a thread."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # re-exported, not saying so

from dagboek.reasons import Refusal
from dagboek.topics import topic_names

PATIENCE: Final = 3.0
"""Seconds that brokers have to answer a question; a page waits for it."""
GROUPS: Final = 30
"""Groups that are looked at, ours first."""


class KafkaAway(Refusal):
    """The brokers do not answer: which, and what they or their client said."""


@dataclass(frozen=True, slots=True)
class TopicEnd:
    """How many records were ever written to a topic."""

    topic: str
    partitions: int
    written: int


@dataclass(frozen=True, slots=True)
class GroupLag:
    """How far a group is behind in a topic."""

    group: str
    topic: str
    behind: int
    """Records that it has not finished; those of partitions that it never finished one of are not counted."""
    partitions: int
    """In which it is behind."""
    ours: bool
    """The workers or the planner, without whom nothing is booked."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Topics, and how far their readers are behind."""

    topics: tuple[TopicEnd, ...]
    groups: tuple[GroupLag, ...]


def read_lag(bootstrap: str, prefix: str, security: Mapping[str, str]) -> Lag:
    """How far all groups are behind in the topics of `prefix`. KafkaAway."""
    admin = admin_of(bootstrap, security)
    try:
        there = admin.list_topics(timeout=PATIENCE).topics
        names = [name for name in topic_names(prefix).values() if name in there]
        every = [TopicPartition(name, number) for name in names for number in there[name].partitions]
        ends = _ends(admin, every)
        ours = (f"{prefix}.workers", f"{prefix}.planner")
        groups = [lag for group in _groups(admin, ours) for lag in _behind(group, ours, ends, bootstrap, security)]
    except KafkaException as trouble:
        raise away(bootstrap, trouble) from trouble
    return Lag(tuple(TopicEnd(name, *_written(name, ends)) for name in names), tuple(groups))


def admin_of(bootstrap: str, security: Mapping[str, str]) -> AdminClient:
    """A client for questions. KafkaAway where there is no broker to ask."""
    if not bootstrap:
        raise KafkaAway("There is no broker: the embedded one is not running.", "kafka_off")
    options: dict[str, Any] = {**security, "bootstrap.servers": bootstrap, "log_level": 0}
    return AdminClient(options)


def away(bootstrap: str, trouble: KafkaException) -> KafkaAway:
    """What to tell people of it."""
    return KafkaAway(f"Kafka at {bootstrap} does not answer: {trouble.args[0].str()}.", "kafka_away")


def _ends(admin: AdminClient, every: Sequence[TopicPartition]) -> dict[tuple[str, int], int]:
    wanted = {one: OffsetSpec.latest() for one in every}  # type: ignore[no-untyped-call]
    answers = admin.list_offsets(wanted, request_timeout=PATIENCE) if wanted else {}
    return {(one.topic, one.partition): answer.result().offset for one, answer in answers.items()}


def _written(topic: str, ends: Mapping[tuple[str, int], int]) -> tuple[int, int]:
    mine = [offset for (name, _), offset in ends.items() if name == topic]
    return len(mine), sum(mine)


def _groups(admin: AdminClient, ours: Sequence[str]) -> list[str]:
    found = admin.list_consumer_groups(request_timeout=PATIENCE).result().valid
    others = sorted(one.group_id for one in found if one.group_id not in ours)
    return [*ours, *others][:GROUPS]


def _behind(
    group: str,
    ours: Iterable[str],
    ends: Mapping[tuple[str, int], int],
    bootstrap: str,
    security: Mapping[str, str],
) -> list[GroupLag]:
    """Not by the admin client: its list of group offsets takes the whole process down when the group's coordinator is
    still loading (librdkafka 2.16.1). A consumer that joins nothing reads them as well.
    """
    options: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "log_level": 0,
        **security,
    }
    reader = Consumer(options)
    try:
        committed = reader.committed([TopicPartition(*one) for one in ends], timeout=PATIENCE)
    finally:
        reader.close()
    found: dict[str, list[int]] = {}
    for one in committed:
        if one.offset >= 0:
            found.setdefault(one.topic, []).append(max(ends[one.topic, one.partition] - one.offset, 0))
    return [
        GroupLag(group, topic, sum(behind), sum(number > 0 for number in behind), group in ours)
        for topic, behind in found.items()
    ]
