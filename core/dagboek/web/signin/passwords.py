"""Passwords: argon2id, a few at a time, as each takes 64 MB and a core."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dagboek.tenants import Unusable

SHORTEST: Final = 10
LONGEST: Final = 200

_hasher: Final = PasswordHasher()
_threads: Final = ThreadPoolExecutor(2, "passwords")
_NOBODYS: Final = _hasher.hash("of nobody")
"""Compared with where there is no password, so that an answer takes as long."""


class WeakPassword(Unusable):
    """A password that is not taken. The text says why."""


def check(password: str, email: str) -> None:
    """WeakPassword for one that is too short, or easily guessed by who knows the person."""
    if not SHORTEST <= len(password) <= LONGEST:
        text = f"A password has {SHORTEST} to {LONGEST} characters. A few words make a good one."
        raise WeakPassword(text, "password_length", shortest=SHORTEST, longest=LONGEST)
    if password.casefold() in email.casefold() or email.casefold() in password.casefold():
        raise WeakPassword("A password is not the e-mail address. Choose another.", "password_email")
    if len(set(password)) < 4:
        raise WeakPassword("A password has at least four different characters. Choose another.", "password_plain")


async def hashed(password: str) -> str:
    """What is kept of a password."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def fits(password: str, kept: str | None) -> bool:
    """Whether a password is the one that was kept; always takes as long."""
    fitting = await asyncio.get_running_loop().run_in_executor(_threads, _verified, password, kept or _NOBODYS)
    return fitting and kept is not None


def _verified(password: str, kept: str) -> bool:
    try:
        return _hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
