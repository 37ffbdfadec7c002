"""Tokens that look like the API's: a JWT for the login and a second one for an open dossier.

Both live ten minutes on the sandbox's clock. They are signed with a key of the sandbox (kept with its books),
so a token of another sandbox is refused and one from before a restart is still good, as with the real service.
"""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

from dagboek_sdk.sandbox.clock import Clock

LIFE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Login:
    """What a login token says."""

    user: str
    expires: float


@dataclass(frozen=True, slots=True)
class OpenDossier:
    """What a dossier token says; `locale` is 0 to 4 as given at opening."""

    user: str
    dossier: int
    locale: int
    expires: float


class Tokens:
    """Issues and reads tokens."""

    def __init__(self, clock: Clock, secret: str) -> None:
        self._clock = clock
        self._key = secret.encode()
        self._known: dict[str, Login | OpenDossier] = {}
        self._revoked: set[str] = set()

    def issue_login(self, user: str) -> str:
        """A new login token."""
        return self._issue({"sub": user})

    def issue_dossier(self, user: str, dossier: int, locale: int) -> str:
        """A new dossier token."""
        return self._issue({"sub": user, "dossier": dossier, "locale": locale})

    def login(self, token: str) -> Login | None:
        """The login of a good token; None when it is unknown, ended or of the other kind."""
        claims = self._read(token)
        return claims if isinstance(claims, Login) else None

    def dossier(self, token: str) -> OpenDossier | None:
        """The dossier of a good token; None when it is unknown, ended or of the other kind."""
        claims = self._read(token)
        return claims if isinstance(claims, OpenDossier) else None

    def revoke(self, token: str) -> None:
        """Ends a token before its time."""
        self._revoked.add(token)
        self._known.pop(token, None)

    def _issue(self, claims: dict[str, str | int]) -> str:
        issued = int(self._clock.now())
        body = {"exp": issued + LIFE_SECONDS, "iat": issued, "jti": secrets.token_hex(16), **claims}
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(body)}"
        return f"{signed}.{self._signature(signed)}"

    def _read(self, token: str) -> Login | OpenDossier | None:
        claims = self._known.get(token) or self._verify(token)
        if claims is None:
            return None
        if claims.expires <= self._clock.now():
            self._known.pop(token, None)
            return None
        return claims

    def _verify(self, token: str) -> Login | OpenDossier | None:
        signed, _, signature = token.rpartition(".")
        if token in self._revoked or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        body = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
        claims: Login | OpenDossier
        if "dossier" in body:
            claims = OpenDossier(body["sub"], body["dossier"], body["locale"], body["exp"])
        else:
            claims = Login(body["sub"], body["exp"])
        self._known[token] = claims
        return claims

    def _signature(self, signed: str) -> str:
        return _base64(hmac.digest(self._key, signed.encode(), hashlib.sha256))


def _part(value: dict[str, str | int]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
