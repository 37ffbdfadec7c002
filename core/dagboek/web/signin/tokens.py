"""Tokens: random, told once, kept as their hash."""

import hashlib
import hmac
import secrets


def new_token(prefix: str = "") -> str:
    """A token that nobody guesses, 256 bits."""
    return prefix + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What is kept of it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def csrf_of(token: str) -> str:
    """The CSRF token of a session: made from its own, which no other site can read."""
    return hmac.new(token.encode("utf-8", "replace"), b"csrf", hashlib.sha256).hexdigest()
