"""/api/oauth2/auth and /api/oauth2/token over HTTP.

Who sits at the browser, and what they answer, is told by `/_sandbox/browser`: they consent at once, refuse, or are
asked on a page. The app's secret comes in the form or in a Basic header.
"""

import base64
import binascii
import html as markup
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from aiohttp import web
from dagboek_sdk.sandbox.exchange import html, json_answer

from .books import App, Books
from .limits import Limits
from .tokens import Denied

AUTHORISE, TOKEN = "/api/oauth2/auth", "/api/oauth2/token"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass
class Browser:
    """Who is logged in at the browser, and how they answer: "consent", "refuse" or "ask" on a page."""

    user: str
    answer: str = "consent"
    divisions: list[int] | None = None
    """What they let the app see; None: all of theirs."""


def authorise(books: Books, browser: Browser, query: Mapping[str, str], form: Mapping[str, str]) -> web.Response:
    """The page at which a person lets an app in; a redirect when they have answered."""
    app = books.apps.get(query.get("client_id", ""))
    target = query.get("redirect_uri", "")
    if app is None or not registered(app, target):
        # A mismatch fails at Exact's side, without an explanation.
        return html(400, b"<html><head><title>Error</title></head><body><h1>An error occurred</h1></body></html>")
    if query.get("response_type") != "code":
        return _back(target, query, {"error": "unsupported_response_type"})
    answer = form.get("answer", browser.answer)
    if answer == "ask":
        return _page(books, query)
    if answer != "consent":
        return _back(target, query, {"error": "access_denied"})
    body = {
        "app": app.client_id,
        "user": form.get("user") or browser.user,
        "redirect_uri": target,
        "divisions": browser.divisions,
    }
    return _back(target, query, {"code": books.apply("consent", None, body)})


def registered(app: App, target: str) -> bool:
    """Whether an address may be sent codes to: compared as it stands; by default any https one and any loopback one."""
    if app.redirect_uris is not None:
        return target in app.redirect_uris
    try:
        parts = urlsplit(target)
        return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        return False


def token(books: Books, limits: Limits, request: web.BaseRequest, raw: bytes) -> web.Response:
    """The token endpoint."""
    form = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        return json_answer(200, json.dumps(_granted(books, limits, request, form)).encode())
    except Denied as denied:
        body = {"error": denied.error, "error_description": denied.description}
        response = json_answer(denied.status, json.dumps(body).encode() if denied.error else b"")
        if denied.reason:
            response.headers["Reason"] = denied.reason
        return response


def _granted(books: Books, limits: Limits, request: web.BaseRequest, form: dict[str, str]) -> dict[str, str]:
    if not request.content_type.startswith("application/x-www-form-urlencoded"):
        raise Denied(400, "invalid_request", "The content type is not supported")
    client, secret = _credentials(request, form)
    app = books.apps.get(client)
    if app is None or app.client_secret != secret:
        raise Denied(401, "invalid_client", "Client authentication failed.")
    kind = form.get("grant_type")
    body = {"app": app.client_id}
    if kind == "authorization_code":
        body |= {"code": form.get("code", ""), "redirect_uri": form.get("redirect_uri", "")}
        known = books.codes.get(body["code"])
        user = known.user if known else ""
        change = "exchange"
    elif kind == "refresh_token":
        body["refresh_token"] = form.get("refresh_token", "")
        user = next((one.user for one in books.chains if body["refresh_token"] in (one.refresh, *one.old)), "")
        change = "refresh"
    else:
        raise Denied(400, "unsupported_grant_type", "The grant type is not supported")
    if not limits.allow_token(client, user, books.clock.now()):
        raise Denied(429, "", "")
    try:
        granted: dict[str, str] = books.apply(change, None, body)
    except Denied as denied:
        if denied.error == "unauthorized_client" and books.rules.reuse == "end":
            books.apply("end_chain_of", None, {"refresh_token": body["refresh_token"]})
        raise
    return granted


def _credentials(request: web.BaseRequest, form: Mapping[str, str]) -> tuple[str, str]:
    header = request.headers.get("Authorization", "")
    if header.lower().startswith("basic "):
        try:
            name, _, secret = base64.b64decode(header[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return unquote_plus(name), unquote_plus(secret)
    return form.get("client_id", ""), form.get("client_secret", "")


def _back(target: str, query: Mapping[str, str], answer: dict[str, str]) -> web.Response:
    if "state" in query:
        answer["state"] = query["state"]
    mark = "&" if "?" in target else "?"
    return web.Response(status=302, headers={"Location": f"{target}{mark}{urlencode(answer)}"})


def _page(books: Books, query: Mapping[str, str]) -> web.Response:
    action = markup.escape(f"{AUTHORISE}?{urlencode(query)}")
    users = "".join(
        f'<option value="{markup.escape(user.name)}">{markup.escape(user.full_name)}</option>'
        for user in books.users.values()
    )
    body = (
        "<!DOCTYPE html><html><head><title>Exact Online (sandbox)</title></head><body>"
        f'<h1>Exact Online (sandbox)</h1><form method="post" action="{action}">'
        f'<label>User <select name="user">{users}</select></label> '
        '<button name="answer" value="consent">Allow</button> <button name="answer" value="refuse">Refuse</button>'
        "</form></body></html>"
    )
    return html(200, body.encode())
