"""Logins by OAuth: a person consents in a browser, tokens rotate, one process at a time renews them.

A plugin derives from `OAuthPlugin`, says with `oauth` where its tool's OAuth is, and with `identity` who has consented;
its calls go through `read` and `write`, which bring the access token. Refresh tokens are taken to be good once: the
mark that one is being used is stored before it is sent, and the pair that comes back before it is used.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, urlencode

from dagboek_schemas.issues import Issue, Severity
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from dagboek_sdk import clock
from dagboek_sdk.accounting import AccountingPlugin, Link, Secrets
from dagboek_sdk.attempt import Attempt
from dagboek_sdk.errors import Later, LoginBroken, Throttled, TokenRefused, ToolError, ToolUnavailable, Trouble
from dagboek_sdk.http import Answer, Client
from dagboek_sdk.settings import Words, words

NAME: Final = "oauth"
"""Of the tokens among the secrets of a login; they end there when the refresh token does."""
GROUP: Final = "oauth.token"
"""Operation group of calls to the token endpoint; a limit that a plugin declares for it is one of each login."""
FRESH: Final = timedelta(seconds=10)
"""What an access token must still last when it is handed out, where another may be asked for by then."""
MARGIN: Final = timedelta(seconds=5)
"""Beyond the call's deadline, in which the answer of another process that has gone may still be under way."""
COOL_DOWN: Final = timedelta(minutes=1)
"""After a renewal that failed; twice as long after each that follows."""
LONGEST_COOL_DOWN: Final = timedelta(minutes=15)

_ANY_STATUS: Final = frozenset(range(100, 600))


class OAuthSettings(BaseModel):
    """Settings of an app at the tool; a plugin's own settings derive from it."""

    client_id: str = Field(
        min_length=1,
        title="Client id of the app",
        json_schema_extra=words(nl=Words("Client-id van de app"), fr=Words("Identifiant client de l'app")),
    )
    client_secret: SecretStr = Field(
        title="Client secret of the app",
        json_schema_extra=words(nl=Words("Client-geheim van de app"), fr=Words("Secret client de l'app")),
    )
    redirect_uri: str = Field(
        "",
        title="Redirect address of the app",
        description="exactly as registered with the tool; empty: a free port of this machine, as sandboxes allow",
    )


class Judged(StrEnum):
    """What an answer of the token endpoint means that brings no tokens."""

    TOO_EARLY = "too_early"
    """The access token has not ended: it is still good."""
    ENDED = "ended"
    """The refresh token, or the code, is not taken: a person must consent again."""
    APP = "app"
    """The app's id or secret is wrong, whatever the token."""
    LATER = "later"
    """Nothing is said about the token."""


def judge(answer: Answer) -> Judged:
    """By RFC 6749 section 5.2; a plugin whose tool has words of its own looks at those first."""
    if answer.status not in (400, 401, 403):
        return Judged.LATER
    try:
        said = answer.json()
    except ValueError:
        return Judged.LATER if answer.body.lstrip().startswith(b"<") else Judged.ENDED  # a page is somebody else's
    return Judged.APP if isinstance(said, dict) and said.get("error") == "invalid_client" else Judged.ENDED


@dataclass(frozen=True, slots=True)
class OAuth:
    """A tool's OAuth, as a plugin declares it for its settings."""

    authorise_url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str = ""
    """As registered; empty: a port of this machine."""
    authorise_params: Mapping[str, str] = field(default_factory=dict)
    """Beside client_id, redirect_uri, response_type and state, such as `force_login`."""
    access: timedelta = timedelta(seconds=600)
    """Life of an access token, where its answer does not tell."""
    not_before: timedelta = timedelta(seconds=570)
    """After an access token was given, no other may be asked for this long."""
    unused: timedelta = timedelta(days=30)
    """A refresh token that is not used for this long dies; as `About.keep_alive_days`."""
    judge: Callable[[Answer], Judged] = judge

    def address(self, redirect_uri: str, state: str) -> str:
        """Where the person is sent to consent; `state` comes back with the code and must be the same."""
        asked = {
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "state": state,
            **self.authorise_params,
        }
        return f"{self.authorise_url}?{urlencode(asked, safe='/:', quote_via=quote)}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has consented. Tools keep one chain of tokens per app and user."""

    id: str
    """The tool's own id of the user, which stays when the name changes."""
    name: str
    """For people."""


