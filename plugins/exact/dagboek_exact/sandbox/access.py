"""Who may call: the access token, the division, its licence, the scope of the app, the rights of the user.

All but the first say the same bare Forbidden, some with a reason in a header.
"""

from dataclasses import dataclass

from .books import App, Books, Chain, User
from .division import Division
from .refusal import Refused
from .resources import Resource
from .rules import Rules

LOGIN_PAGE = (
    b"<html><head><title>Object moved</title></head><body>"
    b'<h2>Object moved to <a href="/docs/Login.aspx">here</a>.</h2></body></html>'
)


class NotLoggedIn(Exception):
    """There is no access token, or it is none."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom an access token stands for."""

    app: App
    user: User
    chain: Chain
    expired: bool


def caller(books: Books, authorization: str) -> Caller:
    """The caller that an access token names, which may have expired; raises NotLoggedIn or Refused (403)."""
    kind, _, token = authorization.partition(" ")
    if kind.lower() != "bearer" or not token:
        raise NotLoggedIn("no access token")
    access = books.access.get(token.strip())
    if access is None:
        raise NotLoggedIn("invalid access token")
    expired = access.expires <= books.clock.now()
    if not expired and token == access.chain.access and access.chain.previous is not None:
        books.apply("use_access", None, {"token": token})
    user = books.users.get(access.chain.user)
    if user is None or not user.active:
        raise Refused(403, "Forbidden", reason="InactiveUser" if user else "BlockedUser")
    app = books.apps.get(access.chain.app)
    if app is None:
        raise NotLoggedIn("invalid access token")
    return Caller(app, user, access.chain, expired)


def division(books: Books, who: Caller, code: int) -> Division:
    """The division of an address; raises Refused (403)."""
    found = books.divisions.get(code)
    allowed = (who.user.divisions, who.chain.divisions)
    if found is None or any(each is not None and code not in each for each in allowed):
        raise Refused(403, "Forbidden", reason="NoDivisionAccess")
    if found.blocking or found.status != 1:
        raise Refused(403, "Forbidden", reason="DivisionBlocked")
    if not found.licensed:
        raise Refused(403, "Forbidden", reason="LicenseExpired")
    return found


def check(who: Caller, resource: Resource, method: str) -> None:
    """Scope of the app and rights of the user; raises Refused (403)."""
    scopes, needed = who.app.scopes, resource.scope
    if scopes is not None and needed:
        writes = method != "GET"
        if f"{needed} manage" not in scopes and (writes or needed not in scopes):
            verb = "manage" if writes else "read"
            named = needed.replace(" ", ".")
            raise Refused(403, f"Forbidden - Application Scope Violated. Cannot {verb} '{named}' scope.")
    if not has_right(who.user, resource.path, method):
        raise Refused(403, "Forbidden")


def has_right(user: User, path: str, method: str) -> bool:
    """Whether a user may do this with a resource."""
    return not ({"*", method} & user.denied.get(path, set()))


def login_answer(rules: Rules) -> tuple[int, dict[str, str], bytes]:
    """What is said to somebody without a token: status, headers and body."""
    match rules.anonymous:
        case "page":
            return 401, {"Content-Type": "text/html"}, LOGIN_PAGE
        case "redirect":
            return 302, {"Content-Type": "text/html", "Location": "/docs/Login.aspx"}, LOGIN_PAGE
    return 401, {}, b""
