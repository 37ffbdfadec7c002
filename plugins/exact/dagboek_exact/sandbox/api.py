"""A call of the API: admitted, done, answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web
from dagboek_sdk.sandbox.exchange import json_answer

from . import access, atom, edm, listing, query, render
from .access import Caller, NotLoggedIn
from .address import Address
from .books import Books
from .catalogue import RESOURCES
from .changes import key_of, not_found
from .division import Division
from .edm import Row
from .limits import Endpoint, Limits
from .query import Query
from .refusal import Refused, bad_query, malformed
from .resources import Resource, View

_MOST = 10 * 1024 * 1024
_MOST_ENCODED = _MOST * 4 // 3 + 64 * 1024
"""A file is counted by its decoded size."""
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "strict-origin-when-cross-origin"}


@dataclass
class Call:
    """One call; `run` answers it."""

    books: Books
    limits: Limits
    method: str
    headers: Mapping[str, str]
    address: Address
    asked: tuple[tuple[str, str], ...]
    raw: bytes
    _extra: dict[str, str] = field(default_factory=dict)
    _endpoint: Endpoint | None = None
    _who: Caller | None = None

    def run(self) -> web.Response:
        """The answer, with its headers; errors are counted."""
        now = self.books.clock.now()
        try:
            response = self._admitted(now)
        except NotLoggedIn as nobody:
            status, headers, body = access.login_answer(self.books.rules)
            response = web.Response(status=status, body=body, headers={**headers, "Reason": nobody.reason})
            response.headers["WWW-Authenticate"] = "Bearer"
        except Refused as refused:
            response = self.refusal(refused)
            if self._endpoint is not None:
                self.limits.note(self._endpoint, refused.status, now, self.books.rules)
        response.headers.update(_SAFE | self._extra)
        return response

    def refusal(self, refused: Refused) -> web.Response:
        """An error in the form that was asked for, in the language of the user."""
        value = refused.value(self._who.user.language if self._who else "nl")
        if value is None:
            response = web.Response(status=refused.status)
        elif self._json():
            response = json_answer(refused.status, render.error(value))
        else:
            response = web.Response(status=refused.status, body=atom.error(value), content_type="application/xml")
        if refused.reason:
            response.headers["Reason"] = refused.reason
        return response

    # --- admitting ------------------------------------------------------------------------------------------------

    def _admitted(self, now: float) -> web.Response:
        who = self._who = access.caller(self.books, self.headers.get("Authorization", ""))
        address = self.address
        if address.division is None:
            self._check_time(who)
            if address.resource is None:
                raise not_found()
            return self._me(who, address.resource)
        named = address.resource.path if address.resource else address.name
        endpoint = who.app.client_id, who.user.name, address.division, named
        if (hit := self.limits.take(who.app, address.division, now)) is not None:
            self._extra = hit | ({"Retry-After": str(self.limits.retry_after)} if self.limits.retry_after else {})
            return web.Response(status=429)
        self._extra = self.limits.headers(who.app, address.division, now)
        if self.limits.is_blocked(endpoint, now, self.books.rules):
            return web.Response(status=self.books.rules.velocity_status)
        self._endpoint = endpoint
        self._check_time(who)
        division = access.division(self.books, who, address.division)
        if address.function is not None:
            return self._function(who, division, address.function)
        if address.resource is None:
            raise not_found()
        access.check(who, address.resource, self.method)
        return self._resource(View(self.books, division, who.user, now), address.resource)

    def _check_time(self, who: Caller) -> None:
        if who.expired:
            raise Refused(401, reason="access token expired")

    def _resource(self, view: View, resource: Resource) -> web.Response:
        if "application/xml" in self.headers.get("Accept", "") and not self._json():
            raise Refused(415, "Unsupported media type requested.")
        if self.method not in resource.methods:
            raise Refused(405, "Method not allowed.")
        match self.method:
            case "GET":
                return self._get(view, resource)
            case "POST":
                return self._post(view, resource)
        return self._change(view, resource)

    # --- reading --------------------------------------------------------------------------------------------------

    def _get(self, view: View, resource: Resource) -> web.Response:
        key, collection = self.address.key, self.address.collection
        if key is None:
            return self._list(view, resource, None)
        row = resource.find(view, key_of(resource, key))
        if row is None:
            raise not_found()
        if collection is not None:
            belongs = resource.collections[collection]
            inner = RESOURCES[belongs.resource]
            return self._list(view, inner, list(belongs.rows(view, row)))
        asked = query.read(resource, self.asked, self.books.rules, RESOURCES)
        return self._one(200, view, resource, row, asked)

    def _list(self, view: View, resource: Resource, rows: list[Row] | None) -> web.Response:
        asked = query.read(resource, self.asked, self.books.rules, RESOURCES)
        if rows is None:
            listing.check_allowed(view, resource, asked, any(name == "$select" for name, _ in self.asked))
        page = listing.page(view, resource, asked, rows)
        if self.address.count:
            return web.Response(text=str(page.total))
        base = render.collection_address(view, resource)
        if not self._json():
            following = listing.next_address(base, resource, asked, page.last) if page.last else None
            body = atom.feed(view, resource, page.rows, asked, following)
            return web.Response(body=body, headers={"Content-Type": f"{atom.TYPE};type=feed;charset=utf-8"})
        found = [render.entity(view, resource, row, asked, RESOURCES.__getitem__) for row in page.rows]
        return json_answer(200, render.dump(render.envelope(view, resource, asked, page, found, base)))

    def _one(self, status: int, view: View, resource: Resource, row: Row, asked: Query | None) -> web.Response:
        if not self._json():
            body = atom.entry(view, resource, row, asked)
            return web.Response(
                status=status, body=body, headers={"Content-Type": f"{atom.TYPE};type=entry;charset=utf-8"}
            )
        found = render.entity(view, resource, row, asked, RESOURCES.__getitem__)
        return json_answer(status, render.dump({"d": found}))

    def _me(self, who: Caller, resource: Resource) -> web.Response:
        if self.method != "GET":
            raise Refused(405, "Method not allowed.")
        division = self._current(who)
        if division is None:
            raise Refused(403, "Forbidden", reason="NoDivisionAccess")
        return self._list(View(self.books, division, who.user, self.books.clock.now()), resource, None)

    def _current(self, who: Caller) -> Division | None:
        """What the user chose last in the browser, which may be one that the app may not see."""
        chosen = self.books.divisions.get(who.user.current_division or -1)
        allowed = who.user.divisions
        return chosen or next(
            (each for each in self.books.divisions.values() if allowed is None or each.code in allowed), None
        )

    def _function(self, who: Caller, division: Division, name: str) -> web.Response:
        if self.method != "GET":
            raise Refused(405, "Method not allowed.")
        given = {key: value.strip("'") for key, value in self.asked}
        value: Any
        if name == "UserHasRights":
            value = access.has_right(who.user, given.get("endpoint", ""), given.get("action", "GET").upper())
        else:
            value = {"TimeStampAsBigInt": str(self._timestamp(division, given))}
        if name == "SyncTimestamp" or self.books.rules.function_form == "object":
            value = value if isinstance(value, dict) else {name: value}
        return json_answer(200, render.dump({"d": value}))

    def _timestamp(self, division: Division, given: Mapping[str, str]) -> int:
        """The highest row version before a time."""
        try:
            moment = edm.read_time(given.get("modified", "").removeprefix("datetime'"))
        except (ValueError, TypeError):
            raise bad_query() from None
        versions = (
            row["Timestamp"] for table in division.tables.values() for row in table.values() if row["Modified"] < moment
        )
        return max(versions, default=1)

    # --- writing --------------------------------------------------------------------------------------------------

    def _post(self, view: View, resource: Resource) -> web.Response:
        if self.address.key is not None:
            raise Refused(405, "Method not allowed.")
        row = self._apply(view, resource, self._body(resource))
        response = self._one(201, view, resource, row, None)
        response.headers["Location"] = render.entity_address(view, resource, row)
        return response

    def _change(self, view: View, resource: Resource) -> web.Response:
        if self.address.key is None:
            raise bad_query("The URL does not name an entity.")
        key = {"key": self.address.key}
        if self.method == "DELETE":
            self._apply(view, resource, key)
            return web.Response(status=204)
        row = self._apply(view, resource, {**key, "body": self._body(resource)})
        if self.headers.get("Prefer", "").lower() == "return=representation":
            return self._one(200, view, resource, row, None)
        return web.Response(status=204)

    def _apply(self, view: View, resource: Resource, body: dict[str, Any]) -> Any:
        return self.books.apply(f"{self.method} {resource.path}", view.division.code, body, view.user)

    def _body(self, resource: Resource) -> dict[str, Any]:
        if len(self.raw) > (_MOST_ENCODED if resource.name == "DocumentAttachments" else _MOST):
            raise Refused(413, "Request entity too large.")
        if "application/json" not in self.headers.get("Content-Type", ""):
            raise Refused(415, "Unsupported media type requested.")
        found = edm.parse_json(self.raw)
        if not isinstance(found, dict):
            raise malformed("The request content is not valid for this resource.")
        return found

    def _json(self) -> bool:
        return any(
            fnmatchcase(each.split(";")[0].strip(), "application/json")
            for each in self.headers.get("Accept", "").split(",")
        )
