"""The outbox: mail that waits to be sent, by whichever core comes to it first.

Whoever takes a mail puts off when it is due, so that it comes again by itself if its sender dies: a mail may be sent
twice, under one Message-ID, and is never lost. What nobody took for days is given up, with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from dagboek.database import Database
from dagboek.notices.bell import Notice, may_know

State = Literal["waiting", "sent", "given_up"]

KEPT: Final = timedelta(days=3)
"""How long a mail is tried; after that what it tells is old."""
FIRST: Final = timedelta(minutes=5)
"""Until a mail is tried a second time, then twice as long each time: more than one try may take."""
LONGEST: Final = timedelta(hours=4)
"""Between two tries at most."""
LATE: Final = timedelta(hours=1)
"""After which a mail that could have been sent waits long."""
REPEATED: Final = timedelta(minutes=10)
"""How long nobody is invited a second time."""

INVITED: Final = timedelta(days=7)
"""How long the link of an invitation signs somebody in."""

NOBODY: Final = "nobody is there to be told any more"
NO_SERVER: Final = "no mail server is set"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to be sent, and to whom."""

    id: UUID
    kind: str
    """`runs`, `nights`; `invitation`: into a tenant; `link`: to sign in with."""
    address: str
    language: str
    created_at: datetime
    tenant: str
    time_zone: str | None
    """That the tenant has chosen."""
    person_id: UUID
    invited_by: str
    has_password: bool
    notices: tuple[Notice, ...]


async def take(db: Database) -> Mail | None:
    """The mail that has waited longest, taken by this process; None where none is due.

    One whose reader may not know of it any more, or wants no mail, is given up on the way.
    """
    while True:
        row = await db.one(_TAKE, {"first": FIRST, "longest": LONGEST})
        if row is None:
            return None
        notices = await db.all(
            "SELECT id, kind, facts, created_at, read_at FROM notice WHERE email_id = %s ORDER BY created_at, id",
            row["id"],
        )
        wanted = row["kind"] in ("invitation", "link") or (row["emails"] and notices)
        if row["allowed"] and wanted:
            return _mail(row, notices)
        await give_up(db, row["id"], NOBODY)


async def sent(db: Database, mail_id: UUID) -> None:
    """It was handed over."""
    await db.run(
        "UPDATE email SET state = 'sent', ended_at = now(), reason = NULL WHERE id = %s AND state = 'waiting'", mail_id
    )


async def refused(db: Database, mail_id: UUID, reason: str) -> None:
    """The mail itself was not taken; it comes again when it is due."""
    await db.run("UPDATE email SET reason = %s WHERE id = %s AND state = 'waiting'", reason, mail_id)


async def give_back(db: Database, mail_id: UUID, reason: str, rest: timedelta) -> None:
    """The server was not to be reached, for which the mail is not to blame: it comes again after `rest`."""
    await db.run(
        """UPDATE email SET reason = %s, tries = tries - 1, due_at = now() + %s WHERE id = %s AND state = 'waiting'
             AND NOT (kind = 'nights' AND EXISTS (SELECT 1 FROM email other WHERE other.kind = 'nights'
                      AND other.person_id = email.person_id AND other.tenant_id = email.tenant_id
                      AND other.state = 'waiting' AND other.tries = 0 AND other.id <> email.id))""",
        reason,
        rest,
        mail_id,
    )


async def give_up(db: Database, mail_id: UUID, reason: str) -> None:
    """It is not sent."""
    await db.run(
        """UPDATE email SET state = 'given_up', ended_at = now(), reason = %s WHERE id = %s AND state = 'waiting'""",
        reason,
        mail_id,
    )


async def give_up_old(db: Database) -> int:
    """Gives up what was tried for `KEPT`; its reason is that of the last try. How many."""
    return await db.run(
        """UPDATE email SET state = 'given_up', ended_at = now(), reason = coalesce(reason, 'nobody has sent it')
           WHERE state = 'waiting' AND created_at < now() - %s""",
        KEPT,
    )


async def give_up_all(db: Database) -> int:
    """Gives up what waits, as this installation sends no mail: it is not to come in a heap once it does. How many."""
    return await db.run(
        "UPDATE email SET state = 'given_up', ended_at = now(), reason = %s WHERE state = 'waiting'", NO_SERVER
    )


@dataclass(frozen=True, slots=True)
class Late:
    """Mail that waits longer than `LATE`."""

    number: int
    reason: str | None
    """Of the last that was tried; None: nobody has tried any."""


