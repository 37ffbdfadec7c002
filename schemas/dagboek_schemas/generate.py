"""Writes the contract for those who do not read Python: JSON Schemas and an AsyncAPI 3.0 document.

`python -m dagboek_schemas.generate` writes them into `schemas/generated`; they are committed, and a test fails
when they do not fit the models any more. The same models always give the same bytes.

Sources: JSON Schema 2020-12 (draft 07 inside AsyncAPI), AsyncAPI 3.0.0, its Kafka bindings 0.5.0, CloudEvents 1.0.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from dagboek_schemas import cloudevents, documents, events, issues, sent
from dagboek_schemas.samples import sample
from dagboek_schemas.statuses import WARNED_STATES
from dagboek_schemas.topics import Topic

FOLDER = Path(__file__).parent.parent / "generated"
"""Beside the package, in the repository; it is no part of the distribution."""

VERSION = "1.0.0"
"""Version of the contract: the second number rises with an addition, the first with a new version of a type."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ADDRESS = "urn:dagboek:schemas:"
_BINDING = "0.5.0"

_SCHEMAS: dict[str, tuple[str, tuple[type[BaseModel], ...]]] = {
    "documents": (
        "Canonical documents, in the terms of EN 16931",
        (documents.Document, documents.Party, documents.LedgerAccount, documents.PaymentStatus),
    ),
    "sent": ("What programs send in", (sent.SentDocument,)),
    "events": ("Data of the events on the topics", tuple(dict.fromkeys(events.MODELS.values()))),
    "issue": ("What a person must know about an item", (issues.Issue, issues.PublicIssue)),
}

_CHANNELS = {
    Topic.COMMANDS: "Work for the planner: runs to plan and windows to publish.",
    Topic.DOCUMENTS: "Work for the push workers: one thin event an item, in the order of the run.",
    Topic.RESULTS: "Public contract: what became of every item, component and run.",
    Topic.WARNINGS: "Public contract: the results that a person has to look at, the same records with the same ids.",
    Topic.DEADLETTERS: "Records that are no event at all, with their value as it came, for operators to look at.",
}

_READERS = {
    Topic.COMMANDS: ("planCommands", "The planner reads commands."),
    Topic.DOCUMENTS: ("pushItems", "The push workers read planned items."),
}

_PROMISES = """\
Dagboek books every sales and purchase document of a business application exactly once into an accounting tool.
Events are CloudEvents 1.0 in Kafka's binary mode: attributes in `ce_*` headers, data as the JSON value.

What a consumer may rely on:

- **At least once, with stable ids.** A record may come again, with the same `ce_id` as before; what has a `ce_id`
  that was seen is dropped. The id of an outcome follows from its run, item, revision, state and `link_version`.
- **Order.** The key of every record is the id of the administration, so that all records of one set of books are on
  one partition. Outcomes of one document (`administration_id` and `identity`) are ordered by `link_version`, which
  only rises: of two the higher one holds, of equal ones the later (`occurred_at`). With 0 the document was looked at
  before anything was sent for it: it says nothing about an entry.
- **Additive only.** Within a version of a type, fields are added and never changed or taken away. A reader ignores
  fields that it does not know.
- **Unknown types are let go.** New types and new versions of types appear beside the old ones: a reader that does
  not know a `ce_type` goes on with the next record.
- **No personal data.** Documents and parties are named by hashes. Names, numbers of companies and the tools' own
  words stay in the database; issues carry their code and the path of the field, no texts.
- **Amounts** are decimals in strings, **times** are UTC.
- A field that has no value is left out.

Topic names begin with a prefix that an installation chooses; `dagboek` unless it was set.
"""


def generated() -> dict[str, str]:
    """Text of each file, by name."""
    schemas = {f"{name}.schema.json": _schema(name, *parts) for name, parts in _SCHEMAS.items()}
    return {name: _text(content) for name, content in (schemas | {"asyncapi.json": asyncapi()}).items()}


