"""An OpenID provider for tests, written from its specifications (Core 1.0, Discovery 1.0, RFC 7515 to 7518, 7636).

Its people consent at once. Shares nothing with the code that it is for, not even a library for tokens.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT, SECRET = "dagboek & co", "s:ecret/%"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class OpenIdProvider:
    """What it says of who signs in, and what is wrong with it."""

    issuer = ""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.fetches: list[str] = []
        self.asked: dict[str, dict[str, str]] = {}
        self.reset()
        self.rotate()

    def reset(self) -> None:
        self.person: dict[str, Any] = {"sub": "1", "email": "anna@north.example", "email_verified": True}
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        """Instead of what its description has."""
        self.userinfo: dict[str, Any] = {}
        self.signature: bytes | None = None
        self.secret: bytes | None = None
        """Of a token that is signed with no key of ours."""
        self.down = False

    def rotate(self) -> None:
        self.keys = {secrets.token_hex(4): rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def jwks(self) -> dict[str, Any]:
        return {
            "keys": [
                {"kty": "OKP", "crv": "of tomorrow", "kid": "?"},
                *(
                    {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": number(of.n), "e": number(of.e)}
                    for kid, key in self.keys.items()
                    for of in [key.public_key().public_numbers()]
                ),
            ]
        }

    def token(self, nonce: str) -> str:
        kid, key = next(iter(self.keys.items()))
        header = {"alg": "RS256", "typ": "JWT", "kid": kid, **self.header}
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, **self.person,
            **self.claims,
        }  # fmt: skip
        signed = b".".join(
            b64(json.dumps({name: value for name, value in part.items() if value is not None}).encode()).encode()
            for part in (header, claims)
        )
        if self.secret is not None:
            signature = hmac.digest(self.secret, signed, "sha256")
        elif self.signature is not None:
            signature = self.signature
        else:
            signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return f"{signed.decode()}.{b64(signature)}"

    async def describe(self, _: web.Request) -> web.Response:
        self.fetches.append("description")
        if self.down:
            return web.Response(status=503, text="<h1>away</h1>")
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                **self.told,
            }
        )

    async def show_keys(self, _: web.Request) -> web.Response:
        self.fetches.append("keys")
        return web.json_response(self.jwks())

    async def authorize(self, request: web.Request) -> web.Response:
        given = dict(request.query)
        assert (given["response_type"], given["client_id"]) == ("code", CLIENT)
        assert given["code_challenge_method"] == "S256"
        assert "openid" in given["scope"].split()
        code = secrets.token_urlsafe()
        self.asked[code] = given
        back = urlencode({"code": code, "state": given["state"]})
        raise web.HTTPFound(f"{given['redirect_uri']}?{back}")

    async def exchange(self, request: web.Request) -> web.Response:
        given = dict(await request.post())
        user, _, password = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).partition(b":")
        asked = self.asked.pop(str(given["code"]), None)
        challenge = b64(hashlib.sha256(str(given["code_verifier"]).encode()).digest())
        sound = asked is not None and asked["code_challenge"] == challenge
        if not sound or asked is None or asked["redirect_uri"] != given["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if (unquote(user.decode()), unquote(password.decode())) != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response(
            {"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": self.token(asked["nonce"])}
        )

    async def tell(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer at"
        return web.json_response(self.userinfo)


@asynccontextmanager
async def openid_provider() -> AsyncIterator[OpenIdProvider]:
    """One that runs meanwhile."""
    provider = OpenIdProvider()
    app = web.Application()
    app.add_routes(
        [
            web.get("/realm/.well-known/openid-configuration", provider.describe),
            web.get("/realm/jwks", provider.show_keys),
            web.get("/realm/authorize", provider.authorize),
            web.post("/realm/token", provider.exchange),
            web.get("/realm/userinfo", provider.tell),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}/realm"
    try:
        yield provider
    finally:
        await runner.cleanup()
