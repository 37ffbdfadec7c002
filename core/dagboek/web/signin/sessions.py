"""Sessions: a cookie's token, kept as its hash, that ends by itself, by its person or by an operator."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from dagboek.database import Database
from dagboek.web.rights import Role
from dagboek.web.signin.people import Person
from dagboek.web.signin.tokens import hash_of, new_token

IDLE_HOURS: Final = 24
DAYS: Final = 14
"""A session ends when it lay unused for so long, or is so old."""
LINK_HOURS: Final = 1
"""For so long after a link was used a password is chosen without the old one. Who forgot it has none to give; who finds
the browser open later does not take the account over."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, and the tenant that is looked at."""

    id: UUID
    person: Person
    tenant_id: UUID | None
    role: Role | None
    """In that tenant; None for an operator who is no member."""
    time_zone: str | None = None
    """Of that tenant; None where it has chosen none."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session of a person, to be looked at and ended."""

    id: UUID
    browser: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


_LIVES: Final = f"s.expires_at > now() AND s.seen_at > now() - interval '{IDLE_HOURS} hours'"
_BY_LINK: Final = f"by_link AND created_at > now() - interval '{LINK_HOURS} hours'"


async def begin(db: Database, person: Person, browser: str, *, by_link: bool = False) -> str:
    """Signs a person in: the token for the cookie. The first of their tenants is looked at."""
    token = new_token()
    await db.run(
        """INSERT INTO web_session (token_hash, person_id, tenant_id, browser, expires_at, by_link)
           SELECT %s, %s, (SELECT m.tenant_id FROM membership m JOIN tenant t ON t.id = m.tenant_id
                           WHERE m.person_id = %s ORDER BY t.name LIMIT 1),
                  %s, now() + make_interval(days => %s), %s""",
        hash_of(token),
        person.id,
        person.id,
        browser[:200].replace("\x00", ""),
        DAYS,
        by_link,
    )
    return token


async def session_of(db: Database, token: str) -> Session | None:
    """The session of a token; None for one that ended, or whose person may not sign in."""
    row = await db.one(
        f"""SELECT s.id AS session_id, s.tenant_id, m.role, p.id, p.email, p.name, p.language, p.operator,
                   t.time_zone, s.seen_at < now() - interval '1 minute' AS stale
            FROM web_session s JOIN person p ON p.id = s.person_id AND p.disabled_at IS NULL
            LEFT JOIN membership m ON m.tenant_id = s.tenant_id AND m.person_id = p.id
            LEFT JOIN tenant t ON t.id = s.tenant_id
            WHERE s.token_hash = %s AND {_LIVES}""",
        hash_of(token),
    )
    if row is None:
        return None
    if row["stale"]:
        await db.run("UPDATE web_session SET seen_at = now() WHERE id = %s", row["session_id"])
    person = Person(row["id"], row["email"], row["name"], row["language"], row["operator"])
    role = Role(row["role"]) if row["role"] else None
    allowed = role is not None or person.operator
    return Session(row["session_id"], person, row["tenant_id"] if allowed else None, role, row["time_zone"])


async def look_at(db: Database, session_id: UUID, tenant_id: UUID) -> None:
    """The session goes on with another tenant. Whether its person may is looked at with every request."""
    await db.run("UPDATE web_session SET tenant_id = %s WHERE id = %s", tenant_id, session_id)


async def needs_no_old_password(db: Database, session_id: UUID) -> bool:
    """Whether the session began by a link a moment ago, and no password was chosen in it since."""
    return await db.one(f"SELECT 1 FROM web_session WHERE id = %s AND {_BY_LINK}", session_id) is not None


async def use_link_up(db: Database, session_id: UUID) -> bool:
    """The same, and from now on the old password is needed: of two at once, one is told that it is not."""
    return bool(await db.run(f"UPDATE web_session SET by_link = false WHERE id = %s AND {_BY_LINK}", session_id))


async def end(db: Database, session_id: UUID, person_id: UUID) -> bool:
    """Ends a session of the person."""
    return bool(await db.run("DELETE FROM web_session WHERE id = %s AND person_id = %s", session_id, person_id))


async def end_others(db: Database, person_id: UUID, kept: UUID | None = None) -> int:
    """Ends all sessions of the person, but for one; how many."""
    return await db.run("DELETE FROM web_session WHERE person_id = %s AND id IS DISTINCT FROM %s", person_id, kept)


async def sessions_of(db: Database, person_id: UUID) -> list[SessionRow]:
    """Sessions of the person that have not ended, newest first."""
    rows = await db.all(
        f"""SELECT id, browser, created_at, seen_at, expires_at FROM web_session s
            WHERE person_id = %s AND {_LIVES} ORDER BY created_at DESC LIMIT 200""",
        person_id,
    )
    return [SessionRow(**row) for row in rows]


async def drop_old(db: Database) -> int:
    """Forgets what has ended: sessions, links, failures, answers to repeated requests."""
    await db.run("DELETE FROM one_time_link WHERE expires_at < now()")
    await db.run("DELETE FROM sign_in_failure WHERE at < now() - interval '1 day'")
    await db.run("DELETE FROM idempotency_key WHERE created_at < now() - interval '1 day'")
    return await db.run(f"DELETE FROM web_session s WHERE NOT ({_LIVES})")
