"""One-time links: the first sign-in, and for who forgot a password."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from dagboek.database import Database
from dagboek.web.signin.people import Person
from dagboek.web.signin.tokens import hash_of, new_token

VALID: Final = timedelta(days=2)
PATH: Final = "/sign-in/link/"
"""Where the console takes them; the token follows. Opening the page uses nothing up, only its button does."""


async def make_link(db: Database, person_id: UUID, valid: timedelta = VALID) -> str:
    """A token that signs the person in once."""
    token = new_token()
    await db.run(
        "INSERT INTO one_time_link (token_hash, person_id, expires_at) VALUES (%s, %s, now() + %s)",
        hash_of(token),
        person_id,
        valid,
    )
    return token


async def person_of_link(db: Database, token: str) -> Person | None:
    """Whose link it is, without using it up; None for one that was used, has expired or never was."""
    row = await db.one(
        """SELECT p.id, p.email, p.name, p.language, p.operator FROM one_time_link l
           JOIN person p ON p.id = l.person_id AND p.disabled_at IS NULL
           WHERE l.token_hash = %s AND l.expires_at > now()""",
        hash_of(token),
    )
    return Person(**row) if row else None


async def use_link(db: Database, token: str) -> Person | None:
    """Uses a link up: of two at once, one gets the person."""
    row = await db.one(
        """WITH used AS (DELETE FROM one_time_link WHERE token_hash = %s AND expires_at > now() RETURNING person_id)
           SELECT p.id, p.email, p.name, p.language, p.operator FROM used
           JOIN person p ON p.id = used.person_id AND p.disabled_at IS NULL""",
        hash_of(token),
    )
    return Person(**row) if row else None
