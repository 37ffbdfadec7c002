"""The generated JSON Schemas and AsyncAPI document: fresh, well-formed, and true of what is really written."""

import json
from typing import Any

import jsonschema
import pytest
from dagboek_schemas import generate
from dagboek_schemas.cloudevents import decode
from dagboek_schemas.events import MODELS, OUTCOME_TYPES
from dagboek_schemas.samples import sample, sample_data
from dagboek_schemas.statuses import ItemState
from dagboek_schemas.topics import Topic
from pydantic import ValidationError


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads((generate.FOLDER / "asyncapi.json").read_text())  # type: ignore[no-any-return]


def test_what_is_committed_is_what_the_models_say() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in generate.FOLDER.iterdir()}
    fresh = generate.generated()
    stale = [name for name in committed.keys() | fresh.keys() if committed.get(name) != fresh.get(name)]
    assert not stale, "run `uv run python -m dagboek_schemas.generate`"


def test_main_writes_the_files_and_takes_away_old_ones(tmp_path: Any) -> None:
    (tmp_path / "gone.schema.json").write_text("{}")
    generate.main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(generate.generated())


@pytest.mark.parametrize("name", ["documents", "events", "issue"])
def test_schemas_are_schemas(name: str) -> None:
    schema = json.loads((generate.FOLDER / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:dagboek:schemas:{name}"


@pytest.mark.filterwarnings("ignore:Field name .schema.:UserWarning")
def test_the_asyncapi_document_is_well_formed(document: dict[str, Any]) -> None:
    """Strict models of AsyncAPI 3.0: they refuse fields that the specification does not have."""
    from asyncapi3.models import AsyncAPI3  # the models warn of themselves as they are made

    AsyncAPI3.model_validate(document)
    with pytest.raises(ValidationError, match="pubsub"):
        AsyncAPI3.model_validate(document | {"pubsub": {}})


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert len(found) > len(MODELS)
    for reference in found:
        assert resolved(document, reference) is not None, reference


def test_every_type_is_a_message_on_its_topics(document: dict[str, Any]) -> None:
    channels = {channel["title"]: messages_of(document, channel) for channel in document["channels"].values()}
    assert set(channels) == set(Topic)
    assert channels[Topic.COMMANDS] == {"dagboek.sync.start.v1", "dagboek.sync.continue.v1"}
    assert channels[Topic.DOCUMENTS] == {"dagboek.item.ready.v1"}
    assert channels[Topic.DEADLETTERS] == {"notAnEvent"}
    assert channels[Topic.WARNINGS] == {
        f"dagboek.{kind}.{word}.v1" for kind in ("document", "party", "list") for word in ("skipped", "needs-person")
    }
    assert channels[Topic.RESULTS] == set(MODELS) - channels[Topic.COMMANDS] - channels[Topic.DOCUMENTS]
    assert channels[Topic.WARNINGS] < channels[Topic.RESULTS]


def test_channels_tell_their_retention_and_the_key_of_their_records(document: dict[str, Any]) -> None:
    for channel in document["channels"].values():
        topic = Topic(channel["title"])
        assert channel["address"] == "{prefix}." + topic
        told = channel["bindings"]["kafka"]["topicConfiguration"]
        assert told == {"cleanup.policy": ["delete"], "retention.ms": topic.retention_days * 86_400_000}
    for type_ in MODELS:
        key = message(document, type_)["bindings"]["kafka"]["key"]
        assert resolved(document, key["$ref"])["format"] == "uuid"


def test_who_sends_and_who_receives(document: dict[str, Any]) -> None:
    sent = {one["channel"]["$ref"] for one in document["operations"].values() if one["action"] == "send"}
    received = {one["channel"]["$ref"] for one in document["operations"].values() if one["action"] == "receive"}
    assert sent == {f"#/channels/{name}" for name in document["channels"]}
    assert received == {"#/channels/syncCommands", "#/channels/syncDocuments"}


def test_the_promises_to_consumers_are_told(document: dict[str, Any]) -> None:
    told = document["info"]["description"]
    for word in ("ce_id", "link_version", "Additive only", "Unknown types are let go", "No personal data"):
        assert word in told


@pytest.mark.parametrize("type_", MODELS)
def test_examples_are_real_records_that_fit_their_schema(document: dict[str, Any], type_: str) -> None:
    described, record = message(document, type_), sample(type_)
    (example,) = described["examples"]
    assert example["headers"] == {name: value.decode() for name, value in record.headers}
    assert example["payload"] == json.loads(record.value)
    checked(document, described["payload"], example["payload"])
    checked(document, described["headers"], example["headers"])
    assert decode(record.value, record.headers, MODELS) == sample_data(type_)


@pytest.mark.parametrize("type_", MODELS)
def test_the_schema_refuses_what_is_no_such_event(document: dict[str, Any], type_: str) -> None:
    described = message(document, type_)
    headers = dict(described["examples"][0]["headers"], ce_type="dagboek.other.v1")
    with pytest.raises(jsonschema.ValidationError):
        checked(document, described["headers"], headers)
    payload = dict(described["examples"][0]["payload"])
    del payload["run_id"]
    with pytest.raises(jsonschema.ValidationError):
        checked(document, described["payload"], payload)


def test_every_outcome_has_a_type_of_its_own() -> None:
    assert len(OUTCOME_TYPES) == 3 * (len(ItemState) - 1)
    assert all(state is not ItemState.PLANNED for _, state in OUTCOME_TYPES.values())


def message(document: dict[str, Any], type_: str) -> dict[str, Any]:
    (found,) = [one for one in document["components"]["messages"].values() if one["name"] == type_]
    return found  # type: ignore[no-any-return]


def messages_of(document: dict[str, Any], channel: dict[str, Any]) -> set[str]:
    return {resolved(document, one["$ref"])["name"] for one in channel["messages"].values()}


def checked(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """AsyncAPI's schemas are JSON Schema draft 07; references are resolved within the document."""
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft7Validator(whole, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER).validate(value)


def references(part: Any) -> Any:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolved(document: dict[str, Any], reference: str) -> Any:
    start, *steps = reference.split("/")
    assert start == "#"
    for step in steps:
        document = document[step]
    return document
