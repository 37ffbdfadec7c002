"""How a body becomes values of a resource: unknown names are refused, fields that may not be set are passed over."""

from collections.abc import Mapping
from typing import Any

from .edm import Json, Row, parse
from .refusal import Message, malformed, rejected, sentence
from .resources import Resource
from .rules import Rules


def read(resource: Resource, body: Any, *, new: bool, rules: Rules) -> Row:
    """The fields that a body sets, with exact values; raises Refused. Its key is passed over too."""
    if not isinstance(body, dict):
        raise malformed("The request content is not valid for this resource.")
    allowed = resource.for_new if new else resource.for_change
    found: Row = {}
    for name, value in body.items():
        if name not in resource.known:
            raise malformed(f"The property name '{name}' specified for type '{resource.entity}' is not valid.")
        kind = resource.fields.get(name)
        if kind is None or kind.startswith(">") or name == resource.key:
            continue
        parsed = parse(name, kind, value)
        if name in allowed or name in _heeded(rules):
            found[name] = parsed
    _check_lengths(found, rules)
    return found


def _heeded(rules: Rules) -> tuple[str, ...]:
    """`Type` of an entry is read-only in the reference, yet programs in production post it."""
    return ("Type",) if rules.type_posted else ()


def rows(body: Mapping[str, Any], name: str) -> list[Json] | None:
    """The rows of a collection in a body: a list, or `{"results": [...]}`; None when there is none."""
    value = body.get(name)
    if isinstance(value, dict) and "results" in value:
        value = value["results"]
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise malformed(f"The property '{name}' is not a collection.")
    return value


def _check_lengths(values: Row, rules: Rules) -> None:
    messages: list[Message] = []
    for name, length in rules.lengths:
        if isinstance(values.get(name), str) and len(values[name]) > length:
            messages.append(sentence("too_long", label=name))
    if messages:
        raise rejected(*messages)
