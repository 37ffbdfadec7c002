"""CloudEvents 1.0 in Kafka's binary mode: attributes in `ce_*` headers, data as the JSON value.

Source: CloudEvents specification, Kafka protocol binding 1.0, section 3.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic import BaseModel, ValidationError

from dagboek_schemas.events import ContinueSync, EventData, ItemReady, StartSync

SPEC_VERSION = "1.0"
SOURCE = "/dagboek"

Headers = list[tuple[str, bytes]]


class NotAnEvent(ValueError):
    """The record is no CloudEvent at all, or its data is not what its type promises: a dead letter."""


class UnknownEvent(ValueError):
    """A well-formed event of a type or version that this program does not know: it is let go."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is written to Kafka."""

    key: bytes
    value: bytes
    headers: Headers


def encode(
    data: BaseModel, *, type_: str, event_id: UUID, key: UUID, subject: str = "", time: datetime | None = None
) -> Record:
    """A record that carries `data` as an event of `type_`; `key` is the administration's id."""
    headers = headers_of(type_, event_id, subject=subject, time=time)
    return Record(str(key).encode(), data.model_dump_json(exclude_none=True).encode(), headers)


def headers_of(type_: str, event_id: UUID, *, subject: str = "", time: datetime | None = None) -> Headers:
    """The headers that announce an event."""
    headers: Headers = [
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_id", str(event_id).encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", type_.encode()),
        ("ce_time", (time or datetime.now(UTC)).astimezone(UTC).isoformat().encode()),
        ("content-type", b"application/json"),
    ]
    if subject:
        headers.append(("ce_subject", subject.encode()))
    return headers


def event_type(headers: Mapping[str, bytes] | Sequence[tuple[str, bytes]] | None) -> str:
    """The type of the event that `headers` announce. NotAnEvent where there is none."""
    found = dict(headers or ())
    for name in ("ce_specversion", "ce_type", "ce_id", "ce_source"):
        if not found.get(name):
            raise NotAnEvent(f"header {name} is missing or empty")
    version, type_ = found["ce_specversion"], found["ce_type"]
    if version != SPEC_VERSION.encode():
        raise UnknownEvent(f"CloudEvents version {version!r}")
    try:
        return type_.decode()
    except UnicodeDecodeError:
        raise NotAnEvent("header ce_type is not text") from None


def event_time(headers: Mapping[str, bytes] | Sequence[tuple[str, bytes]] | None) -> datetime | None:
    """When the event was written, by the clock of who wrote it; None where that does not say."""
    try:
        at = datetime.fromisoformat(dict(headers or ())["ce_time"].decode())
        return at.astimezone(UTC) if at.tzinfo else None
    except (KeyError, ValueError, OverflowError):
        return None


ACTED_ON: Mapping[str, type[EventData]] = {model.TYPE: model for model in (StartSync, ContinueSync, ItemReady)}
"""Events that our own programs act on."""


def decode(
    value: bytes | None,
    headers: Mapping[str, bytes] | Sequence[tuple[str, bytes]] | None,
    models: Mapping[str, type[EventData]] = ACTED_ON,
) -> EventData:
    """The event in a record, one of `models` by type; `events.MODELS` are all there are.

    NotAnEvent: a dead letter; UnknownEvent: let it go.
    """
    type_ = event_type(headers)
    model = models.get(type_)
    if model is None:
        raise UnknownEvent(type_)
    try:
        return model.model_validate_json(value or b"")
    except ValidationError as error:
        where = ", ".join(".".join(map(str, one["loc"])) or "value" for one in error.errors())
        raise NotAnEvent(f"{type_}: {where}") from None
