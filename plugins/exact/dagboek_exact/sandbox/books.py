"""All that the sandbox holds: divisions, users, apps and their tokens, in memory and (if wanted) in a file.

Every change goes through `Books.apply`: a change by name, the division, who does it, and a JSON body.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from dagboek_sdk.sandbox.clock import Clock
from dagboek_sdk.sandbox.state_file import KeptBooks, recorded

from . import reports
from .division import Division
from .edm import Json, Row, server_time
from .refusal import Refused
from .rules import Rules


@dataclass(slots=True)
class User:
    """A person with a login; `divisions` None: all of them."""

    name: str
    id: UUID
    full_name: str
    email: str
    language: str = "nl"
    active: bool = True
    divisions: set[int] | None = None
    current_division: int | None = None
    denied: dict[str, set[str]] = field(default_factory=dict)
    """Rights that are missing: methods by resource, such as crm/Accounts; "*" is all of them."""


@dataclass(slots=True)
class App:
    """A registered app. `redirect_uris` None: any loopback address and any https one; `scopes` None: all of them."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...] | None = None
    scopes: frozenset[str] | None = None
    """Such as `crm accounts` (read) and `crm accounts manage`."""
    minutely: int = 60
    daily: int = 5000


@dataclass(slots=True)
class Code:
    """An authorization code that was given out."""

    app: str
    user: str
    redirect_uri: str
    expires: float
    divisions: set[int] | None
    used: bool = False


@dataclass(slots=True)
class Chain:
    """The tokens of one app for one user; `granted`: when the last access token was given."""

    app: str
    user: str
    divisions: set[int] | None
    refresh: str
    issued: float
    granted: float
    access: str
    dead: bool = False
    previous: str | None = None
    """The refresh token before, as long as the new one was not used; see `Rules.reuse`."""
    old: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Access:
    """What an access token stands for."""

    chain: Chain
    expires: float


@dataclass(slots=True)
class Start:
    """What the books begin with, and go back to at a reset."""

    apps: list[App]
    users: list[Json]
    divisions: list[Json]


@dataclass(slots=True)
class Turn:
    """One change at work: in which division, by whom, when."""

    books: "Books"
    at: float
    user: User | None
    _division: Division | None

    @property
    def division(self) -> Division:
        """The division; a change of the books as a whole has none."""
        if self._division is None:
            raise ValueError("this change wants a division")
        return self._division

    @property
    def now(self) -> datetime:
        """The server's time."""
        return server_time(self.at)

    @property
    def today(self) -> date:
        """The server's day."""
        return self.now.date()

    def stamp(self, row: Row, *, new: bool = False) -> Row:
        """Notes who made or changed a row and when, and gives it a new version."""
        who = {"": self.user.id, "FullName": self.user.full_name} if self.user else {"": None, "FullName": None}
        for verb, noun in (("Created", "Creator"), ("Modified", "Modifier")):
            if new or verb == "Modified":
                row[verb] = self.now
                row[noun], row[f"{noun}FullName"] = who[""], who["FullName"]
        row["Division"] = self.division.code
        row["Timestamp"] = self.books.version()
        return row


Change = Callable[[Turn, Json], Any]
"""Checks first and changes last; raises Refused with nothing changed."""


