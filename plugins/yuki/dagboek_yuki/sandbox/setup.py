"""Changes of what is around the books: domains, administrations, access keys, apps that Yuki knows."""

from typing import Any

from .access import Key
from .books import Change, Json, Turn

_IN_A_DOMAIN = 4
"""Administrations, where many are made."""


def set_domain(turn: Turn, body: Json) -> dict[str, Any]:
    """A new domain, or with `change` (its id or name) another number of calls, no database, other modules."""
    _only(body, "change", "id", "name", "site", "calls_a_day", "active", "modules")
    if "change" not in body:
        return {"id": turn.books.add_domain(body).id}
    domain = turn.books.domain(str(body["change"]))
    domain.calls_a_day = int(body.get("calls_a_day", domain.calls_a_day))
    domain.active = bool(body.get("active", domain.active))
    domain.modules = set(body.get("modules", domain.modules))
    return {"id": domain.id}


def add_administrations(turn: Turn, body: Json) -> dict[str, Any]:
    """An administration, in the first domain or in the one that `domain` names, which is made when it is not there.

    `copies` of it without a `domain`: four each in new ones. `change` (its id): `active`, `name`, `customer_code`.
    """
    books = turn.books
    if "change" in body:
        _only(body, "change", "active", "name", "customer_code")
        one = books.administration(str(body["change"]))
        one.active = bool(body.get("active", one.active))
        one.name = str(body.get("name", one.name))
        one.customer_code = str(body.get("customer_code", one.customer_code))
        return {"ids": [one.id]}
    options = {name: value for name, value in body.items() if name not in ("copies", "domain")}
    name, copies = str(options.get("name") or "Voorbeeld BV"), int(body.get("copies", 1))
    home = next(iter(books.domains.values()))
    if wanted := body.get("domain"):
        known = (each for each in books.domains.values() if wanted in (each.id, each.name))
        home = next(known, None) or books.add_domain({"name": wanted, "site": home.site})
    ids = []
    for number in range(copies):
        if copies > 1 and not wanted and number % _IN_A_DOMAIN == 0:
            home = books.add_domain({"name": f"{name} {number // _IN_A_DOMAIN + 1}", "site": home.site})
        named = name if copies == 1 else f"{name} {number + 1}"
        ids.append(books.add_administration({**options, "name": named, "domain": home.id}, turn.at).id)
    return {"ids": ids}


def set_key(turn: Turn, body: Json) -> dict[str, Any]:
    """A new access key (made when left out), other rights of one that is there, or its end (`active` false)."""
    _only(body, "key", "site", "rights", "domains", "administrations", "active")
    old = turn.books.keys.get(str(body.get("key") or "").lower())
    row = {"key": body.get("key") or turn.guid(), **body}
    if old is not None:
        kept = {
            "site": old.site,
            "rights": old.rights,
            "domains": old.domains,
            "administrations": old.administrations,
            "active": old.active,
        }
        made = Key.read({**kept, **row})
        # Its sessions go on with what the key may do from now on.
        old.rights, old.domains, old.administrations, old.active = (
            made.rights,
            made.domains,
            made.administrations,
            made.active,
        )
        return {"key": old.key}
    return {"key": turn.books.add_key(row).key}


def set_client(turn: Turn, body: Json) -> dict[str, Any]:
    """An app that Yuki knows: `client_id` and `client_secret`; `remove` true: its secret has expired."""
    _only(body, "client_id", "client_secret", "remove")
    client_id = str(body["client_id"])
    if body.get("remove"):
        turn.books.clients.pop(client_id, None)
    else:
        turn.books.clients[client_id] = str(body["client_secret"])
    return {"client_id": client_id}


def _only(body: Json, *names: str) -> None:
    """A slip of the pen is said."""
    if unknown := body.keys() - set(names):
        raise ValueError(f"there is no option {', '.join(sorted(unknown))}; there are {', '.join(names)}")


CHANGES: dict[str, Change] = {
    "set_domain": set_domain,
    "add_administrations": add_administrations,
    "set_key": set_key,
    "set_client": set_client,
}
