"""Topics on a real broker: made as ordered, found again, never altered."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from dagboek import topics
from dagboek.embedded import Services
from dagboek.settings import Settings
from dagboek.topics import TOPICS, TopicError, ensure_topics, topic_names
from dagboek_schemas.topics import Topic

DAY_MS = 86_400_000


@pytest.fixture
def settings(topic_prefix: str) -> Settings:
    return Settings(topic_prefix=topic_prefix, partitions=3)


def configuration(services: Services, name: str) -> dict[str, Any]:
    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    (answer,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name)]).values()
    return {key: entry.value for key, entry in answer.result().items()}


def test_names_carry_the_prefix() -> None:
    assert topic_names("acme")[Topic.RESULTS] == "acme.sync.results"
    assert len(topic_names("acme")) == len(TOPICS) == 5


def test_missing_topics_are_made_with_partitions_and_retention(services: Services, settings: Settings) -> None:
    report = ensure_topics(services.kafka_bootstrap, settings)
    names = topic_names(settings.topic_prefix)
    assert sorted(report.created) == sorted(names.values())
    found = AdminClient({"bootstrap.servers": services.kafka_bootstrap}).list_topics(timeout=60).topics
    assert {topic: len(found[name].partitions) for topic, name in names.items()} == {
        Topic.COMMANDS: 3,
        Topic.DOCUMENTS: 3,
        Topic.RESULTS: 3,
        Topic.WARNINGS: 3,
        Topic.DEADLETTERS: 1,
    }
    days = {Topic.COMMANDS: 7, Topic.DOCUMENTS: 7, Topic.RESULTS: 30, Topic.WARNINGS: 30, Topic.DEADLETTERS: 90}
    for topic, name in names.items():
        values = configuration(services, name)
        assert values["retention.ms"] == str(days[topic] * DAY_MS)
        assert values["cleanup.policy"] == "delete"
        assert values["min.insync.replicas"] == "1"


def test_topics_that_are_there_are_left_alone(services: Services, settings: Settings) -> None:
    ensure_topics(services.kafka_bootstrap, settings)
    again = ensure_topics(services.kafka_bootstrap, settings)
    assert again.created == [] and len(again.existing) == 5 and again.differences == []


def test_another_number_of_partitions_is_refused_before_anything_is_made(
    services: Services, settings: Settings
) -> None:
    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    name = Topic.DOCUMENTS.named(settings.topic_prefix)
    admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])[name].result(timeout=60)
    ends = time.monotonic() + 60
    while name not in admin.list_topics(timeout=60).topics:  # the controller has it before the broker tells of it
        assert time.monotonic() < ends
    with pytest.raises(TopicError, match=r"sync\.documents has 2 partitions, the settings say 3") as caught:
        ensure_topics(services.kafka_bootstrap, settings)
    assert "DAGBOEK_PARTITIONS" in str(caught.value)
    there = admin.list_topics(timeout=60).topics
    assert [topic for topic in there if topic.startswith(settings.topic_prefix)] == [name]
    assert len(there[name].partitions) == 2


def test_a_setting_that_an_operator_chose_is_told_not_changed(services: Services, settings: Settings) -> None:
    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    name = Topic.RESULTS.named(settings.topic_prefix)
    order = NewTopic(name, num_partitions=3, replication_factor=1, config={"retention.ms": "1000000"})
    admin.create_topics([order])[name].result(timeout=60)
    report = ensure_topics(services.kafka_bootstrap, settings)
    assert report.existing == [name] and len(report.created) == 4
    assert report.differences == [f"{name}: retention.ms is 1000000, Dagboek would set {30 * DAY_MS}"]
    assert configuration(services, name)["retention.ms"] == "1000000"


@pytest.mark.parametrize(("copies", "in_sync"), [(1, "1"), (2, "2"), (3, "2"), (5, "2")])
def test_with_several_copies_a_record_counts_only_once_two_have_it(
    monkeypatch: pytest.MonkeyPatch, copies: int, in_sync: str
) -> None:
    """Written with acks=all and one copy in sync, what was told would be lost with one broker."""
    admin = Orders()
    monkeypatch.setattr(topics, "_admin", lambda *_: admin)

    ensure_topics("brokers", Settings(topic_replication=copies))

    assert {order.topic for order in admin.orders} == set(topic_names("dagboek").values())
    assert {order.replication_factor for order in admin.orders} == {copies}
    assert {order.config["min.insync.replicas"] for order in admin.orders} == {in_sync}


class Orders:
    """Takes orders for topics, as several brokers would."""

    def __init__(self) -> None:
        self.orders: list[Any] = []

    def list_topics(self, timeout: float) -> Any:
        """What was ordered, each partition with a leader."""
        found = {
            order.topic: SimpleNamespace(
                error=None, partitions={one: SimpleNamespace(leader=1) for one in range(order.num_partitions)}
            )
            for order in self.orders
        }
        return SimpleNamespace(topics=found)

    def create_topics(self, orders: list[Any], request_timeout: float) -> dict[str, Any]:
        self.orders += orders
        return {order.topic: SimpleNamespace(result=lambda: None) for order in orders}


def test_more_copies_than_brokers_is_explained(services: Services, topic_prefix: str) -> None:
    settings = Settings(topic_prefix=topic_prefix, partitions=1, topic_replication=3)
    with pytest.raises(TopicError, match="DAGBOEK_TOPIC_REPLICATION"):
        ensure_topics(services.kafka_bootstrap, settings)
