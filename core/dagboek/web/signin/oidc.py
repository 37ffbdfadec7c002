"""Signing in at an OpenID provider: authorisation code with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9700).

What the provider says of itself and its keys are fetched from the issuer's own addresses, kept for an hour, and fetched
again for a key that is not known. Everything of an ID token is checked; one that is not signed by a key of the provider
says nothing.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import jwt
from dagboek_sdk import clock
from pydantic import BaseModel, ValidationError

from dagboek.settings import Settings

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures that are taken: with a key of the provider's own. Never `none`, nor one made with our secret."""
LEEWAY: Final = 60
"""Seconds that clocks may differ."""
OLDEST: Final = 600
"""Seconds after which an ID token is not taken, whatever it says of its end."""
KEPT: Final = 3600.0
"""Seconds that the provider's description and keys are kept."""
RESTS: Final = 30.0
"""Seconds between two fetches of keys for one that is not known: tokens are others' to make up."""
LARGEST: Final = 1_000_000
"""Bytes of an answer."""
SECONDS: Final = 10
"""That an answer may take."""
SCOPE: Final = "openid email profile"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class OidcError(Exception):
    """Nobody is signed in. `code` is for people's words; the text is for the log and has nothing of the token."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Known:
    """Whom the provider has seen."""

    issuer: str
    subject: str
    email: str
    """Empty where the provider has not verified one."""
    name: str


class Asked(BaseModel):
    """What waits in the browser while its person is at the provider, encrypted."""

    state: str
    nonce: str
    verifier: str
    """Of PKCE."""
    next: str
    at: float

    @classmethod
    def new(cls, next: str) -> Self:
        """A question of its own."""
        return cls(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            next=next,
            at=clock.now().timestamp(),
        )

    def answered_by(self, state: str) -> bool:
        """Whether an answer is to this question."""
        return secrets.compare_digest(self.state.encode(), state.encode())


class _Description(BaseModel):
    """What a provider says of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


def safe_address(address: str) -> bool:
    """Whether secrets may go there: https, or this machine."""
    parts = urlsplit(address)
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return bool(parts.hostname) and (parts.scheme == "https" or plain) and "@" not in parts.netloc


