"""People sign in at an OpenID provider; what it did not sign for us, now, and for this browser signs nobody in."""

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from dagboek.settings import Settings
from dagboek.web.rights import Role
from dagboek.web.signin import oidc, people
from dagboek.web.signin.oidc import Provider
from pydantic import ValidationError
from web.conftest import Site
from web.openid_provider import CLIENT, SECRET, OpenIdProvider, openid_provider


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[OpenIdProvider]:
    async with openid_provider() as provider:
        yield provider


@pytest.fixture
async def provider(running: OpenIdProvider, site: Site, monkeypatch: pytest.MonkeyPatch) -> OpenIdProvider:
    running.reset()
    settings = Settings(oidc_issuer=running.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET)
    monkeypatch.setattr(site.web, "oidc", Provider.of(settings))
    await site.db.run("DELETE FROM person_login")
    await site.db.run("DELETE FROM sign_in_failure")
    await site.db.run("UPDATE person SET disabled_at = NULL")
    return running


class Browser:
    """Somebody's, which goes where it is sent."""

    def __init__(self, site: Site) -> None:
        self.http = aiohttp.ClientSession(site.address, cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.site = site

    async def __aenter__(self) -> "Browser":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def sent(self, address: str) -> str:
        async with self.http.get(address, allow_redirects=False) as answer:
            assert answer.status in (302, 303), await answer.text()
            return answer.headers["Location"]

    async def back(self, next: str = "/runs") -> str:
        """With which address the provider sends it back."""
        return await self.sent(await self.sent(f"/sign-in/oidc?next={next}"))

    async def signs_in(self, next: str = "/runs") -> tuple[int, str]:
        return await self.opens(await self.back(next))

    async def opens(self, address: str) -> tuple[int, str]:
        """Status, and where it is led on to, or what is read there."""
        async with self.http.get(address, allow_redirects=False) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, answer.headers.get("Location") or await answer.text()

    async def who(self) -> str | None:
        async with self.http.get("/api/v1/me") as answer:
            return (await answer.json())["person"]["email"] if answer.status == 200 else None


async def test_who_was_added_signs_in_and_is_known_by_subject_from_then_on(
    site: Site, provider: OpenIdProvider
) -> None:
    async with Browser(site) as browser:
        assert await browser.signs_in("/documents%3Fa=1") == (303, "/documents?a=1")
        assert await browser.who() == "anna@north.example"
    row = await site.db.one("SELECT details FROM trail WHERE action = 'session.begin' ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert row["details"] == {"by": "oidc"}
    assert await site.db.one("SELECT 1 FROM web_session WHERE by_link") is None, "the old password stays asked for"
    provider.person |= {"email": "married@north.example", "email_verified": False}
    async with Browser(site) as browser:
        assert (await browser.signs_in())[0] == 303
        assert await browser.who() == "anna@north.example", "the subject counts, whatever the address has become"


async def test_an_address_that_changed_hands_at_the_provider_is_not_the_person(
    site: Site, provider: OpenIdProvider
) -> None:
    async with Browser(site) as browser:
        assert (await browser.signs_in())[0] == 303
    provider.person["sub"] = "2"
    async with Browser(site) as browser:
        status, text = await browser.signs_in()
        assert (status, await browser.who()) == (403, None)
        assert "another user of the sign-in service" in text
    person = await people.find_person(site.db, "anna@north.example")
    await people.disable(site.db, person.id)
    async with Browser(site) as browser:
        assert (await browser.signs_in())[0] == 403
    await people.enable(site.db, person.id)
    async with Browser(site) as browser:
        assert (await browser.signs_in())[0] == 303, "disabling forgets whom the provider meant"


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ({"email_verified": False}, "has not verified your e-mail"),
        ({"email_verified": None}, "has not verified your e-mail"),
        ({"email": None}, "has not verified your e-mail"),
        ({"email": ["anna@north.example"]}, "has not verified your e-mail"),
        ({"email": "nobody@north.example"}, "not known here"),
        ({"email": "<script>@x"}, "not known here"),
    ],
)
async def test_who_is_not_known_is_told_what_to_do(
    site: Site, provider: OpenIdProvider, person: dict[str, Any], words: str
) -> None:
    provider.person |= person
    provider.userinfo = {"sub": "1"}
    before = await site.db.all("SELECT id FROM person")
    async with Browser(site) as browser:
        status, text = await browser.signs_in()
        assert status == 403
        assert words in text
        assert await browser.who() is None
    assert await site.db.all("SELECT id FROM person") == before, "no account is made by itself"


