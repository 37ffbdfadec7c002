"""The bell: one's own notices in the tenant that `db` shows, and which of them were read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from dagboek.database import Database

Kind = Literal["runs", "nights", "audit", "webhook"]
"""`runs`: what they started has ended; `nights`: an integration failed several nights in a row; `audit`: one that they
asked for has ended; `webhook`: one was switched off."""
KINDS: Final = list(get_args(Kind))
"""What else there is, a newer release tells of, whose words are not here: it waits unread for a process of that."""

COUNTED: Final = 99
"""Up to which unread notices are counted."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person is told of."""

    id: UUID
    kind: Kind
    facts: dict[str, Any]
    created_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the bell stands."""

    unread: int
    """Up to `COUNTED`, and one more where there are more."""
    waits: bool
    """Whether something that the person started is under way, of whose end they will be told."""


def may_know(tenant: str) -> str:
    """SQL: whether the person `p` may know what happens in a tenant, whose id is `tenant`."""
    return f"""(p.disabled_at IS NULL AND (p.operator OR EXISTS (
        SELECT 1 FROM membership WHERE membership.tenant_id = {tenant} AND membership.person_id = p.id)))"""


_NOTICE: Final = "id, kind, facts, created_at, read_at"


async def page(
    db: Database, person_id: UUID, *, unread: bool = False, after: tuple[datetime, UUID] | None = None, limit: int
) -> list[Notice]:
    """Notices of the person, newest first."""
    rows = await db.all(
        f"""SELECT {_NOTICE} FROM notice
            WHERE person_id = %(person)s AND kind = ANY(%(kinds)s)
              AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s::uuid))
              AND (NOT %(unread)s OR read_at IS NULL)
            ORDER BY created_at DESC, id DESC LIMIT %(limit)s""",
        {
            "person": person_id,
            "kinds": KINDS,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "unread": unread,
            "limit": limit,
        },
    )
    return [Notice(**row) for row in rows]


async def find(db: Database, person_id: UUID, notice_id: UUID) -> Notice | None:
    """One of the person's notices."""
    row = await db.one(
        f"SELECT {_NOTICE} FROM notice WHERE id = %s AND person_id = %s AND kind = ANY(%s)", notice_id, person_id, KINDS
    )
    return Notice(**row) if row else None


async def read(db: Database, person_id: UUID, notice_id: UUID) -> None:
    """The person has read it."""
    await db.run(
        "UPDATE notice SET read_at = now() WHERE id = %s AND person_id = %s AND read_at IS NULL", notice_id, person_id
    )


async def read_all(db: Database, person_id: UUID) -> int:
    """The person has read all of them; how many."""
    return await db.run(
        "UPDATE notice SET read_at = now() WHERE person_id = %s AND read_at IS NULL AND kind = ANY(%s)",
        person_id,
        KINDS,
    )


async def standing(db: Database, person_id: UUID) -> Standing:
    """What the bell shows."""
    row = await db.one(
        """SELECT (SELECT count(*) FROM (SELECT 1 FROM notice WHERE person_id = %(person)s AND read_at IS NULL
                                         AND kind = ANY(%(kinds)s) LIMIT %(most)s) found) AS unread,
                  EXISTS (SELECT 1 FROM run WHERE person_id = %(person)s AND state <> 'ended')
                  OR EXISTS (SELECT 1 FROM audit WHERE person_id = %(person)s
                             AND state IN ('requested', 'running', 'waiting')) AS waits""",
        {"person": person_id, "kinds": KINDS, "most": COUNTED + 1},
    )
    return Standing(**row) if row else Standing(0, False)