class Provider:
    """The OpenID provider of this installation."""

    def __init__(self, issuer: str, client_id: str, client_secret: str = "") -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._described: tuple[float, _Description] | None = None
        self._keys: tuple[float, dict[str, jwt.PyJWK]] | None = None
        self._fetching = asyncio.Lock()

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The one of the settings; None where there is none."""
        if settings.oidc_issuer is None:
            return None
        secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else ""
        return cls(settings.oidc_issuer, settings.oidc_client_id or "", secret)

    async def address(self, asked: Asked, redirect_uri: str) -> str:
        """Where the browser goes to sign in. OidcError."""
        described = await self._description()
        challenge = hashlib.sha256(asked.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": asked.state,
            "nonce": asked.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        endpoint = described.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def who(self, asked: Asked, code: str, redirect_uri: str) -> Known:
        """Whom the code is of. OidcError."""
        described = await self._description()
        async with self._session() as session:
            tokens = await self._exchanged(session, described, asked, code, redirect_uri)
            claims = await self._verified(str(tokens.get("id_token") or ""), asked.nonce)
            if "email" not in claims and described.userinfo_endpoint and tokens.get("access_token"):
                claims |= await self._more(session, described.userinfo_endpoint, tokens["access_token"], claims["sub"])
        verified = claims.get("email_verified") in (True, "true")
        email = claims.get("email")
        return Known(
            issuer=self.issuer,
            subject=claims["sub"],
            email=email if verified and isinstance(email, str) else "",
            name=str(claims.get("name") or "")[:200],
        )

    async def _exchanged(
        self, session: aiohttp.ClientSession, described: _Description, asked: Asked, code: str, redirect_uri: str
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": asked.verifier,
        }
        headers = {}
        if not self._client_secret:
            form["client_id"] = self._client_id
        elif "client_secret_basic" in described.token_endpoint_auth_methods_supported:
            pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        return await _asked(session, "POST", described.token_endpoint, data=form, headers=headers)

    async def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token (OpenID Connect Core 1.0, 3.1.3.7)."""
        try:
            key = await self._key(jwt.get_unverified_header(token))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._client_id,
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as refused:
            raise OidcError("oidc_trouble", f"the ID token is not taken: {type(refused).__name__}") from None
        subject = claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\x00" in subject:
            raise OidcError("oidc_trouble", "the ID token names nobody")
        if not secrets.compare_digest(str(claims.get("nonce") or "").encode(), nonce.encode()):
            raise OidcError("oidc_trouble", "the ID token answers another question")
        many = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if many else self._client_id) != self._client_id:
            raise OidcError("oidc_trouble", "the ID token is for another application")
        if int(claims["iat"]) < clock.now().timestamp() - OLDEST:
            raise OidcError("oidc_trouble", "the ID token is old")
        return claims

    async def _more(
        self, session: aiohttp.ClientSession, endpoint: str, access_token: str, subject: str
    ) -> dict[str, Any]:
        """What the ID token leaves out, where it is of the same person."""
        found = await _asked(session, "GET", endpoint, headers={"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != subject:
            raise OidcError("oidc_trouble", "the provider tells of somebody else")
        return {name: found[name] for name in ("email", "email_verified", "name") if name in found}

    async def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        """The key that a token says it is signed with; its own algorithm counts, not the token's word alone."""
        async with self._fetching:
            known = self._keys
            age = time.monotonic() - known[0] if known else KEPT
            if known is None or age >= KEPT or (age > RESTS and _chosen(known[1], header) is None):
                self._keys = known = (time.monotonic(), await self._fetched_keys())
        key = _chosen(known[1], header)
        if key is None:
            raise OidcError("oidc_trouble", "the ID token is signed with a key that the provider does not have")
        return key

    async def _fetched_keys(self) -> dict[str, jwt.PyJWK]:
        described = await self._description()
        async with self._session() as session:
            found = (await _asked(session, "GET", described.jwks_uri)).get("keys")
        keys = {}
        for at, one in enumerate(found if isinstance(found, list) else []):
            try:
                if isinstance(one, dict) and one.get("use", "sig") == "sig" and one.get("kty") != "oct":
                    keys[str(one.get("kid", f"\x00{at}"))] = jwt.PyJWK(one)
            except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError):  # of a kind that we do not know
                continue
        return keys

    async def _description(self) -> _Description:
        if self._described is None or time.monotonic() - self._described[0] > KEPT:
            async with self._session() as session:
                address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
                found = await _asked(session, "GET", address)
            try:
                described = _Description.model_validate(found)
            except ValidationError:
                raise OidcError("oidc_away", "the provider's description lacks an address") from None
            addresses = (described.authorization_endpoint, described.token_endpoint, described.jwks_uri)
            if described.issuer != self.issuer:
                raise OidcError("oidc_away", "the provider's description is of another issuer than DAGBOEK_OIDC_ISSUER")
            if not all(map(safe_address, (*addresses, described.userinfo_endpoint or described.issuer))):
                raise OidcError("oidc_away", "the provider's description has addresses without https")
            self._described = (time.monotonic(), described)
        return self._described[1]

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS), cookie_jar=aiohttp.DummyCookieJar())


def _chosen(keys: Mapping[str, jwt.PyJWK], header: Mapping[str, Any]) -> jwt.PyJWK | None:
    fitting = [one for one in keys.values() if header.get("alg") == one.algorithm_name in ALGORITHMS]
    if "kid" in header:
        return next((one for one in fitting if one.key_id == header["kid"]), None)
    return fitting[0] if len(fitting) == 1 else None


async def _asked(session: aiohttp.ClientSession, method: str, address: str, **given: Any) -> dict[str, Any]:
    """A JSON object. OidcError. Redirects are not followed: secrets go where the provider said and nowhere else."""
    try:
        async with session.request(method, address, allow_redirects=False, **given) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > LARGEST:
                    raise OidcError("oidc_away", "the provider's answer is too long")
            found = json.loads(body) if answer.status < 500 else None
    except (aiohttp.ClientError, TimeoutError, ValueError) as away:
        raise OidcError("oidc_away", f"the provider does not answer at its address: {type(away).__name__}") from None
    if answer.status >= 500 or not isinstance(found, dict):
        raise OidcError("oidc_away", f"the provider answers {answer.status}")
    if answer.status != 200:
        told = str(found.get("error", ""))[:50]
        raise OidcError("oidc_trouble", f"the provider refuses: {answer.status} {told if told.isascii() else ''}")
    return found