async def test_an_account_is_made_where_the_settings_say_so(
    site: Site, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.web, "settings", site.web.settings.model_copy(update={"oidc_new_people": True}))
    provider.person |= {"sub": "new", "email": "New@north.example", "name": "Nieuw\x00"}
    async with Browser(site) as browser:
        assert (await browser.signs_in())[0] == 303
        assert await browser.who() == "new@north.example"
        async with browser.http.get("/documents") as answer:
            assert answer.status == 403, "of no tenant"


async def test_what_the_token_leaves_out_is_asked_for(site: Site, provider: OpenIdProvider) -> None:
    provider.claims = {"email": None, "email_verified": None}
    provider.userinfo = {"sub": "other", "email": "anna@north.example", "email_verified": True}
    async with Browser(site) as browser:
        assert (await browser.signs_in())[0] == 403, "that is of somebody else"
        provider.userinfo["sub"] = "1"
        assert (await browser.signs_in())[0] == 303


NOW = int(time.time())
FORGED: dict[str, dict[str, Any]] = {
    "of another issuer": {"claims": {"iss": "https://evil.example"}},
    "for another application": {"claims": {"aud": "another"}},
    "for many, asked for by another": {"claims": {"aud": [CLIENT, "another"], "azp": "another"}},
    "for many, and nobody says who asked": {"claims": {"aud": [CLIENT, "another"]}},
    "for us, asked for by another": {"claims": {"azp": "another"}},
    "expired": {"claims": {"exp": NOW - 120}},
    "without an end": {"claims": {"exp": None}},
    "old": {"claims": {"iat": NOW - 7200, "exp": NOW + 86_400}},
    "of tomorrow": {"claims": {"iat": NOW + 7200, "exp": NOW + 86_400}},
    "to another question": {"claims": {"nonce": "another"}},
    "to no question": {"claims": {"nonce": None}},
    "of nobody": {"claims": {"sub": ""}},
    "of something": {"claims": {"sub": 7}},
    "not signed": {"header": {"alg": "none"}, "signature": b""},
    "not signed, in other letters": {"header": {"alg": "NONE"}, "signature": b""},
    "signed with our secret": {"header": {"alg": "HS256", "kid": None}, "secret": SECRET.encode()},
    "signed with a key that is no secret": {"header": {"alg": "HS256"}, "secret": b"{}"},
    "signed by chance": {"signature": b"x" * 256},
    "signed with a key of its own": {"header": {"kid": None, "jku": "https://evil.example", "jwk": {"kty": "oct"}},
                                     "signature": b"x" * 256},
    "signed with a key of nobody": {"header": {"kid": "another"}},
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
async def test_a_token_that_is_not_the_providers_to_us_now_signs_nobody_in(
    site: Site, provider: OpenIdProvider, what: str
) -> None:
    for name, value in FORGED[what].items():
        setattr(provider, name, value)
    async with Browser(site) as browser:
        status, text = await browser.signs_in()
        assert (status, await browser.who()) == (403, None)
        assert "cannot be trusted" in text
    assert await site.db.one("SELECT 1 FROM person_login") is None
    assert await site.db.one("SELECT 1 FROM sign_in_failure") is not None
    provider.reset()
    async with Browser(site) as browser:
        assert (await browser.signs_in())[0] == 303, "otherwise nothing is shown"


async def test_keys_that_change_are_fetched_again_and_not_for_each_token(
    site: Site, provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Browser(site) as browser:
        assert (await browser.signs_in())[0] == 303
        assert (await browser.signs_in())[0] == 303
        provider.fetches.clear()
        provider.rotate()
        assert (await browser.signs_in())[0] == 403
        assert provider.fetches == [], "they were fetched a moment ago"
        monkeypatch.setattr(oidc, "RESTS", 0.0)
        assert (await browser.signs_in())[0] == 303
        assert provider.fetches == ["keys"]


async def test_an_answer_counts_once_in_the_browser_that_asked(site: Site, provider: OpenIdProvider) -> None:
    async with Browser(site) as mine, Browser(site) as theirs:
        address = await mine.back()
        assert (await theirs.opens(address))[0] == 403, "of no question of theirs"
        await theirs.back()
        status, text = await theirs.opens(address)
        assert (status, await theirs.who()) == (403, None)
        assert "belongs to no sign-in" in text
        assert (await mine.opens(address))[0] == 303
        assert (await mine.opens(address))[0] == 403
        before = await mine.who()
        denied = urlsplit(await mine.back())
        state = parse_qs(denied.query)["state"][0]
        status, text = await mine.opens(f"{denied.path}?error=access_denied&state={state}")
        assert (status, await mine.who()) == (403, before)
        assert "not signed in there" in text


async def test_nobody_is_led_elsewhere(site: Site, provider: OpenIdProvider) -> None:
    async with Browser(site) as browser:
        for elsewhere in (
            "//evil.example",
            "https://evil.example",
            "/%5Cevil.example",
            "/sign-in",
            "/%09/evil.example",
        ):
            assert await browser.signs_in(elsewhere) == (303, "/")


@pytest.mark.parametrize(
    "told",
    [
        {"issuer": "https://another.example"},
        {"token_endpoint": "http://10.0.0.1/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "https://user@evil.example/"},
        {"jwks_uri": None},
    ],
)
async def test_a_provider_that_cannot_be_right_is_not_gone_to(
    site: Site, provider: OpenIdProvider, told: dict[str, Any]
) -> None:
    provider.told = told
    async with Browser(site) as browser:
        status, text = await browser.opens("/sign-in/oidc")
        assert status == 503
        assert "does not answer" in text


async def test_a_provider_that_is_away_leaves_passwords(site: Site, provider: OpenIdProvider) -> None:
    provider.down = True
    async with Browser(site) as browser:
        status, text = await browser.opens("/sign-in/oidc")
        assert status == 503
        assert 'name="password"' in text
        assert "Sign in with OpenID" in text


async def test_too_many_failures_are_refused(site: Site, provider: OpenIdProvider) -> None:
    await site.person(site.north, Role.VIEWER)
    provider.signature = b"x"
    async with Browser(site) as browser:
        async with browser.http.get("/sign-in/oidc/answer") as answer:
            assert answer.status == 403
        await site.db.run("INSERT INTO sign_in_failure (key) SELECT key FROM sign_in_failure, generate_series(1, 60)")
        assert (await browser.opens("/sign-in/oidc"))[0] == 429


async def test_without_settings_there_is_nothing(site: Site) -> None:
    async with Browser(site) as browser:
        for path in ("/sign-in/oidc", "/sign-in/oidc/answer?state=x&code=y"):
            async with browser.http.get(path) as answer:
                assert answer.status == 404
        async with browser.http.get("/sign-in") as answer:
            assert "/sign-in/oidc" not in await answer.text()


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_issuer": "http://login.example.com", "oidc_client_id": "x"},
        {"oidc_issuer": "login.example.com", "oidc_client_id": "x"},
        {"oidc_issuer": "https://login.example.com"},
        {"oidc_issuer": "https://login.example.com?x=1", "oidc_client_id": "x"},
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(**given)  # type: ignore[arg-type]