async def late(db: Database) -> Late:
    """What waits long, in all tenants; nights that are collected do not."""
    row = await db.one(
        """SELECT count(*) AS number, (array_agg(reason ORDER BY due_at DESC) FILTER (WHERE reason IS NOT NULL))[1]
                      AS reason
           FROM email WHERE state = 'waiting' AND created_at < now() - %(late)s
             AND (reason IS NOT NULL OR due_at < now() - %(late)s)""",
        {"late": LATE},
    )
    assert row is not None
    return Late(**row)


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A mail that was given up."""

    kind: str
    address: str
    tenant: str
    ended_at: datetime
    reason: str
    number: int
    """How many there are."""


# Whoever has got a later mail in the tenant can be reached again. Nothing is wrong where there is no mail server.
_UNDELIVERED: Final = """
FROM email e JOIN person p ON p.id = e.person_id JOIN tenant t ON t.id = e.tenant_id
WHERE e.state = 'given_up' AND e.reason <> ALL(%(fine)s) AND e.ended_at > now() - interval '7 days'
  AND NOT EXISTS (SELECT 1 FROM email later WHERE later.tenant_id = e.tenant_id AND later.person_id = e.person_id
                  AND later.state = 'sent' AND later.created_at > e.created_at)
"""
_FINE: Final = [NOBODY, NO_SERVER]


async def undelivered(db: Database, limit: int) -> list[Undelivered]:
    """Mail of the last week that was given up, in all tenants, the latest first."""
    rows = await db.all(
        f"""SELECT e.kind, p.email AS address, t.name AS tenant, e.ended_at, e.reason, count(*) OVER () AS number
            {_UNDELIVERED} ORDER BY e.ended_at DESC LIMIT %(limit)s""",
        {"fine": _FINE, "limit": limit},
    )
    return [Undelivered(**row) for row in rows]


async def last_undelivered(db: Database, person_id: UUID) -> datetime | None:
    """When a mail to this person was given up last, if no other has reached them since; of the last week."""
    row = await db.one(
        f"SELECT max(e.ended_at) AS at {_UNDELIVERED} AND e.person_id = %(person)s",
        {"fine": _FINE, "person": person_id},
    )
    return row["at"] if row else None


async def invite(db: Database, tenant_id: UUID, person_id: UUID, by: str, kind: str = "invitation") -> bool:
    """Has a person told that they belong to the tenant, or how to sign in; False where they just were.

    Their link itself is made when the mail is sent, so that nobody finds it here.
    """
    return bool(
        await db.run(
            """INSERT INTO email (tenant_id, person_id, kind, invited_by)
               SELECT %(tenant)s, %(person)s, %(kind)s, %(by)s
               WHERE NOT EXISTS (SELECT 1 FROM email WHERE tenant_id = %(tenant)s AND person_id = %(person)s
                                 AND kind IN ('invitation', 'link') AND state <> 'given_up'
                                 AND created_at > now() - %(repeated)s)""",
            {"tenant": tenant_id, "person": person_id, "by": by, "kind": kind, "repeated": REPEATED},
        )
    )


async def invitations(db: Database, person_ids: Sequence[UUID]) -> dict[UUID, State]:
    """What became of the last invitation of each of these people in the tenant that `db` shows."""
    rows = await db.all(
        """SELECT DISTINCT ON (person_id) person_id, state FROM email
           WHERE person_id = ANY(%s) AND kind IN ('invitation', 'link') ORDER BY person_id, created_at DESC""",
        list(person_ids),
    )
    return {row["person_id"]: row["state"] for row in rows}


def _mail(row: dict[str, Any], notices: list[dict[str, Any]]) -> Mail:
    return Mail(
        id=row["id"],
        kind=row["kind"],
        address=row["address"],
        language=row["language"],
        created_at=row["created_at"],
        tenant=row["tenant"],
        time_zone=row["time_zone"],
        person_id=row["person_id"],
        invited_by=row["invited_by"] or "",
        has_password=row["has_password"],
        notices=tuple(Notice(**one) for one in notices),
    )


_TAKE: Final = f"""
WITH taken AS (
    UPDATE email SET tries = tries + 1,
           due_at = now() + least(%(longest)s, %(first)s * power(2, least(tries, 10)))
    WHERE id = (SELECT id FROM email WHERE state = 'waiting' AND due_at <= now()
                ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *)
SELECT m.id, m.kind, m.created_at, m.invited_by, p.id AS person_id, p.email AS address, p.language, p.emails,
       p.password IS NOT NULL AS has_password, t.name AS tenant, t.time_zone,
       {may_know("m.tenant_id")} AS allowed
FROM taken m JOIN person p ON p.id = m.person_id JOIN tenant t ON t.id = m.tenant_id
"""
