"""Guessing passwords is slowed down: per e-mail address, and per address that the tries come from."""

from typing import Final

from dagboek.database import Database
from dagboek.web.problems import Problem
from dagboek.web.signin.tokens import hash_of

MINUTES: Final = 15
OF_EMAIL: Final = 8
OF_ADDRESS: Final = 60
"""Failures within that time after which every try is refused. Many people may share an address."""


async def refuse_too_many(db: Database, email: str, address: str) -> None:
    """Problem 429 after too many failures; told alike for addresses of which there is no person."""
    row = await db.one(
        """SELECT max(until) AS until, ceil(extract(epoch FROM max(until) - clock_timestamp()))::int AS seconds FROM (
               SELECT (array_agg(at ORDER BY at DESC))[most] + make_interval(mins => %(minutes)s) AS until
               FROM (VALUES (%(email)s, %(of_email)s), (%(address)s, %(of_address)s)) AS k(key, most)
               JOIN sign_in_failure f USING (key)
               WHERE f.at > clock_timestamp() - make_interval(mins => %(minutes)s) GROUP BY key, most) t""",
        {
            "email": _of_email(email, address),
            "address": _of_address(address),
            "of_email": OF_EMAIL,
            "of_address": OF_ADDRESS,
            "minutes": MINUTES,
        },
    )
    if row and row["until"] is not None:
        seconds = max(1, row["seconds"])
        raise Problem(
            429,
            "too_many_tries",
            f"Too many tries. Try again in {-(-seconds // 60)} minutes, or ask for a new sign-in link.",
            headers={"Retry-After": str(seconds)},
        )


async def failed(db: Database, email: str, address: str) -> None:
    """Counts a failure."""
    await db.run("INSERT INTO sign_in_failure (key) VALUES (%s), (%s)", _of_email(email, address), _of_address(address))


async def forgive(db: Database, email: str) -> None:
    """Whoever has shown who they are begins anew."""
    await db.run("DELETE FROM sign_in_failure WHERE key = %s", _of_email(email))


def _of_email(email: str, address: str = "") -> str:
    """Links and providers name no e-mail address: tries are counted for where they come from, not for everybody."""
    return hash_of(f"email {email.strip().lower()}" if email else f"no email {address}")


def _of_address(address: str) -> str:
    return hash_of(f"address {address}")
