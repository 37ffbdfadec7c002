"""All that the sandbox holds: domains, administrations, access keys and sessions, in memory and (if wanted) in a file.

Every change goes through `Books.apply`: a change by name, the administration, and a JSON body. Sessions and the
calls of the day are not in a state file: they end with the server, as Yuki's do.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from dagboek_sdk.sandbox.clock import Clock
from dagboek_sdk.sandbox.state_file import KeptBooks, recorded

from .access import Key, Session, Sessions
from .administration import Administration
from .archive import Archive
from .call import Fault
from .contacts import Contacts
from .rules import Rules
from .values import ZONE

Json = dict[str, Any]

SITES = ("nl", "be")


@dataclass(slots=True)
class Domain:
    """What holds administrations, contacts and the calls of a day; at home on one country's host."""

    id: str
    name: str
    site: str
    calls_a_day: int = 1000
    active: bool = True
    """Whether it has a database; without one every call of it is refused."""
    modules: set[str] = field(default_factory=lambda: {"sales"})
    """Features that are licensed: `sales` (Yuki Factuur)."""
    contacts: Contacts = field(default_factory=Contacts)
    archive: Archive = field(default_factory=Archive)


@dataclass(slots=True)
class Start:
    """What the books begin with, and go back to at a reset."""

    domains: list[Json]
    administrations: list[Json]
    keys: list[Json]
    clients: dict[str, str]


@dataclass(slots=True)
class Turn:
    """One change at work: in which administration, when."""

    books: "Books"
    at: float
    _administration: Administration | None = None

    @property
    def administration(self) -> Administration:
        """The administration; a change of the books as a whole has none."""
        if self._administration is None:
            raise ValueError("this change wants an administration (dossier)")
        return self._administration

    @property
    def now(self) -> datetime:
        """The server's time."""
        return self.books.local(self.at)

    @property
    def today(self) -> date:
        """The server's day."""
        return self.now.date()

    def guid(self) -> str:
        """A new id; the same again when changes are done again."""
        return self.books.guid()


Change = Callable[[Turn, Json], Any]
"""Checks first and changes last; raises Fault or ValueError with nothing changed."""


