"""What every operation takes and gives, in the order of the wire, read from services.txt."""

import re
from dataclasses import dataclass
from importlib.resources import files

VALUES = ("int", "decimal", "bool", "dateTime")
"""Kinds that always have a value; left out they have their type's own."""
_LINE = re.compile(r"(\w+)\((.*)\) ?(.*)")


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, a result or a field of a type."""

    name: str
    kind: str
    """string, int, decimal, bool, dateTime, bytes, xml, or the name of a type or an enumeration of the service."""
    many: bool = False
    nillable: bool = False
    attribute: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """An operation; `result` None: it answers nothing."""

    name: str
    params: tuple[Field, ...]
    result: Field | None

    @property
    def session(self) -> str | None:
        """The parameter that names the session."""
        return next((each.name for each in self.params if each.name in ("sessionID", "sessionId")), None)


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its name in the address."""

    name: str
    operations: dict[str, Signature]
    types: dict[str, tuple[Field, ...]]
    enums: dict[str, tuple[str, ...]]

    def is_value(self, field: Field) -> bool:
        """Whether it always has a value, so that it must be there and may not be empty."""
        return not field.many and (field.kind in VALUES or field.kind in self.enums)


def _field(text: str) -> Field:
    name, _, kind = text.partition(":")
    kind = kind or "string"
    return Field(
        name=name.lstrip("@"),
        kind=kind.strip("[]?"),
        many=kind.startswith("["),
        nillable=kind.endswith("?"),
        attribute=name.startswith("@"),
    )


def _read(text: str) -> dict[str, Service]:
    found: dict[str, Service] = {}
    for line in text.splitlines():
        if line.startswith("== "):
            service = found[line[3:]] = Service(line[3:], {}, {}, {})
            if general := found.get("*"):
                service.operations.update(general.operations)
                service.enums.update(general.enums)
        elif line.startswith("type "):
            name, _, fields = line[5:].partition(": ")
            service.types[name] = tuple(_field(each) for each in fields.split(", "))
        elif line.startswith("enum "):
            name, _, values = line[5:].partition(": ")
            service.enums[name] = tuple(values.split(", "))
        elif match := _LINE.match(line):
            name, params, result = match.groups()
            service.operations[name] = Signature(
                name,
                tuple(_field(each) for each in params.split(", ") if each),
                _field(f"{name}Result:{result}") if result else None,
            )
    del found["*"]
    return found


SERVICES: dict[str, Service] = _read((files(__package__) / "services.txt").read_text("utf-8"))
"""By name, with the general operations in each."""
