"""Tokens by the clock: a code for three minutes and once, access for 600 s, a refresh token once and for thirty days.

One chain for each app and user: when the same user consents again, the chain before is at an end.
"""

from typing import Any

from .books import Access, Chain, Code, Turn, User
from .edm import Json

CODE_SECONDS = 180
ACCESS_SECONDS = 600
EARLIEST_SECONDS = 570
REFRESH_SECONDS = 30 * 86_400
GRACE_SECONDS = 600
"""How long an old refresh token works, where it does at all."""

_BROKEN = "Token is not allowed, because of invalid or empty chainId"


class Denied(Exception):
    """The token endpoint says no: status, error and description, and perhaps a reason in a header."""

    def __init__(self, status: int, error: str, description: str, reason: str | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.reason = reason


def _broken() -> Denied:
    return Denied(400, "invalid_grant", _BROKEN, f"Unknown: {_BROKEN}")


def consent(turn: Turn, body: Json) -> str:
    """A user lets an app in: a code, which has an exclamation mark in it as real ones do."""
    divisions = body.get("divisions")
    code = turn.books.token("stampNL001.")[:60] + "!IAAAA-_"
    turn.books.codes[code] = Code(
        app=str(body["app"]),
        user=str(body["user"]),
        redirect_uri=str(body["redirect_uri"]),
        expires=turn.at + CODE_SECONDS,
        divisions=None if divisions is None else {int(each) for each in divisions},
    )
    return code


def exchange(turn: Turn, body: Json) -> Json:
    """A code becomes tokens. Raises Denied with nothing changed."""
    books, code = turn.books, turn.books.codes.get(str(body["code"]))
    if (
        code is None
        or code.used
        or code.expires <= turn.at
        or code.app != body["app"]
        or code.redirect_uri != body["redirect_uri"]
    ):
        raise _broken()
    _active(books.users.get(code.user))
    code.used = True
    for chain in books.chains:
        if (chain.app, chain.user) == (code.app, code.user):
            chain.dead = True
    chain = Chain(code.app, code.user, code.divisions, "", turn.at, turn.at, "")
    books.chains = [each for each in books.chains if not each.dead or turn.at - each.issued < REFRESH_SECONDS]
    books.chains.append(chain)
    return _grant(turn, chain)


def refresh(turn: Turn, body: Json) -> Json:
    """A refresh token becomes new tokens. Raises Denied with nothing changed."""
    books, token = turn.books, str(body["refresh_token"])
    chain = next((each for each in books.chains if token == each.refresh or token in each.old), None)
    if chain is None or chain.dead or chain.app != body["app"] or turn.at - chain.issued >= REFRESH_SECONDS:
        raise _broken()
    _active(books.users.get(chain.user))
    if token != chain.refresh:
        _check_old(turn, chain, token)
    elif turn.at - chain.granted < EARLIEST_SECONDS:
        raise Denied(books.rules.early_status, "invalid_request", "Access Token not expired")
    return _grant(turn, chain)


def _check_old(turn: Turn, chain: Chain, token: str) -> None:
    """The token before may work once more, as long as nobody used what it brought."""
    in_time = token == chain.previous and turn.at - chain.granted < GRACE_SECONDS
    if turn.books.rules.reuse == "once" and in_time:
        return
    raise Denied(401, "unauthorized_client", "Old refresh token used.")


def end_chain(turn: Turn, body: Json) -> None:
    """All tokens of a user (for one app, or for all) end: a password was changed, consent was taken back."""
    books = turn.books
    for chain in books.chains:
        if chain.user == body["user"] and body.get("app") in (None, chain.app):
            chain.dead = True
            _forget(turn, chain)


def end_chain_of(turn: Turn, body: Json) -> None:
    """The chain that a refresh token belongs to ends."""
    token = str(body["refresh_token"])
    for chain in turn.books.chains:
        if token == chain.refresh or token in chain.old:
            chain.dead = True
            _forget(turn, chain)


def end_access(turn: Turn, body: Json) -> None:
    """An access token ends before its time."""
    turn.books.access.pop(str(body["token"]), None)


def use_access(turn: Turn, body: Json) -> None:
    """An access token is used for the first time: from then on the refresh token before is dead for good."""
    access = turn.books.access.get(str(body["token"]))
    if access is not None and body["token"] == access.chain.access:
        access.chain.previous = None


def _grant(turn: Turn, chain: Chain) -> dict[str, Any]:
    books = turn.books
    if chain.refresh:
        chain.old.add(chain.refresh)
        # What an old token brings for a second time leaves the one that was lost behind.
        chain.previous = chain.refresh
    chain.refresh, chain.access = books.token("Gcp7!IAAAA"), books.token("AAEAA")
    chain.issued = chain.granted = turn.at
    books.access = {token: each for token, each in books.access.items() if each.expires > turn.at}
    books.access[chain.access] = Access(chain, turn.at + ACCESS_SECONDS)
    return {
        "access_token": chain.access,
        "token_type": "bearer",
        "expires_in": str(ACCESS_SECONDS),
        "refresh_token": chain.refresh,
    }


def _forget(turn: Turn, chain: Chain) -> None:
    turn.books.access = {token: each for token, each in turn.books.access.items() if each.chain is not chain}


def _active(user: User | None) -> None:
    if user is None or not user.active:
        raise Denied(400, "invalid_grant", "The user is not active")
    if user.divisions is not None and not user.divisions:
        raise Denied(403, "access_denied", "The user has no rights")
