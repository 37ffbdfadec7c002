"""Makes the topics of a prefix and checks those that are there. Names come from the contract."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AdminClient,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic
from dagboek_schemas.topics import Topic

from dagboek.settings import Settings

TOPICS: Final = tuple(Topic)
DAY_MS: Final = 24 * 60 * 60 * 1000

RETENTION_DAYS: Final[Mapping[Topic, int]] = {
    Topic.COMMANDS: 7,
    Topic.DOCUMENTS: 7,
    Topic.RESULTS: 30,
    Topic.WARNINGS: 30,
    Topic.DEADLETTERS: 90,
}
REQUEST_SECONDS: Final = 15.0


class TopicError(Exception):
    """Topics that cannot be made or used; the text says which, why and what to do."""


@dataclass(frozen=True)
class TopicReport:
    """What `ensure_topics` made, found, and found to differ from the settings without being wrong."""

    created: list[str] = field(default_factory=list)
    existing: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def topic_names(prefix: str) -> dict[Topic, str]:
    """Full names under `prefix`, such as `dagboek.sync.results`."""
    return {topic: topic.named(prefix) for topic in TOPICS}


def ensure_topics(bootstrap: str, settings: Settings, *, security: Mapping[str, str] | None = None) -> TopicReport:
    """Makes the missing topics and waits until each partition has a leader; checks the others.

    `security` are librdkafka properties (default: `settings.kafka_security` when `bootstrap` is the one of
    the settings). Safe to call from several processes at once. Never changes a topic that is there: another
    number of partitions would send the documents of one administration to two of them, out of order.
    Raises `TopicError`, with all faults at once.
    """
    if security is None:
        security = settings.kafka_security if bootstrap == settings.kafka_bootstrap else {}
    admin = _admin(bootstrap, security)
    wanted = {topic.named(settings.topic_prefix): topic for topic in TOPICS}
    found = _partitions(admin, wanted)
    _refuse_wrong_partitions(found, settings)
    missing = {name: topic for name, topic in wanted.items() if name not in found}
    created = _create(admin, missing, settings)
    if missing:  # perhaps made by another process meanwhile
        _refuse_wrong_partitions(_await_leaders(admin, wanted), settings)
    existing = [name for name in wanted if name not in created]
    return TopicReport(created, existing, _differences(admin, {name: wanted[name] for name in existing}, settings))


def delete_topics(bootstrap: str, security: Mapping[str, str], prefix: str, *, keep: str | None = None) -> None:
    """Deletes the topics whose names begin with `prefix`, but not with `keep`; a broker that is away keeps them."""
    with suppress(KafkaException):
        admin = _admin(bootstrap, security)
        names = [
            name
            for name in admin.list_topics(timeout=REQUEST_SECONDS).topics
            if name.startswith(prefix) and not (keep and name.startswith(keep))
        ]
        for answer in admin.delete_topics(names).values() if names else ():
            answer.result(timeout=REQUEST_SECONDS)


def _admin(bootstrap: str, security: Mapping[str, str]) -> AdminClient:
    settings: dict[str, Any] = {**security, "bootstrap.servers": bootstrap, "log_level": 0}
    return AdminClient(settings)


def _configuration(topic: Topic, settings: Settings) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(RETENTION_DAYS[topic] * DAY_MS),
        # With acks=all: a record is accepted only when that many copies have it.
        "min.insync.replicas": "1" if settings.topic_replication == 1 else "2",
    }


def _partition_count(topic: Topic, settings: Settings) -> int:
    """Dead letters are few and their order means nothing: one partition."""
    return 1 if topic is Topic.DEADLETTERS else settings.partitions


def _create(admin: AdminClient, missing: Mapping[str, Topic], settings: Settings) -> list[str]:
    """Names of the topics that this call made (another process may make some of them meanwhile)."""
    if not missing:
        return []
    orders = [
        NewTopic(
            name,
            num_partitions=_partition_count(topic, settings),
            replication_factor=settings.topic_replication,
            config=_configuration(topic, settings),
        )
        for name, topic in missing.items()
    ]
    created, faults = [], []
    for name, answer in admin.create_topics(orders, request_timeout=REQUEST_SECONDS).items():
        try:
            answer.result()
            created.append(name)
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                faults.append(f"{name}: {cause.str()}")
    if faults:
        raise TopicError(
            "Topics could not be made:\n"
            + "".join(f"  - {fault}\n" for fault in faults)
            + "Check DAGBOEK_TOPIC_REPLICATION (not more than there are brokers) and the rights of the Kafka user."
        )
    return created


def _partitions(admin: AdminClient, names: Mapping[str, Topic]) -> dict[str, list[bool]]:
    """Per topic that is there, for each partition: whether it has a leader."""
    try:
        metadata = admin.list_topics(timeout=REQUEST_SECONDS)
    except KafkaException as error:
        raise TopicError(f"Kafka does not answer: {error.args[0].str()}") from None
    return {
        name: [partition.leader >= 0 for partition in metadata.topics[name].partitions.values()]
        for name in names
        if name in metadata.topics and metadata.topics[name].error is None
    }


def _await_leaders(admin: AdminClient, names: Mapping[str, Topic]) -> dict[str, list[bool]]:
    deadline = time.monotonic() + REQUEST_SECONDS
    while True:
        found = _partitions(admin, names)
        if all(found.get(name) and all(found[name]) for name in names):
            return found
        if time.monotonic() >= deadline:
            late = [name for name in names if not (found.get(name) and all(found[name]))]
            raise TopicError(f"Partitions without a leader after {REQUEST_SECONDS:.0f} s: {', '.join(late)}.")
        time.sleep(0.05)


def _refuse_wrong_partitions(found: Mapping[str, list[bool]], settings: Settings) -> None:
    faults = []
    for topic in TOPICS:
        name, wanted = topic.named(settings.topic_prefix), _partition_count(topic, settings)
        if name in found and topic is not Topic.DEADLETTERS and len(found[name]) != wanted:
            faults.append(f"{name} has {len(found[name])} partitions, the settings say {wanted}")
    if faults:
        raise TopicError(
            "Topics with another number of partitions:\n"
            + "".join(f"  - {fault}\n" for fault in faults)
            + "The number is never changed, since that would break the order of an administration's documents. "
            "Set DAGBOEK_PARTITIONS to the number that the topics have, or choose another DAGBOEK_TOPIC_PREFIX."
        )


def _differences(admin: AdminClient, existing: Mapping[str, Topic], settings: Settings) -> list[str]:
    """Settings of topics that are there and differ; an operator may have chosen them, so they are only told."""
    if not existing:
        return []
    answers = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in existing])
    differences = []
    for resource, answer in answers.items():
        try:
            actual = answer.result()
        except KafkaException as error:
            differences.append(f"{resource.name}: its settings cannot be read: {error.args[0].str()}")
            continue
        for key, wanted in _configuration(existing[resource.name], settings).items():
            entry = actual.get(key)
            if entry is not None and entry.value != wanted:
                differences.append(f"{resource.name}: {key} is {entry.value}, Dagboek would set {wanted}")
    return differences
