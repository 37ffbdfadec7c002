"""Documents in Yuki's archive: how an upload is marked, and how it is found again (api.md sections 3 and 5).

Yuki gives an upload a new id each time and checks nothing. So our mark is in the file's name and in the remarks, and
before anything is sent again the archive is looked through, from the newest document to those that are older than what
was sent. There is no search for it: nothing says that Yuki's own looks at the names of files, and that it finds nothing
would prove nothing.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Self

from dagboek_sdk.attempt import Attempt
from lxml.etree import _Element as Element

from dagboek_yuki.client import Services
from dagboek_yuki.reading import day, rows, text

SERVICE: Final = "Archive"
PURCHASES: Final = 1
"""Folder."""
NO_DATE: Final = date(1, 1, 1)
PAGE: Final = 500
"""Documents that one call lists."""
PAGES: Final = 20
"""How far back it is looked at most."""
CLOCKS: Final = timedelta(days=2)
"""How far Yuki's clock and ours may be apart, as it tells no zone."""
LARGEST: Final = 3 * 1024 * 1024
"""Bytes of a file in base64: nothing documents a limit, and ASP.NET's own for a request is 4 MB."""

_UNSAFE: Final = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Token:
    """What was accepted: an upload by its document, or a sale that Yuki kept as a draft by its number."""

    upload: bool
    day: date
    key: str

    def __str__(self) -> str:
        return f"{'upload' if self.upload else 'draft'}/{self.day.isoformat()}/{self.key}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """The parts of `upload/2025-02-03/6f6d...`. ValueError for anything else."""
        kind, _, rest = written.partition("/")
        day, _, key = rest.partition("/")
        return cls(kind == "upload", date.fromisoformat(day), key)


def mark(administration: str, attempt: Attempt) -> str:
    """What an upload of this link is known by, in a domain that may hold many administrations."""
    told = f"{administration.lower()}\x1f{attempt.identity}\x1f{attempt.link_id}"
    return f"dagboek-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def file_name(reference: str, marked: str) -> str:
    """The name of the file: the number as people look for it, then the mark."""
    return f"{_UNSAFE.sub('_', reference).strip('_.')[:60] or 'document'} {marked}.xml"


async def find(services: Services, marks: Iterable[str], since: datetime | None) -> tuple[dict[str, str], bool]:
    """The ids of documents that bear `marks`, by mark; and whether all were looked at that came after `since`."""
    wanted = set(marks)
    found: dict[str, str] = {}
    for page in range(PAGES):
        # Pages overlap by one, as the first record may be 0 or 1.
        listed = list(rows(await _listed(services, page * (PAGE - 1)), "Document"))
        found |= _bearing(listed, wanted)
        if len(found) == len(wanted) or len(listed) < PAGE or _reaches(listed, since):
            return found, True
    return found, False


async def _listed(services: Services, first: int) -> Element:
    return await services.call(
        SERVICE,
        "Documents",
        settling=True,
        sortOrder="CreatedDesc",
        startDate=NO_DATE,
        endDate=NO_DATE,
        numberOfRecords=PAGE,
        startRecord=first,
    )


def _reaches(listed: Iterable[Element], since: datetime | None) -> bool:
    """Whether all that follows is older: the order was asked for, but only the days that are told prove it."""
    days = [created for row in listed if (created := day(row, "Created"))]
    if since is None or not days or days != sorted(days, reverse=True):
        return False
    return days[-1] < since.date() - CLOCKS


def _bearing(listed: Iterable[Element], marks: Iterable[str]) -> dict[str, str]:
    found = {}
    for row in listed:
        told = f"{text(row, 'FileName')} {text(row, 'Subject')}".lower()
        for one in marks:
            if one in told and text(row, "@ID"):
                found[one] = text(row, "@ID").lower()
    return found
