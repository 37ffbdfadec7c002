"""A call as an operation sees it: who calls, in which domain, with what; and the refusal that it may answer with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .access import Session
    from .administration import Administration
    from .books import Books, Domain


class Fault(Exception):
    """A refusal of the whole call: HTTP 500 with a soap:Fault. `code`: Client or Server."""

    def __init__(self, text: str, code: str = "Server", detail: str = "", status: int = 500) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.detail = detail
        self.status = status


@dataclass(slots=True)
class Call:
    """One call of an operation.

    `params` by their wire names, of the type that the table gives them: text, int, Decimal, bool, datetime, bytes
    (base64) or an element (XML), which is not to be changed. A text, bytes, XML or nillable value that was left out is
    None; any other has its type's default (0, false, 0001-01-01, the first of an enumeration).
    """

    books: "Books"
    site: str
    """nl or be."""
    service: str
    operation: str
    params: Mapping[str, Any]
    at: float
    """Seconds since 1970, on the sandbox's clock."""
    session: "Session | None" = None
    """None for the few operations that take no session."""
    address: str = ""
    """Where the host is: in place of https://api.yukiworks.nl, or .be."""

    @property
    def domain(self) -> "Domain":
        """The session's current domain."""
        assert self.session is not None
        return self.books.domains[self.session.domain]

    @property
    def language(self) -> str:
        """Of the session, such as nl or fr; descriptions are in it."""
        assert self.session is not None
        return self.session.language

    @property
    def now(self) -> datetime:
        """The server's local time."""
        return self.books.local(self.at)

    def text(self, name: str) -> str:
        """A text parameter, empty when it was left out."""
        return self.params.get(name) or ""

    def administration(self) -> "Administration":
        """The one that the parameter administrationID (administrationId) names, if the session may see it."""
        given = self.params.get("administrationID") or self.params.get("administrationId") or ""
        return self.books.visible_administration(self.session, str(given))

    def domain_asked(self) -> "Domain":
        """The domain that the parameter domainID names; the session's own where it is left out."""
        return self.books.visible_domain(self.session, str(self.params.get("domainID") or ""))

    def apply(self, change: str, dossier: str | None, body: dict[str, Any]) -> Any:
        """Does a change of the books and records it; the body must be plain JSON (amounts as text or Decimal)."""
        return self.books.apply(change, dossier, body)


Operation = Callable[[Call], Any]
"""Returns what the table says: None (nothing), text, int, Decimal, bool, datetime, bytes (base64), an element without
namespace (untyped XML), or rows by wire names (a dict, or a list of them). Raises Fault."""