class _Chain(BaseModel):
    """What is stored of a login. Times are UTC."""

    model_config = ConfigDict(frozen=True)

    access: str
    refresh: str
    ends: datetime
    """Of the access token, counted from before it was asked for."""
    renewable: datetime
    """From then on another may be asked for: counted from after the answer."""
    dies: datetime
    """Of the refresh token, if it is not used."""
    refused: bool = False
    """The tool did not take the access token."""
    proven: bool = False
    """It was given, or called good, after a refusal."""
    asking: datetime | None = None
    """Until then the answer of somebody who uses the refresh token may be under way."""
    lost: bool = False
    """The refresh token was used, and no answer has come: perhaps it is used up."""
    failures: int = 0
    wait: datetime | None = None
    broken: str | None = None
    """Why a person must consent again: a word of `login_end` in the catalogue."""
    words: str | None = None
    """The tool's own, to that end."""


class Tokens:
    """The tokens of one login, shared by all processes through its secrets."""

    def __init__(self, oauth: OAuth, secrets: Secrets, client: Client, title: str) -> None:
        self.oauth = oauth
        self._secrets = secrets
        self._client = client
        self._title = title
        self._known: _Chain | None = None
        self._renewing: asyncio.Task[_Chain] | None = None
        self._struck: frozenset[str] = frozenset()
        self._fresh = min(FRESH, (oauth.access - oauth.not_before) / 3)

    async def access(self) -> str:
        """An access token that may be used now. LoginBroken when a person must consent again; Later."""
        chain = self._known
        if chain is None or not self._good(chain):
            chain = await self._load()
        if chain is None:
            raise self._login_broken("none")
        if not self._good(chain):
            chain = await self._renewed()
        return chain.access

    async def refuse(self, token: str, error: ToolError) -> None:
        """The tool did not take `token`: the next `access` gives another, or the same if the tool calls it good.

        LoginBroken when it was given or called good after a refusal just before.
        """
        async with self._secrets.lock(NAME):
            chain = await self._load()
            if chain is None or chain.access != token or chain.refused:
                return
            if chain.proven and clock.now() < chain.renewable:
                raise await self._ended(chain, "refused", error.tool_words)
            await self._save(chain.model_copy(update={"refused": True}))

    async def exchange(self, code: str, redirect_uri: str) -> None:
        """The tokens for a code that came back from the browser. LoginBroken when it is not taken."""
        asked = clock.now()
        answer = await self._post(
            {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}, frozenset((code,))
        )
        chain = self._read(answer, asked, None)
        if chain is None:
            match self._judged(answer):
                case Judged.APP:
                    raise self._login_broken("app", _words(answer))
                case Judged.LATER:
                    raise _page(answer)
                case _:
                    raise self._login_broken("code", _words(answer))
        await self._save(chain)

    async def close(self) -> None:
        """Waits for a renewal under way: its answer would be lost."""
        if self._renewing is not None:
            await asyncio.wait([self._renewing])

    def _good(self, chain: _Chain) -> bool:
        now = clock.now()
        if chain.refused or chain.broken:
            return False
        return now < chain.ends - self._fresh or now < min(chain.ends, chain.renewable)

    async def _renewed(self) -> _Chain:
        """In a task of its own: whoever waits may give up, and the answer is stored all the same."""
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())
            self._renewing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._renewing)

    async def _renew(self) -> _Chain:
        async with self._secrets.lock(NAME):
            chain = await self._load()  # another may have renewed it meanwhile
            if chain is None:
                raise self._login_broken("none")
            if self._good(chain):
                return chain
            self._may_ask(chain)
            asked = clock.now()
            until = asked + timedelta(seconds=self._client.call_deadline) + MARGIN
            lost = chain.lost or chain.asking is not None
            chain = chain.model_copy(update={"lost": lost, "asking": until})
            await self._save(chain)
            form = {"grant_type": "refresh_token", "refresh_token": chain.refresh}
            try:
                answer = await self._post(form, frozenset((chain.refresh,)))
            except Throttled:  # by our own count: nothing was sent
                await self._save(chain.model_copy(update={"asking": None}))
                raise
            except Later as trouble:
                trouble.until = await self._failed(chain)
                raise
            return await self._taken(chain, answer, asked)

    def _may_ask(self, chain: _Chain) -> None:
        """LoginBroken and Later where nothing may be asked now."""
        now = clock.now()
        if chain.broken:
            raise self._login_broken(chain.broken, chain.words)
        waits = [chain.asking, chain.wait, None if chain.refused else chain.renewable]
        until = max((moment for moment in waits if moment is not None), default=now)
        if until > now:
            raise ToolUnavailable("the login is renewed later", until=until)

    async def _taken(self, chain: _Chain, answer: Answer, asked: datetime) -> _Chain:
        """What the answer to a renewal means."""
        fresh = self._read(answer, asked, chain)
        if fresh is not None:
            await self._save(fresh, chain.asking)
            return fresh
        judged = self._judged(answer)
        if judged is Judged.ENDED:
            unused = asked >= chain.dies
            raise await self._ended(chain, "lost" if chain.lost else "unused" if unused else "ended", _words(answer))
        if judged is Judged.TOO_EARLY and not chain.lost:
            again = clock.now() + COOL_DOWN
            ends = again if chain.refused else max(chain.ends, again)
            good = {"refused": False, "proven": chain.refused, "asking": None, "renewable": again, "ends": ends}
            chain = chain.model_copy(update=good)
            await self._save(chain)
            return chain
        until = await self._failed(chain, lost=chain.lost or judged is Judged.LATER)
        if judged is Judged.APP:
            raise self._login_broken("app", _words(answer))
        trouble = _page(answer)
        trouble.until = until
        raise trouble

    async def _failed(self, chain: _Chain, *, lost: bool = True) -> datetime:
        """Nothing is asked for a while, by anybody."""
        wait = clock.now() + min(COOL_DOWN * (1 << min(chain.failures, 10)), LONGEST_COOL_DOWN)
        failed = {"asking": None, "lost": lost, "failures": chain.failures + 1, "wait": wait}
        await self._save(chain.model_copy(update=failed))
        return wait

    async def _ended(self, chain: _Chain, why: str, words: str | None) -> LoginBroken:
        """Stored, so that nobody asks again."""
        await self._save(chain.model_copy(update={"broken": why, "words": words, "asking": None}))
        return self._login_broken(why, words)

    def _login_broken(self, why: str, words: str | None = None) -> LoginBroken:
        facts = {"tool": self._title, "login_end": why}
        return LoginBroken(issue=Issue(code="B14", severity=Severity.ERROR, facts=facts), tool_words=words)

    def _judged(self, answer: Answer) -> Judged:
        return Judged.LATER if answer.status < 300 else self.oauth.judge(answer)

    def _read(self, answer: Answer, asked: datetime, before: _Chain | None) -> _Chain | None:
        """The pair in `answer`; None where there is none."""
        try:
            said = answer.json() if 200 <= answer.status < 300 else {}
            access = str(said["access_token"])
            refresh = str(said.get("refresh_token") or (before.refresh if before else ""))
            life = timedelta(seconds=int(said["expires_in"])) if said.get("expires_in") else self.oauth.access
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        if not access or not refresh:
            return None
        now = clock.now()
        return _Chain(
            access=access,
            refresh=refresh,
            ends=asked + life,
            renewable=now + self.oauth.not_before,
            dies=asked + self.oauth.unused,
            proven=before is not None and before.refused,
        )

    async def _post(self, form: Mapping[str, str], secrets: frozenset[str]) -> Answer:
        self._strike(secrets)
        app = {"client_id": self.oauth.client_id, "client_secret": self.oauth.client_secret}
        return await self._client.read(
            "POST", self.oauth.token_url, group=GROUP, accept=_ANY_STATUS, data={**form, **app}
        )

    def _strike(self, secrets: frozenset[str]) -> None:
        """Strikes tokens out of what is recorded, instead of those before."""
        self._client.secrets = (self._client.secrets - self._struck) | secrets
        self._struck = secrets

    async def _load(self) -> _Chain | None:
        kept = await self._secrets.load(NAME)
        self._known = None if kept is None else _Chain.model_validate_json(kept[0])
        if self._known is not None:
            self._strike(frozenset((self._known.access, self._known.refresh)))
        return self._known

    async def _save(self, chain: _Chain, until: datetime | None = None) -> None:
        """`until`: how long it is tried, as what the tool has given stands nowhere else; nobody asks meanwhile."""
        while True:
            try:
                await self._secrets.save(NAME, chain.model_dump_json(), chain.dies)
                break
            except Exception:
                if until is None or clock.now() + timedelta(seconds=1) > until:
                    raise
            await asyncio.sleep(0.5)
        self._known = chain
        self._strike(self._struck | {chain.access, chain.refresh})


