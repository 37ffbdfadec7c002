"""What an address of the API names: a division, a resource, a row of it, a collection of the row, or a count."""

import re
from dataclasses import dataclass

from .catalogue import ME, RESOURCES
from .resources import Resource

BASE = "/api/v1/"
_DIVISION = re.compile(r"^(?:beta/)?(\d{1,9})/(.+)$")
_FUNCTIONS = {"users/UserHasRights": "UserHasRights", "read/sync/Sync/SyncTimestamp": "SyncTimestamp"}


@dataclass(frozen=True, slots=True)
class Address:
    """`resource` None: there is none of that name; `key` as it stands in brackets."""

    division: int | None
    resource: Resource | None
    key: str | None = None
    collection: str | None = None
    count: bool = False
    function: str | None = None

    @property
    def name(self) -> str:
        """What faults and `requests` call it."""
        if self.function:
            return self.function
        return self.resource.name if self.resource else "unknown"


def read(path: str) -> Address:
    """The address below `/api/v1/`."""
    path = path.strip("/")
    if path == "current/Me":
        return Address(None, ME)
    found = _DIVISION.match(path)
    if found is None:
        return Address(None, None)
    division, rest = int(found[1]), found[2]
    if rest in _FUNCTIONS:
        return Address(division, None, function=_FUNCTIONS[rest])
    named, bracket, after = rest.partition("(")
    key = collection = None
    if bracket:
        key, closed, after = after.partition(")")
        if not closed:
            return Address(division, None)
    else:
        named, slash, tail = rest.partition("/$")
        after = f"/${tail}" if slash else ""
    resource = RESOURCES.get(named)
    after = after.strip("/")
    if resource is not None and after and not after.startswith("$"):
        collection, _, after = after.partition("/")
        if collection not in resource.collections:
            return Address(division, None)
    if after not in ("", "$count"):
        return Address(division, None)
    return Address(division, resource, key or None, collection, count=bool(after))