class Books(KeptBooks):
    """The state of a sandbox. Changes only through `apply`; everything else may read."""

    sandbox = "yuki"
    refusals = (Fault,)

    def __init__(
        self,
        start: Start,
        clock: Clock,
        rules: Rules,
        changes: Mapping[str, Change],
        begin: Callable[[Turn, Json], Administration],
        state_file: str | Path | None = None,
    ) -> None:
        super().__init__(clock, state_file)
        self.rules = rules
        self.domains: dict[str, Domain] = {}
        self.administrations: dict[str, Administration] = {}
        self.keys: dict[str, Key] = {}
        self.clients: dict[str, str] = {}
        """Secrets of the apps that Yuki knows, by their id."""
        self.sessions = Sessions()
        self._start = start
        self._changes = changes
        self._begin_administration = begin
        self._ids = 0
        self._open()

    # --- looking --------------------------------------------------------------------------------------------------

    def local(self, at: float) -> datetime:
        """Seconds since 1970 as the server's own time."""
        return datetime.fromtimestamp(at, ZONE).replace(tzinfo=None)

    def administration(self, id: str) -> Administration:
        """An administration; raises ValueError."""
        found = self.administrations.get(id.lower())
        if found is None:
            raise ValueError(f"there is no administration {id}")
        return found

    def domain(self, id: str) -> Domain:
        """A domain by its id or its name; raises ValueError."""
        found = self.domains.get(id.lower()) or next((one for one in self.domains.values() if one.name == id), None)
        if found is None:
            raise ValueError(f"there is no domain {id}")
        return found

    def visible(self, session: Session) -> list[Administration]:
        """The administrations of the session's current domain that its key may see."""
        return [
            each
            for each in self.administrations.values()
            if each.domain == session.domain and self._sees(session, each)
        ]

    def visible_administration(self, session: Session | None, id: str) -> Administration:
        """An administration by its id, if the session's key may see it. Raises Fault."""
        found = self.administrations.get(id.strip().strip("{}").lower())
        if found is None or session is None or not self._sees(session, found):
            raise Fault(f"Administration '{id}' does not exist or you have no access to it", "Client")
        return found

    def visible_domains(self, session: Session) -> list[Domain]:
        """The domains that the session's key may see."""
        return [each for each in self.domains.values() if session.key.sees_domain(each.id, each.site)]

    def visible_domain(self, session: Session | None, id: str) -> Domain:
        """A domain by its id, if the session's key may see it; without an id the current one. Raises Fault."""
        assert session is not None
        found = self.domains.get(id.strip().strip("{}").lower()) if id.strip() else self.domains[session.domain]
        if found is None or not session.key.sees_domain(found.id, found.site):
            raise Fault(f"Domain '{id}' does not exist or you have no access to it", "Client")
        return found

    def _sees(self, session: Session, administration: Administration) -> bool:
        domain = self.domains[administration.domain]
        return session.key.sees_domain(domain.id, domain.site) and session.key.sees(administration.id)

    # --- changing -------------------------------------------------------------------------------------------------

    def apply(self, change: str, dossier: str | None, body: Json) -> Any:
        """Does a change and records it; raises Fault or ValueError with nothing changed."""
        at, ids = self.clock.now(), self._ids
        result = self._do(change, dossier, body, at)
        if self._file is not None:
            self._file.write(recorded([change, dossier, at, ids, body]) + b"\n")
        return result

    def guid(self) -> str:
        """A new id; the same again when changes are done again."""
        self._ids += 1
        return str(UUID(bytes=hashlib.sha256(f"{self.secret}:{self._ids}".encode()).digest()[:16], version=4))

    def add_domain(self, row: Json) -> Domain:
        """A domain from a row `{id, name, site, calls_a_day, active, modules}`; raises ValueError."""
        site = str(row.get("site") or "be")
        if site not in SITES:
            raise ValueError(f"site is one of {', '.join(SITES)}")
        made = Domain(
            id=str(row.get("id") or self.guid()).lower(),
            name=str(row.get("name") or "Voorbeeld"),
            site=site,
            calls_a_day=int(row.get("calls_a_day", 1000)),
            active=bool(row.get("active", True)),
            modules=set(row.get("modules", ("sales",))),
        )
        if made.id in self.domains:
            raise ValueError(f"domain {made.id} is there already")
        self.domains[made.id] = made
        return made

    def add_administration(self, row: Json, at: float) -> Administration:
        """An administration from a row of options; `domain` left out: the first one. Raises ValueError or KeyError."""
        domain = self.domain(str(row["domain"])) if row.get("domain") else next(iter(self.domains.values()))
        id = str(row.get("id") or self.guid()).lower()
        if id in self.administrations:
            raise ValueError(f"administration {id} is there already")
        row = {"country": domain.site.upper(), **row, "id": id, "domain": domain.id}
        self.administrations[id] = self._begin_administration(Turn(self, at), row)
        return self.administrations[id]

    def add_key(self, row: Json) -> Key:
        """An access key from a row; see `Key.read`. `site` left out: that of the first domain."""
        made = Key.read({"site": next(iter(self.domains.values())).site, **row})
        self.keys[made.key] = made
        return made

    def _do(self, change: str, dossier: str | None, body: Json, at: float) -> Any:
        where = self.administration(dossier) if dossier is not None else None
        return self._changes[change](Turn(self, at, where), body)

    def _begin(self, at: float) -> None:
        self.domains.clear()
        self.administrations.clear()
        self.keys.clear()
        self.sessions.clear()
        self.clients = dict(self._start.clients)
        for row in self._start.domains:
            self.add_domain(row)
        for row in self._start.administrations:
            self.add_administration(row, at)
        for row in self._start.keys:
            self.add_key(row)

    def _counters(self) -> Json:
        return {"ids": self._ids}

    def _count_from(self, header: Json) -> None:
        self._ids = header["ids"]

    def _do_again(self, line: list[Any]) -> float:
        change, dossier, at, self._ids, body = line
        self._do(change, dossier, body, float(at))
        return float(at)