def main(folder: Path = FOLDER) -> None:
    """Writes the files, and takes away what is not made any more."""
    folder.mkdir(exist_ok=True)
    files = generated()
    for old in folder.glob("*.json"):
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{folder / name}\n")


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _schema(name: str, title: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    """One JSON Schema with a definition per model; a value is one of `models`."""
    found, definitions = models_json_schema([(model, "serialization") for model in models])
    return {
        "$schema": _DIALECT,
        "$id": f"{_ADDRESS}{name}",
        "title": title,
        "anyOf": [found[model, "serialization"] for model in models],
        **definitions,
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document: five channels, a message per type of event, and who sends and receives them."""
    models = [(model, "serialization") for model in dict.fromkeys(events.MODELS.values())]
    _, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Dagboek events",
            "version": VERSION,
            "description": _PROMISES,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {_camel(topic): _channel(topic) for topic in Topic},
        "operations": _operations(),
        "components": {
            "messages": {_camel(type_): _message(type_) for type_ in events.MODELS} | {"notAnEvent": _DEAD_LETTER},
            "schemas": {**definitions["$defs"], "AdministrationId": _KEY, "Attributes": _ATTRIBUTES},
        },
    }


_KEY = {"type": "string", "format": "uuid", "description": "Id of the administration: the unit of order."}

_ATTRIBUTES = {
    "type": "object",
    "description": "Attributes of CloudEvents 1.0, as headers of the record.",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"],
    "properties": {
        "ce_specversion": {"const": cloudevents.SPEC_VERSION},
        "ce_id": {"type": "string", "format": "uuid", "description": "The same whenever the same thing is told."},
        "ce_source": {"const": cloudevents.SOURCE},
        "ce_type": {"type": "string"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": {"type": "string", "description": "Identity of the item, or id of the run, that it is about."},
        "content-type": {"const": "application/json"},
    },
}

_DEAD_LETTER = {
    "name": "notAnEvent",
    "title": "A record that could not be read",
    "contentType": "application/octet-stream",
    "headers": {
        "type": "object",
        "description": "The headers as they came, and these.",
        "required": ["dagboek_reason", "dagboek_topic", "dagboek_partition", "dagboek_offset", "dagboek_reference"],
        "properties": {
            "dagboek_reason": {"type": "string", "description": "Why it is no event; names fields, never content."},
            "dagboek_topic": {"type": "string", "description": "Full name of the topic that it was read from."},
            "dagboek_partition": {"type": "string", "pattern": "^[0-9]+$"},
            "dagboek_offset": {"type": "string", "pattern": "^[0-9]+$"},
            "dagboek_reference": {"type": "string"},
            "dagboek_cut": {"type": "string", "description": "Bytes that the body had, where it was cut."},
        },
    },
    "payload": {"description": "The value as it came, whatever it is."},
}


def types_on(topic: Topic) -> list[str]:
    """Types of the events that are written to `topic`."""
    commands = [events.StartSync.TYPE, events.ContinueSync.TYPE]
    if topic is Topic.COMMANDS:
        return commands
    if topic is Topic.DOCUMENTS:
        return [events.ItemReady.TYPE]
    if topic is Topic.RESULTS:
        return [type_ for type_ in events.MODELS if type_ not in cloudevents.ACTED_ON]
    if topic is Topic.WARNINGS:
        return [type_ for type_, (_, state) in events.OUTCOME_TYPES.items() if state in WARNED_STATES]
    return []


def _channel(topic: Topic) -> dict[str, Any]:
    names = [_camel(type_) for type_ in types_on(topic)] or ["notAnEvent"]
    return {
        "address": topic.named("{prefix}"),
        "title": topic.value,
        "description": f"{_CHANNELS[topic]} Kept for {topic.retention_days} days unless an operator sets it otherwise.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "parameters": {"prefix": {"default": "dagboek", "description": "Prefix of all topics of an installation."}},
        "bindings": {
            "kafka": {
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": topic.retention_days * 24 * 60 * 60 * 1000,
                },
                "bindingVersion": _BINDING,
            }
        },
    }


def _operations() -> dict[str, Any]:
    """Seen from Dagboek: it sends what a consumer receives."""
    sent = {
        f"send{_camel(topic)[0].upper()}{_camel(topic)[1:]}": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{_camel(topic)}"},
            "summary": _CHANNELS[topic],
        }
        for topic in Topic
    }
    received = {
        name: {"action": "receive", "channel": {"$ref": f"#/channels/{_camel(topic)}"}, "summary": summary}
        for topic, (name, summary) in _READERS.items()
    }
    return sent | received


def _message(type_: str) -> dict[str, Any]:
    model = events.MODELS[type_]
    record = sample(type_)
    return {
        "name": type_,
        "title": _title(type_),
        "summary": (model.__doc__ or "").partition("\n")[0],
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "allOf": [{"$ref": "#/components/schemas/Attributes"}],
            "properties": {"ce_type": {"const": type_}},
        },
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {
            "kafka": {"key": {"$ref": "#/components/schemas/AdministrationId"}, "bindingVersion": _BINDING},
        },
        "examples": [
            {
                "headers": {name: value.decode() for name, value in record.headers},
                "payload": json.loads(record.value),
            }
        ],
    }


def _camel(name: str) -> str:
    """`dagboek.document.needs-person.v1` → `documentNeedsPersonV1`."""
    first, *rest = name.removeprefix("dagboek.").replace("-", ".").split(".")
    return first + "".join(word.capitalize() for word in rest)


def _title(type_: str) -> str:
    """`dagboek.document.needs-person.v1` → `Document needs person`."""
    return type_.removeprefix("dagboek.").rpartition(".")[0].replace(".", " ").replace("-", " ").capitalize()


if __name__ == "__main__":
    main()
