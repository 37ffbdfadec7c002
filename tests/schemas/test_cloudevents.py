"""Events as records: CloudEvents 1.0 in Kafka's binary mode, and what is made of records that are none."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from dagboek_schemas.cloudevents import NotAnEvent, Record, UnknownEvent, decode, encode, event_type
from dagboek_schemas.events import MODELS, EventData, ItemReady, StartSync
from dagboek_schemas.samples import sample, sample_data
from dagboek_schemas.statuses import Trigger
from hypothesis import given
from hypothesis import strategies as st

EVENT = UUID("0198f0aa-0000-7000-8000-0000000000ee")
KEY = UUID("0198f0aa-0000-7000-8000-000000000005")
READY = sample(ItemReady.TYPE)


def changed(record: Record, **headers: bytes | None) -> list[tuple[str, Any]]:
    """Headers of `record` with some replaced; None takes one away."""
    kept = dict(record.headers) | headers
    return [(name, value) for name, value in kept.items() if value is not None]


def test_attributes_are_headers_and_data_is_the_value() -> None:
    data = sample_data(StartSync.TYPE)
    record = encode(
        data, type_=StartSync.TYPE, event_id=EVENT, key=KEY, subject="s", time=datetime(2026, 2, 3, tzinfo=UTC)
    )
    assert record.key == str(KEY).encode()
    assert record.headers == [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(EVENT).encode()),
        ("ce_source", b"/dagboek"),
        ("ce_type", b"dagboek.sync.start.v1"),
        ("ce_time", b"2026-02-03T00:00:00+00:00"),
        ("content-type", b"application/json"),
        ("ce_subject", b"s"),
    ]
    assert json.loads(record.value)["trigger"] == "manual"
    assert not any(name.startswith("ce") for name in json.loads(record.value))


def test_an_event_without_a_subject_has_no_such_header() -> None:
    assert "ce_subject" not in dict(encode(sample_data(StartSync.TYPE), type_="t", event_id=EVENT, key=KEY).headers)


def test_a_time_is_put_where_none_was_given() -> None:
    record = encode(sample_data(StartSync.TYPE), type_=StartSync.TYPE, event_id=EVENT, key=KEY)
    moment = datetime.fromisoformat(dict(record.headers)["ce_time"].decode())
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60


def test_fields_without_a_value_are_left_out() -> None:
    value = json.loads(sample("dagboek.document.skipped.v1").value)
    assert "booking_number" not in value
    assert None not in value.values()


@pytest.mark.parametrize("type_", MODELS)
@pytest.mark.parametrize("shape", [list, dict, tuple])
def test_what_was_written_is_read_again(type_: str, shape: type) -> None:
    record = sample(type_)
    assert decode(record.value, shape(record.headers), MODELS) == sample_data(type_)


@pytest.mark.parametrize("type_", MODELS)
def test_an_event_with_every_optional_field_left_out_is_read_again(type_: str) -> None:
    """What is written without its empty fields must not lack one that the reader demands."""
    full = sample_data(type_)
    optional = {name: field.default for name, field in type(full).model_fields.items() if not field.is_required()}
    bare = full.model_copy(update=optional)
    record = encode(bare, type_=type_, event_id=EVENT, key=KEY)
    assert decode(record.value, record.headers, MODELS) == bare


ready = st.builds(
    ItemReady,
    run_id=st.uuids(),
    tenant_id=st.uuids(),
    connection_id=st.uuids(),
    administration_id=st.uuids(),
    tool=st.text(),
    generation=st.integers(0, 2**31),
    window=st.integers(0, 2**31),
    sequence=st.integers(0, 2**31),
    identity=st.text(),
    revision=st.none() | st.text(),
)


@given(ready)
def test_any_item_survives_the_journey(item: ItemReady) -> None:
    record = encode(item, type_=ItemReady.TYPE, event_id=EVENT, key=item.administration_id)
    assert decode(record.value, record.headers) == item


def test_fields_that_a_newer_writer_added_are_let_through() -> None:
    value = json.dumps({**json.loads(READY.value), "colour": {"deep": ["blue"]}}).encode()
    assert decode(value, READY.headers) == sample_data(ItemReady.TYPE)


@pytest.mark.parametrize("type_", [b"dagboek.item.ready.v2", b"dagboek.item.lost.v1", b"com.example.other"])
def test_an_unknown_type_or_version_is_let_go(type_: bytes) -> None:
    with pytest.raises(UnknownEvent):
        decode(b"whatever it is", changed(READY, ce_type=type_))


def test_an_unknown_version_of_cloudevents_is_let_go() -> None:
    with pytest.raises(UnknownEvent):
        decode(READY.value, changed(READY, ce_specversion=b"2.0"))


def test_programs_let_go_what_is_meant_for_consumers() -> None:
    record = sample("dagboek.document.booked.v1")
    with pytest.raises(UnknownEvent):
        decode(record.value, record.headers)


@pytest.mark.parametrize("headers", [None, [], {}, [("content-type", b"application/cloudevents+json")]])
def test_a_record_without_attributes_is_no_event(headers: Any) -> None:
    with pytest.raises(NotAnEvent):
        decode(READY.value, headers)


@pytest.mark.parametrize("name", ["ce_specversion", "ce_type", "ce_id", "ce_source"])
@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_needed_attribute_is_no_event(name: str, value: bytes | None) -> None:
    with pytest.raises(NotAnEvent, match=name):
        decode(READY.value, changed(READY, **{name: value}))
    with pytest.raises(NotAnEvent, match=name):  # Kafka knows headers without a value
        decode(READY.value, [*changed(READY, **{name: None}), (name, None)])  # type: ignore[list-item]


def test_a_type_that_is_no_text_is_no_event() -> None:
    with pytest.raises(NotAnEvent):
        decode(READY.value, changed(READY, ce_type=b"\xff\xfe"))


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"run_id": "not an id"}',
        json.dumps({**json.loads(READY.value), "component": "coffee"}).encode(),
    ],
)
def test_data_that_is_not_what_its_type_promises_is_no_event(value: bytes | None) -> None:
    with pytest.raises(NotAnEvent):
        decode(value, READY.headers)


def test_what_is_said_of_a_bad_record_names_its_fields_and_not_its_content() -> None:
    value = json.dumps({**json.loads(READY.value), "tenant_id": "Jan Peeters"}).encode()
    with pytest.raises(NotAnEvent) as raised:
        decode(value, READY.headers)
    assert str(raised.value) == "dagboek.item.ready.v1: tenant_id"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@given(st.binary() | st.none(), st.lists(st.tuples(st.text(), st.binary() | st.none())))
def test_whatever_comes_there_is_an_answer(value: bytes | None, headers: list[tuple[str, Any]]) -> None:
    with pytest.raises((NotAnEvent, UnknownEvent)):
        decode(value, headers)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda part: st.lists(part) | st.dictionaries(
    st.sampled_from(list(ItemReady.model_fields)), part)))  # fmt: skip
def test_whatever_the_data_is_there_is_an_answer(data: Any) -> None:
    with pytest.raises(NotAnEvent):
        decode(json.dumps(data).encode(), READY.headers)


def test_the_type_is_read_without_the_data() -> None:
    assert event_type(READY.headers) == ItemReady.TYPE


def test_an_older_reader_reads_what_a_newer_one_writes_within_a_version() -> None:
    class Newer(EventData):
        TYPE = StartSync.TYPE

        run_id: UUID
        tenant_id: UUID
        connection_id: UUID
        administration_id: UUID
        trigger: Trigger
        reason: str = "asked"

    newer = Newer(**sample_data(StartSync.TYPE).model_dump())
    record = encode(newer, type_=Newer.TYPE, event_id=EVENT, key=KEY)
    assert decode(record.value, record.headers) == sample_data(StartSync.TYPE)
