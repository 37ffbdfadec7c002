"""Who may do what: access keys with rights per service group, and the sessions that they open."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

RIGHTS = (
    "Financial", "Archive", "Sales", "Purchase", "Upload", "PettyCash", "Contacts", "ContactsReadOnly", "Domains",
    "Backoffice",
)  # fmt: skip
"""The service groups of an access key."""

LIFE = 24 * 3600.0
"""Of a session, from when it was opened."""


@dataclass(slots=True)
class Key:
    """An access key. `domains` None: a portal's key, for all domains of its site; `administrations` None: all."""

    key: str
    site: str
    rights: frozenset[str]
    domains: tuple[str, ...] | None = None
    administrations: frozenset[str] | None = None
    active: bool = True

    @classmethod
    def read(cls, row: dict[str, Any]) -> "Key":
        """From a row `{key, site, rights, domains, administrations, active}`; raises ValueError."""
        rights = frozenset(row.get("rights") or RIGHTS)
        if unknown := rights - set(RIGHTS):
            raise ValueError(f"there is no right {', '.join(sorted(unknown))}; there are {', '.join(RIGHTS)}")
        domains, administrations = row.get("domains"), row.get("administrations")
        return cls(
            key=str(row["key"]).lower(),
            site=str(row["site"]),
            rights=rights,
            domains=None if domains is None else tuple(str(one).lower() for one in domains),
            administrations=None if administrations is None else frozenset(str(one).lower() for one in administrations),
            active=bool(row.get("active", True)),
        )

    def sees_domain(self, domain: str, site: str) -> bool:
        """Whether the domain is in reach."""
        return site == self.site and (self.domains is None or domain in self.domains)

    def sees(self, administration: str) -> bool:
        """Whether an administration of a domain in reach is."""
        return self.administrations is None or administration in self.administrations


@dataclass(slots=True)
class Session:
    """What `Authenticate` opened. Domain and language are its state."""

    id: str
    key: Key
    domain: str
    language: str
    ends: float
    known_app: bool = False
    """Opened with a client id and secret (AuthenticateClient), as Purchase wants it."""


class Sessions:
    """The open sessions; they end with the server."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def open(self, key: Key, domain: str, language: str, now: float, *, known_app: bool = False) -> Session:
        """A new one."""
        made = Session(str(uuid4()), key, domain, language, now + LIFE, known_app)
        self._open[made.id] = made
        return made

    def find(self, id: str, site: str, now: float) -> Session | None:
        """An open session of the site, as long as its key is there."""
        found = self._open.get(id.strip().lower())
        if found is None or found.key.site != site:
            return None
        if now >= found.ends or not found.key.active:
            del self._open[found.id]
            return None
        return found

    def end(self, id: str) -> None:
        """Ends one."""
        self._open.pop(id.strip().lower(), None)

    def clear(self) -> None:
        """Ends all."""
        self._open.clear()

    def __iter__(self) -> Iterator[Session]:
        return iter(self._open.values())
