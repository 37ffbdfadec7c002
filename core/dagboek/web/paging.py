"""Lists in pages: a cursor says after which row the next one begins, so that nothing is missed or comes twice."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from dagboek.web.problems import Fault, Problem

Item = TypeVar("Item")
Row = TypeVar("Row")


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next: str | None = Field(
        None, description="`cursor` of the next page, also after one that is short; null on the last"
    )


class Paged:
    """Which part of a list is asked for."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=200, description="rows of a page at most")] = 50,
        cursor: Annotated[str | None, Query(max_length=1000, description="`next` of the page before")] = None,
    ) -> None:
        self.limit = limit
        self.cursor = cursor

    def after(self, *kinds: Callable[[Any], Any]) -> tuple[Any, ...] | None:
        """Key of the last row of the page before, each part made by its kind; None on the first page."""
        if self.cursor is None:
            return None
        try:
            parts = json.loads(base64.urlsafe_b64decode(self.cursor.encode("ascii") + b"=="))
            if not isinstance(parts, list) or len(parts) != len(kinds):
                raise ValueError
            return tuple(kind(part) for kind, part in zip(kinds, parts, strict=True))
        except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error, RecursionError):
            fault = Fault(field="query.cursor", message="is no cursor of this list; leave it out to begin anew")
            raise Problem(422, "invalid", "What was sent cannot be used.", errors=[fault]) from None

    def page(
        self,
        rows: Sequence[Row],
        made: Callable[[Row], Item],
        key: Callable[[Row], Sequence[object]],
        reached: Sequence[object] | None = None,
    ) -> Page[Item]:
        """The page of `rows`, of which one more than `limit` was read where there is one.

        `reached`: the key of what was looked at last, where looking ended before there were enough; None where it did
        not.
        """
        shown = rows[: self.limit]
        last = key(shown[-1]) if len(rows) > self.limit else reached
        return Page(items=[made(row) for row in shown], next=None if last is None else _cursor(last))


def moment(text: Any) -> datetime:
    """A part of a cursor: a time with its zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("no zone")
    return found


def day(text: Any) -> date:
    """A part of a cursor: a date."""
    return date.fromisoformat(text)


def identifier(text: Any) -> UUID:
    """A part of a cursor: an id."""
    return UUID(text)


def words(text: Any) -> str:
    """A part of a cursor: a text."""
    if not isinstance(text, str) or "\x00" in text:
        raise TypeError
    text.encode()  # ValueError for half a character, which no database takes
    return text


def number(given: Any) -> int:
    """A part of a cursor: a number."""
    if not isinstance(given, int) or not -(2**63) <= given < 2**63:
        raise ValueError("no number")
    return given


def _cursor(parts: Sequence[object]) -> str:
    texts = [
        one if isinstance(one, int | str) else one.isoformat() if isinstance(one, date) else str(one) for one in parts
    ]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


Paging = Annotated[Paged, Depends()]
"""The parameters `limit` and `cursor` of a route."""