class Books(KeptBooks):
    """The state of a sandbox. Changes only through `apply`; everything else may read."""

    sandbox = "exact"
    refusals = (Refused,)

    def __init__(
        self,
        start: Start,
        clock: Clock,
        rules: Rules,
        changes: Mapping[str, Change],
        begin: Callable[["Turn", Json], Division],
        state_file: str | Path | None = None,
    ) -> None:
        super().__init__(clock, state_file)
        self.rules = rules
        self.divisions: dict[int, Division] = {}
        self.users: dict[str, User] = {}
        self.apps: dict[str, App] = {}
        self.codes: dict[str, Code] = {}
        self.chains: list[Chain] = []
        self.access: dict[str, Access] = {}
        self.origin = ""
        """Where the sandbox answers; addresses in answers begin with it."""
        self._begin_division = begin
        self._start = start
        self._changes = changes
        self._ids = self._versions = 0
        self._open()

    # --- looking --------------------------------------------------------------------------------------------------

    def division(self, code: int) -> Division:
        """A division; raises ValueError."""
        found = self.divisions.get(code)
        if found is None:
            raise ValueError(f"there is no division {code}")
        return found

    def user(self, name: str) -> User:
        """A user; raises ValueError."""
        found = self.users.get(name)
        if found is None:
            raise ValueError(f"there is no user {name}")
        return found

    def entries(
        self, dossier: int | None = None, journal: str | None = None, bookyear: int | None = None
    ) -> list[dict[str, Any]]:
        """What is booked, in order of booking, with journal lines; see `reports`."""
        found = [self.division(dossier)] if dossier is not None else list(self.divisions.values())
        return [
            shown
            for each in found
            for shown in reports.entries(
                each,
                (
                    row
                    for row in each.entries()
                    if journal in (None, row["Journal"]) and bookyear in (None, row["ReportingYear"])
                ),
            )
        ]

    def ledger(self, dossier: int, bookyear: int | None = None) -> dict[str, Any]:
        """Debit, credit and balance of each account, and the proof that all adds up to zero."""
        return reports.ledger(self.division(dossier), bookyear)

    # --- changing -------------------------------------------------------------------------------------------------

    def apply(self, change: str, division: int | None, body: Json, user: User | None = None) -> Any:
        """Does a change and records it; raises Refused or ValueError with nothing changed."""
        at, ids, versions = self.clock.now(), self._ids, self._versions
        name = user.name if user else None
        result = self._do(change, division, name, body, at)
        if self._file is not None:
            line = [change, division, name, at, ids, versions, body]
            self._file.write(recorded(line) + b"\n")
        return result

    def version(self) -> int:
        """The next row version."""
        self._versions += 1
        return self._versions

    def guid(self) -> UUID:
        """A new one; the same again when changes are done again."""
        return UUID(bytes=self._random()[:16], version=4)

    def token(self, prefix: str) -> str:
        """A new token."""
        return prefix + self._random().hex() + self._random().hex()

    def add_division(self, row: Json, at: float) -> Division:
        """A division from a row of options; raises ValueError or KeyError."""
        code = int(row.get("id") or max(self.divisions, default=3_100_000) + 1)
        if code in self.divisions:
            raise ValueError(f"division {code} is there already")
        made = self._begin_division(Turn(self, at, None, None), {**row, "id": code})
        self.divisions[code] = made
        return made

    def add_user(self, row: Json) -> User:
        """A user from a row `{name, full_name, email, language, divisions, current_division}`."""
        name = str(row["name"])
        divisions = row.get("divisions")
        self.users[name] = User(
            name=name,
            id=self.guid(),
            full_name=str(row.get("full_name") or name),
            email=str(row.get("email") or f"{name}@example.test"),
            language=str(row.get("language") or "nl"),
            divisions=None if divisions is None else {int(each) for each in divisions},
            current_division=row.get("current_division"),
        )
        return self.users[name]

    def _random(self) -> bytes:
        self._ids += 1
        return hashlib.sha256(f"{self.secret}:{self._ids}".encode()).digest()

    def _do(self, change: str, division: int | None, user: str | None, body: Json, at: float) -> Any:
        where = self.division(division) if division is not None else None
        who = self.users.get(user) if user is not None else None
        return self._changes[change](Turn(self, at, who, where), body)

    def _begin(self, at: float) -> None:
        self.divisions.clear()
        self.users.clear()
        self.codes.clear()
        self.chains.clear()
        self.access.clear()
        self.apps = {app.client_id: replace(app) for app in self._start.apps}
        for row in self._start.divisions:
            self.add_division(row, at)
        for row in self._start.users:
            self.add_user(row)

    def _counters(self) -> Json:
        return {"ids": self._ids, "versions": self._versions}

    def _count_from(self, header: Json) -> None:
        self._ids, self._versions = header["ids"], header["versions"]

    def _do_again(self, line: list[Any]) -> float:
        change, division, user, at, self._ids, self._versions, body = line
        self._do(change, division, user, body, float(at))
        return float(at)
