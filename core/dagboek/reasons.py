"""Why something is not done: a text in English for programs and the command line, with a key and facts beside it.

Pages say it by the key, in the reader's language (`console/texts/reasons.toml`): a text is never translated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from pydantic import ValidationError

COMMAND_LINE: Final = "command_line"
"""Key of what only the command line runs into: no page needs words of its own for it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What is wrong, and with which setting or field (`place`, a path), where it is with one."""

    text: str
    key: str = COMMAND_LINE
    facts: Mapping[str, object] = field(default_factory=dict)
    place: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    """A plugin's own, by language."""


class Refusal(Exception):
    """What was asked for is not done. The text says why, and what to do."""

    def __init__(self, text: str, key: str = COMMAND_LINE, **facts: object) -> None:
        super().__init__(text)
        self.reasons: tuple[Reason, ...] = (Reason(text, key, facts),)

    @classmethod
    def because(cls, other: "Refusal") -> Self:
        """The same, as another kind of refusal."""
        made = cls(str(other))
        made.reasons = other.reasons
        return made


def reasons_of(error: ValidationError) -> tuple[Reason, ...]:
    """What pydantic finds wrong; never what was given, as it may be a password."""
    return tuple(reason_of(fault) for fault in error.errors(include_url=False, include_input=False))


def reason_of(fault: Any) -> Reason:
    """One fault of pydantic's."""
    context: Mapping[str, Any] = fault.get("ctx") or {}
    numbers = [context[one] for one in ("min_length", "max_length", "gt", "ge", "lt", "le") if one in context]
    return Reason(
        str(fault["msg"]).removeprefix("Value error, "),
        key_of(str(fault["type"])),
        {"number": numbers[0]} if numbers else {},
        ".".join(map(str, fault["loc"])),
        getattr(context.get("error"), "words", {}),  # dagboek_sdk.settings.WrongSetting
    )


def key_of(kind: str) -> str:
    """The key for a kind of fault of pydantic's. To people many are one, such as all about a date."""
    return next((f"invalid_{key}" for begin, key in _KINDS if kind.startswith(begin)), "invalid")


_KINDS: Final = (
    ("missing", "missing"),
    ("extra_forbidden", "extra"),
    ("unexpected_", "extra"),
    ("bool_", "yes_no"),
    ("int_", "whole_number"),
    ("float_", "number"),
    ("decimal_", "number"),
    ("fraction_", "number"),
    ("complex_", "number"),
    ("finite_number", "number"),
    ("greater_than_equal", "at_least"),
    ("greater_than", "more_than"),
    ("less_than_equal", "at_most"),
    ("less_than", "less_than"),
    ("string_too_short", "too_few_characters"),
    ("string_too_long", "too_many_characters"),
    ("string_pattern", "pattern"),
    ("string_", "text"),
    ("url_too_long", "too_many_characters"),
    ("url_", "address"),
    ("uuid_", "id"),
    ("too_short", "too_few"),
    ("too_long", "too_many"),
    ("enum", "choice"),
    ("literal_error", "choice"),
    ("datetime_", "moment"),
    ("timezone_", "moment"),
    ("date_", "date"),
    ("time_", "time"),
    ("json_", "json"),
    ("value_error", "value"),
)
"""By their first words, the longer ones first."""
