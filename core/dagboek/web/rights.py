"""What people and API keys may do: the one place where roles become rights."""

from enum import StrEnum
from typing import Final


class Right(StrEnum):
    """One right; for API keys, a scope."""

    READ = "read"
    """Look at everything of the tenant."""
    SYNC = "sync"
    """Start and stop synchronisations, try documents again, preview."""
    SEND = "send"
    """Send documents in, withdraw them."""
    DECIDE = "decide"
    """Say of a document that it is booked, or have it sent again."""
    CONNECT = "connect"
    """Connect tools and sources, change settings, disconnect."""
    MANAGE = "manage"
    """People, API keys, the trail of who did what."""
    OPERATE = "operate"
    """The whole installation, all tenants. Never of an API key."""


class Role(StrEnum):
    """What a person is in a tenant."""

    VIEWER = "viewer"
    BOOKKEEPER = "bookkeeper"
    ADMIN = "admin"


SCOPES: Final = tuple(right for right in Right if right is not Right.OPERATE)

_OF_ROLE: Final = {
    Role.VIEWER: frozenset({Right.READ}),
    Role.BOOKKEEPER: frozenset({Right.READ, Right.SYNC, Right.SEND, Right.DECIDE, Right.CONNECT}),
    Role.ADMIN: frozenset(SCOPES),
}


def rights_of(role: Role | None, *, operator: bool = False) -> frozenset[Right]:
    """Rights of a person in a tenant. An operator has all of them in every tenant."""
    if operator:
        return frozenset(Right)
    return _OF_ROLE[role] if role else frozenset()
