"""People, and what they are in which tenant."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from dagboek.database import Database
from dagboek.reasons import COMMAND_LINE
from dagboek.tenants import Unusable
from dagboek.web.rights import Role
from dagboek.web.signin import passwords
from dagboek.web.signin.throttle import forgive

LANGUAGES: Final = ("nl", "fr", "en")

_EMAIL: Final = re.compile(r"[^\s@<>\"',;:\\()\[\]]+@[^\s@<>\"',;:\\()\[\]]+")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in."""

    id: UUID
    email: str
    name: str
    language: str
    operator: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a tenant."""

    person_id: UUID
    email: str
    name: str
    role: Role
    since: datetime
    disabled: bool


@dataclass(frozen=True, slots=True)
class Belonging:
    """A tenant of a person, and what they are in it."""

    tenant_id: UUID
    name: str
    role: Role


_PERSON: Final = "id, email, name, language, operator"


def checked_email(written: str) -> str:
    """An e-mail address as it is kept. Unusable for what is none."""
    email = written.strip().lower()
    if len(email) > 254 or not _EMAIL.fullmatch(email) or not email.isprintable():
        raise Unusable(f"{written!r} is no e-mail address.", "no_email")
    return email


async def ensure_person(db: Database, email: str, name: str = "", *, operator: bool | None = None) -> Person:
    """The person with this e-mail address, made if there is none. Unusable for no address."""
    row = await db.one(
        f"""INSERT INTO person AS p (email, name, operator) VALUES (%(email)s, %(name)s, coalesce(%(operator)s, false))
            ON CONFLICT (email) DO UPDATE SET name = coalesce(nullif(%(name)s, ''), p.name),
                                              operator = coalesce(%(operator)s, p.operator)
            RETURNING {_PERSON}""",
        {"email": checked_email(email), "name": name.strip(), "operator": operator},
    )
    assert row is not None
    return Person(**row)


async def find_person(db: Database, email: str) -> Person:
    """The person with this e-mail address. Unusable when there is none."""
    row = await db.one(f"SELECT {_PERSON} FROM person WHERE email = %s", checked_email(email))
    if row is None:
        raise Unusable(
            f"There is no user {email}. `dagboek user list` shows all; `dagboek user add` makes one.", COMMAND_LINE
        )
    return Person(**row)


async def person_of_login(db: Database, issuer: str, subject: str) -> Person | None:
    """Whom an OpenID provider means, disabled or not; None for nobody yet."""
    row = await db.one(
        f"""SELECT {_PERSON} FROM person
            WHERE id = (SELECT person_id FROM person_login WHERE issuer = %s AND subject = %s)""",
        issuer,
        subject,
    )
    return Person(**row) if row else None


async def keep_login(db: Database, person: Person, issuer: str, subject: str) -> None:
    """From now on the provider means this person by it, unless it means the person by another subject."""
    await db.run(
        "INSERT INTO person_login (issuer, subject, person_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        issuer,
        subject,
        person.id,
    )


async def may_sign_in(db: Database, person_id: UUID) -> bool:
    """Whether the person was not disabled."""
    return await db.one("SELECT 1 FROM person WHERE id = %s AND disabled_at IS NULL", person_id) is not None


async def people(db: Database, tenant_id: UUID | None = None) -> Sequence[DictRow]:
    """All people with their tenants and roles, or those of one tenant; for operators."""
    return await db.all(
        f"""SELECT {", ".join(f"p.{name}" for name in _PERSON.split(", "))}, p.disabled_at,
                   p.password IS NOT NULL AS has_password, t.name AS tenant, m.role
            FROM person p LEFT JOIN membership m ON m.person_id = p.id LEFT JOIN tenant t ON t.id = m.tenant_id
            WHERE %(tenant)s::uuid IS NULL OR m.tenant_id = %(tenant)s ORDER BY p.email, t.name""",
        {"tenant": tenant_id},
    )


async def set_role(db: Database, tenant_id: UUID, person_id: UUID, role: Role) -> None:
    """Makes the person a member of the tenant, or changes what they are in it."""
    await db.run(
        """INSERT INTO membership (tenant_id, person_id, role) VALUES (%s, %s, %s)
           ON CONFLICT (tenant_id, person_id) DO UPDATE SET role = excluded.role""",
        tenant_id,
        person_id,
        role,
    )


async def remove_member(db: Database, tenant_id: UUID, person_id: UUID) -> bool:
    """The person has no part in the tenant any more; sessions that looked at it see nothing of it from now on."""
    return bool(await db.run("DELETE FROM membership WHERE tenant_id = %s AND person_id = %s", tenant_id, person_id))


async def admins(db: Database, tenant_id: UUID) -> int:
    """How many people can manage the tenant."""
    row = await db.one(
        """SELECT count(*) AS number FROM membership m JOIN person p ON p.id = m.person_id
           WHERE m.tenant_id = %s AND m.role = 'admin' AND p.disabled_at IS NULL""",
        tenant_id,
    )
    return int(row["number"]) if row else 0


async def belongings(db: Database, person_id: UUID) -> list[Belonging]:
    """The tenants of a person, by name."""
    rows = await db.all(
        """SELECT t.id AS tenant_id, t.name, m.role FROM membership m JOIN tenant t ON t.id = m.tenant_id
           WHERE m.person_id = %s ORDER BY t.name""",
        person_id,
    )
    return [Belonging(row["tenant_id"], row["name"], Role(row["role"])) for row in rows]


_MEMBER: Final = """
SELECT p.id AS person_id, p.email, p.name, m.role, m.created_at AS since, p.disabled_at IS NOT NULL AS disabled
FROM membership m JOIN person p ON p.id = m.person_id
"""


async def member(db: Database, person_id: UUID) -> Member | None:
    """A person of the tenant that `db` shows."""
    row = await db.one(f"{_MEMBER} WHERE m.person_id = %s", person_id)
    return Member(**{**row, "role": Role(row["role"])}) if row else None


async def members(db: Database, *, after: tuple[str] | None, limit: int) -> list[Member]:
    """People of the tenant that `db` shows, by e-mail address."""
    rows = await db.all(
        f"""{_MEMBER} WHERE %(after)s::text IS NULL OR p.email > %(after)s ORDER BY p.email LIMIT %(limit)s""",
        {"after": after[0] if after else None, "limit": limit},
    )
    return [Member(**{**row, "role": Role(row["role"])}) for row in rows]


async def choose_password(db: Database, person: Person, password: str) -> None:
    """Keeps a password. WeakPassword. Other sessions of the person end, as somebody else may have known the old one."""
    passwords.check(password, person.email)
    kept = await passwords.hashed(password)
    await db.run("UPDATE person SET password = %s WHERE id = %s", kept, person.id)
    await db.run("DELETE FROM one_time_link WHERE person_id = %s", person.id)
    await forgive(db, person.email)


async def choose_language(db: Database, person_id: UUID, language: str) -> None:
    """In which language the person reads."""
    await db.run("UPDATE person SET language = %s, language_chosen = true WHERE id = %s", language, person_id)


async def suppose_language(db: Database, person_id: UUID, language: str) -> None:
    """The same for what somebody's browser or host says, which holds until they choose."""
    await db.run("UPDATE person SET language = %s WHERE id = %s AND NOT language_chosen", language, person_id)


async def wants_mail(db: Database, person_id: UUID) -> bool:
    """Whether notices of the person are mailed, too."""
    row = await db.one("SELECT emails FROM person WHERE id = %s", person_id)
    return bool(row and row["emails"])


async def choose_mail(db: Database, person_id: UUID, wanted: bool) -> None:
    """Whether notices of the person are mailed from now on; what waits is not sent to who wants none."""
    await db.run("UPDATE person SET emails = %s WHERE id = %s", wanted, person_id)


async def disable(db: Database, person_id: UUID) -> None:
    """The person cannot sign in any more; what they have open ends, and whom an OpenID provider meant is forgotten."""
    await db.run("UPDATE person SET disabled_at = coalesce(disabled_at, now()) WHERE id = %s", person_id)
    await db.run("DELETE FROM web_session WHERE person_id = %s", person_id)
    await db.run("DELETE FROM one_time_link WHERE person_id = %s", person_id)
    await db.run("DELETE FROM person_login WHERE person_id = %s", person_id)


async def enable(db: Database, person_id: UUID) -> None:
    """The person can sign in again."""
    await db.run("UPDATE person SET disabled_at = NULL WHERE id = %s", person_id)