class OAuthPlugin(AccountingPlugin):
    """An accounting tool that is connected by a person's consent in a browser."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.tokens = Tokens(self.oauth(link.settings), link.secrets, self.client, self.about.title)

    @classmethod
    @abstractmethod
    def oauth(cls, settings: Any) -> OAuth:
        """The tool's OAuth, for the app of `settings`."""

    @abstractmethod
    async def identity(self) -> Identity:
        """Who has consented; asked before anything of the login is stored."""

    async def prepare(self) -> None:
        """Makes sure of an access token that lasts, so that a write need not wait for one."""
        await self.tokens.access()

    async def close(self) -> None:
        """Gives back what the object holds, after a renewal under way."""
        await self.tokens.close()
        await super().close()

    async def read(self, method: str, url: str, *, group: str, **request: Any) -> Answer:
        """`client.read` with the access token. `classify` says TokenRefused where the tool does not take it."""
        headers = request.pop("headers", {})
        while True:  # to the third refusal at most: `refuse` ends it
            token = await self.tokens.access()
            given = {**headers, "Authorization": f"Bearer {token}"}
            try:
                return await self.client.read(method, url, group=group, headers=given, **request)
            except TokenRefused as error:
                await self.tokens.refuse(token, error)

    async def write(
        self, attempt: Attempt, method: str, url: str, *, group: str | None = None, **request: Any
    ) -> Answer:
        """`client.write` with the access token. TokenRefused, which frees the link; LoginBroken."""
        token = await self.tokens.access()
        headers = {**request.pop("headers", {}), "Authorization": f"Bearer {token}"}
        try:
            return await self.client.write(attempt, method, url, group=group, headers=headers, **request)
        except TokenRefused as error:
            try:
                await self.tokens.refuse(token, error)
            except LoginBroken as broken:
                attempt.verdict = broken
                raise
            raise


def _words(answer: Answer) -> str | None:
    """The endpoint's own words on a refusal; never what came with a success, which may be tokens."""
    try:
        said = answer.json() if answer.status >= 400 else {}
        return str(said.get("error_description") or said.get("error") or "") or None
    except (ValueError, AttributeError):
        return answer.headers.get("Reason")


def _page(answer: Answer) -> ToolUnavailable:
    trouble = Trouble.OWN_FAULT if answer.status >= 500 else Trouble.PAGE
    return ToolUnavailable(f"answer {answer.status} where tokens are given", trouble=trouble)
