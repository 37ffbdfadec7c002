"""The part of Exact's OData that is used: literals, conditions, and what comes back in changing envelopes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import quote
from uuid import UUID

Json = Mapping[str, Any]

LONGEST = 1500
"""Characters of a condition in an address at most, escapes included: longer addresses fail."""


def text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("'", "''") + "'"


def guid(value: str) -> str:
    """A guid literal. ValueError for what is none."""
    return f"guid'{UUID(value)}'"


def moment(value: date) -> str:
    """A date literal, with the time: without it was seen to fail."""
    return f"datetime'{value.isoformat()}T00:00:00'"


def any_of(conditions: Iterable[str]) -> Iterator[str]:
    """Conditions joined by `or`, as many at a time as an address takes."""
    joined = ""
    for condition in dict.fromkeys(conditions):
        longer = f"{joined} or {condition}" if joined else condition
        if joined and len(quote(longer)) > LONGEST:
            yield joined
            longer = condition
        joined = longer
    if joined:
        yield joined


def page(answer: Any) -> tuple[list[dict[str, Any]], str | None]:
    """Rows and the address of the next page: `d` is a list, or an object with `results` and `__next`. ValueError."""
    inner = answer["d"] if isinstance(answer, dict) and "d" in answer else None
    if isinstance(inner, list):
        return _rows(inner), None
    if isinstance(inner, dict) and isinstance(inner.get("results"), list):
        following = inner.get("__next")
        return _rows(inner["results"]), following if isinstance(following, str) and following else None
    raise ValueError("an answer without rows")


def entity(answer: Any) -> dict[str, Any]:
    """The one thing that was asked for or made. ValueError where there is none."""
    inner = answer.get("d") if isinstance(answer, dict) else None
    if isinstance(inner, dict) and "results" not in inner:
        return inner
    rows, _ = page(answer)
    if len(rows) != 1:
        raise ValueError("an answer that is not of one thing")
    return rows[0]


def _rows(given: Sequence[Any]) -> list[dict[str, Any]]:
    return [row for row in given if isinstance(row, dict)]
