"""Logins into tools: settings with credentials encrypted at rest, tokens shared by all processes (design section 8).

A plugin's settings may name, besides its secrets, `address` or `base_url` (where the tool is, which tells sandboxes and
the real tool apart) and the user, as `tool_user`, `user`, `username` or `email`: together they make a login. Where a
person consents (OAuth), the tool says who the user is, and the login is one per app and user: a second consent of the
same user ends the tokens of the first.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

import psycopg
from dagboek_schemas.issues import Issue
from dagboek_sdk.errors import ToolUnavailable
from dagboek_sdk.oauth import NAME, Identity
from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from dagboek.database import Connection, Database, Jsonb, connect
from dagboek.reasons import Reason, reasons_of
from dagboek.tenants import Unusable
from dagboek.vault import Vault

LOCK_SECONDS: Final = 40.0
"""How long to wait while another process renews a token: longer than a call may take."""
HELD_SECONDS: Final = 120.0
"""How long a process may renew one token; one that is frozen meanwhile keeps others from it no longer."""

REFRESHERS: Final = 8
"""Tokens of one service that an event loop renews at a time; each holds a database connection of its own meanwhile.

A service is where tokens come from, so that one which is slow keeps no other's waiting.
"""
OF_ONE_LOGIN: Final = 2
"""Of them, those of one login, which may open a hundred dossiers."""

Model = TypeVar("Model", bound=BaseModel)

_USER_FIELDS: Final = ("tool_user", "user", "username", "user_name", "login", "email")


class LoginProblem(Unusable):
    """Settings or credentials that cannot be used. The text names each field and never shows a value."""

    def __init__(self, text: str, faults: Sequence[Reason] = (), key: str = "settings", **facts: object) -> None:
        super().__init__(text, key, **facts)
        self.reasons = tuple(faults) or self.reasons


class BelongsToAnother(Unusable):
    """The user has consented for another tenant. The text says what to do; it does not name that tenant."""

    def __init__(self, identity: Identity | None) -> None:
        name = identity.name if identity else "This user"
        super().__init__(
            f"{name} is connected with this app under another tenant already. The tool keeps one consent of a user for "
            "an app, so a second would end the first. Nothing was stored; the other tenant goes on. Connect as another "
            "user of the tool, made for this tenant (log out in the browser first), or delete the other tenant's "
            "connections of this user: dagboek connection delete",
            "login_elsewhere",
        )


@dataclass(frozen=True, slots=True)
class LoginRow:
    """A stored login, without its secrets."""

    id: UUID
    tenant_id: UUID
    plugin: str
    tool_user: str
    broken_since: datetime | None


def check_settings(model: type[Model], given: Mapping[str, Any], what: str) -> Model:
    """`given` as settings of `model`. LoginProblem with every fault at once, `what` says whose settings they are."""
    known = set(model.model_fields) | {one.alias for one in model.model_fields.values() if one.alias}
    faults = [Reason("there is no such setting", "invalid_extra", place=name) for name in given if name not in known]
    try:
        checked = model.model_validate(dict(given))
    except ValidationError as error:
        faults += reasons_of(error)
    else:
        if not faults:
            return checked
    lines = "".join(f"\n  - {one.place or 'settings'}: {_said(one)}" for one in faults)
    known_ones = ", ".join(sorted(known))
    raise LoginProblem(f"The settings for {what} cannot be used:{lines}\nKnown settings: {known_ones}.", faults)


def _said(fault: Reason) -> str:
    return "is missing" if fault.key == "invalid_missing" else fault.text


def own_names(model: type[BaseModel], told: Mapping[str, Any]) -> dict[str, Any]:
    """What a sandbox tells of its login, under the names of `model`. It tells more than a login takes."""
    named = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(): value for name, value in told.items()}
    return {name: value for name, value in named.items() if name in model.model_fields}


def host_of(settings: BaseModel) -> str:
    """Host (and port) of the tool's address, in small letters; empty for a tool without one."""
    addresses = (str(getattr(settings, name, None) or "") for name in ("address", "base_url"))
    hosts = (urlsplit(address).netloc.rpartition("@")[2].lower() for address in addresses)
    return next((host for host in hosts if host), "")


def user_of(settings: BaseModel) -> str:
    """Who logs in, and where: `user@host`."""
    names = (getattr(settings, name, None) for name in _USER_FIELDS)
    user = next((str(name) for name in names if name and not isinstance(name, SecretStr | SecretBytes)), "")
    return "@".join(part for part in (user, host_of(settings)) if part) or "default"


def secrets_of(settings: BaseModel) -> frozenset[str]:
    """Values that must never be shown or recorded."""
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, SecretStr):
            found.add(value.get_secret_value())
        elif isinstance(value, SecretBytes):
            found.add(value.get_secret_value().decode("utf-8", "replace"))
        elif isinstance(value, Mapping):
            for one in value.values():
                collect(one)
        elif isinstance(value, list | tuple | set | frozenset):
            for one in value:
                collect(one)

    collect(settings.model_dump())
    return frozenset(secret for secret in found if secret)


async def save_login(
    db: Database,
    vault: Vault,
    tenant_id: UUID,
    plugin: str,
    settings: BaseModel,
    *,
    held: "HeldSecrets | None" = None,
    identity: Identity | None = None,
) -> LoginRow:
    """Stores the checked settings of a login; one of the same tenant, tool and user is replaced and whole again.

    Its tokens go, as they may have been made with the credentials of before; those of `held` come in their place, in
    the same transaction: some tools give each only once. BelongsToAnother when another tenant has this user's consent.
    """
    app = app_of(settings) if identity else ""
    user = identity.id if identity else user_of(settings)
    before = await db.one(_SAME, tenant_id, plugin, app, user) if identity else None
    async with AsyncExitStack() as stack:
        if before is not None:  # whoever renews the old tokens would store them over the new ones
            await stack.enter_async_context(LoginSecrets(db, vault, before["id"]).lock(NAME))
        try:
            async with db.transaction() as connection:
                return await _saved(connection, vault, settings, held, (tenant_id, plugin, app, user), identity)
        except psycopg.errors.UniqueViolation as taken:
            raise BelongsToAnother(identity) from taken


_SAME: Final = "SELECT id FROM login WHERE tenant_id = %s AND plugin = %s AND app = %s AND tool_user = %s"


async def _saved(
    connection: Connection,
    vault: Vault,
    settings: BaseModel,
    held: "HeldSecrets | None",
    key: tuple[UUID, str, str, str],
    identity: Identity | None,
) -> LoginRow:
    saved = await connection.execute(
        """INSERT INTO login (tenant_id, plugin, app, tool_user, settings, user_name) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (tenant_id, plugin, app, tool_user)
           DO UPDATE SET settings = excluded.settings, user_name = excluded.user_name
           RETURNING id, tenant_id, plugin, tool_user""",
        (*key, vault.encrypt(settings.model_dump()), identity.name if identity else ""),
    )
    row = await saved.fetchone()
    assert row is not None
    await connection.execute("DELETE FROM login_token WHERE login_id = %s", (row["id"],))
    for name, (value, until) in (held.tokens if held else {}).items():
        await connection.execute(_KEEP, (row["id"], name, vault.encrypt({"token": value}), until))
    await mark_whole(connection, row["id"])
    return LoginRow(**row, broken_since=None)


async def usable_login(db: Database, vault: Vault, tenant_id: UUID, plugin: str, settings: BaseModel) -> UUID | None:
    """The login that a tenant has by consent to the app of `settings`, with just these settings.

    None where there is none that works, or several users have consented.
    """
    rows = await db.all(
        """SELECT id, settings FROM login WHERE tenant_id = %s AND plugin = %s AND app = %s AND app <> ''
             AND settings <> '' AND broken_since IS NULL""",
        tenant_id,
        plugin,
        app_of(settings),
    )
    try:
        same = len(rows) == 1 and opened(vault, type(settings), rows[0]["settings"], plugin) == settings
    except LoginProblem:  # of an older release of the plugin
        return None
    return UUID(str(rows[0]["id"])) if same else None


def app_of(settings: BaseModel) -> str:
    """The app that a user consents to, and where: `client id@host`."""
    return f"{getattr(settings, 'client_id', '')}@{host_of(settings)}"


async def refuse_another(
    db: Database, vault: Vault, ours: UUID | None, plugin: str, app: str, identity: Identity, held: "HeldSecrets"
) -> None:
    """BelongsToAnother where a tenant other than `ours` has the consent of this user for this app.

    The consent given now has ended the tokens of that one: it gets the new ones, if it worked until then.
    """
    other = await db.one(
        """SELECT id, broken_since FROM login WHERE plugin = %s AND app = %s AND tool_user = %s AND settings <> ''
             AND tenant_id IS DISTINCT FROM %s""",
        plugin,
        app,
        identity.id,
        ours,
    )
    if other is None:
        return
    secrets = LoginSecrets(db, vault, other["id"])
    if other["broken_since"] is None:
        async with secrets.lock(NAME):
            await held.keep(secrets)
    raise BelongsToAnother(identity)


def opened(vault: Vault, model: type[BaseModel], stored: bytes, what: str) -> BaseModel:
    """The settings of a stored login. LoginProblem when they no longer fit the plugin; VaultError."""
    if not stored:
        text = f"The credentials for {what} were deleted with its last integration. Connect it again."
        raise LoginProblem(text, key="login_deleted")
    return check_settings(model, vault.decrypt(stored), what)


async def mark_broken(connection: Connection, login_id: UUID, issue: Issue) -> None:
    """The tool refuses the credentials: connections of the login wait until a person connects again.

    Within a transaction of the caller, as is `mark_whole`.
    """
    await connection.execute(
        "UPDATE login SET broken_since = coalesce(broken_since, now()), broken_issue = %s WHERE id = %s",
        (Jsonb(issue.model_dump(mode="json")), login_id),
    )
    await connection.execute(
        "UPDATE connection SET state = 'reconnect' WHERE login_id = %s AND state = 'connected' AND deleted_at IS NULL",
        (login_id,),
    )


async def mark_whole(connection: Connection, login_id: UUID) -> None:
    """The credentials work again, and so do the connections that waited for them."""
    await connection.execute("UPDATE login SET broken_since = NULL, broken_issue = NULL WHERE id = %s", (login_id,))
    await connection.execute(
        "UPDATE connection SET state = 'connected' WHERE login_id = %s AND state = 'reconnect' AND deleted_at IS NULL",
        (login_id,),
    )


async def rotate_keys(db: Database, vault: Vault) -> int:
    """Encrypts everything stored under the newest key; the number of values. VaultError when one cannot be read."""
    logins = await db.all("SELECT id, settings FROM login WHERE settings <> ''")
    for row in logins:
        # Compared, so that credentials that were replaced meanwhile stay as they are: those have the newest key.
        await db.run(
            "UPDATE login SET settings = %s WHERE id = %s AND settings = %s",
            vault.rotate(row["settings"]),
            row["id"],
            row["settings"],
        )
    tokens = await db.all("SELECT login_id, name, value FROM login_token")
    for row in tokens:
        await db.run(
            "UPDATE login_token SET value = %s WHERE login_id = %s AND name = %s AND value = %s",
            vault.rotate(row["value"]),
            row["login_id"],
            row["name"],
            row["value"],
        )
    return len(logins) + len(tokens)


_renewing: ContextVar[bool] = ContextVar("renewing", default=False)
"""Whether this task renews a token already, and has its place."""


@dataclass
class _Refreshers:
    """Who renews what in this event loop."""

    of_service: WeakValueDictionary[str, asyncio.Semaphore] = field(default_factory=WeakValueDictionary)
    of_login: WeakValueDictionary[UUID, asyncio.Semaphore] = field(default_factory=WeakValueDictionary)
    locks: WeakValueDictionary[tuple[UUID, str], asyncio.Lock] = field(default_factory=WeakValueDictionary)


_refreshers: WeakKeyDictionary[Database, _Refreshers] = WeakKeyDictionary()


_KEEP: Final = """
    INSERT INTO login_token (login_id, name, value, until) VALUES (%s, %s, %s, %s)
    ON CONFLICT (login_id, name) DO UPDATE SET value = excluded.value, until = excluded.until
"""


class LoginSecrets:
    """`dagboek_sdk.accounting.Secrets` over the table `login_token`: encrypted, shared by all processes.

    `service` is where its tokens come from: plugin and host.
    """

    def __init__(self, db: Database, vault: Vault, login_id: UUID, service: str = "") -> None:
        self._db = db
        self._vault = vault
        self._login_id = login_id
        self._service = service

    async def load(self, name: str) -> tuple[str, datetime] | None:
        """The token and the moment (UTC) at which it ends, also when that has passed; None when there is none."""
        row = await self._db.one(
            "SELECT value, until FROM login_token WHERE login_id = %s AND name = %s", self._login_id, name
        )
        if row is None:
            return None
        return str(self._vault.decrypt(row["value"])["token"]), row["until"].astimezone(UTC)

    async def save(self, name: str, value: str, until: datetime) -> None:
        """Keeps the token, replacing an older one."""
        await self._db.run(_KEEP, self._login_id, name, self._vault.encrypt({"token": value}), until)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """One refresher of this token at a time over all processes. Read again after taking it.

        ToolUnavailable when another one keeps it for longer than `LOCK_SECONDS`.
        """
        ours = _refreshers.setdefault(self._db, _Refreshers())
        local = ours.locks.setdefault((self._login_id, name), asyncio.Lock())
        if _renewing.get():  # a token that the other one needs: waiting for a place, each would wait for the others
            async with _within(local), self._database_lock(name):
                yield
            return
        of_login = ours.of_login.setdefault(self._login_id, asyncio.Semaphore(OF_ONE_LOGIN))
        of_service = ours.of_service.setdefault(self._service, asyncio.Semaphore(REFRESHERS))
        async with _within(of_login), _within(of_service), _within(local), self._database_lock(name):
            mark = _renewing.set(True)
            try:
                yield
            finally:
                _renewing.reset(mark)

    @asynccontextmanager
    async def _database_lock(self, name: str) -> AsyncIterator[None]:
        # On a connection of its own: it ends with the process, and no transaction stays open meanwhile.
        connection = await connect(self._db.url, connect_timeout=10)
        try:
            await connection.execute(
                f"SET lock_timeout = '{LOCK_SECONDS:.0f}s'; SET idle_session_timeout = '{HELD_SECONDS:.0f}s'"
            )
            try:
                await connection.execute(
                    "SELECT pg_advisory_lock(hashtextextended(%s, 7316002))", (f"{self._login_id}:{name}",)
                )
            except psycopg.errors.LockNotAvailable as busy:
                raise _busy() from busy
            yield
        finally:
            await connection.close()


@asynccontextmanager
async def _within(lock: asyncio.Lock | asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(LOCK_SECONDS):
            await lock.acquire()
    except TimeoutError as busy:
        raise _busy() from busy
    try:
        yield
    finally:
        lock.release()


def _busy() -> ToolUnavailable:
    return ToolUnavailable(f"another process has been renewing this login for over {LOCK_SECONDS:.0f} s")


class HeldSecrets:
    """Tokens in memory while a login is tried before it is stored; `keep` hands them over."""

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, datetime]] = {}
        self._lock = asyncio.Lock()

    async def load(self, name: str) -> tuple[str, datetime] | None:
        """The token and its end."""
        return self.tokens.get(name)

    async def save(self, name: str, value: str, until: datetime) -> None:
        """Keeps the token."""
        self.tokens[name] = (value, until)

    def lock(self, name: str) -> asyncio.Lock:
        """Nobody else knows these tokens: one lock for all."""
        return self._lock

    async def keep(self, secrets: LoginSecrets) -> None:
        """Moves the tokens to where they stay."""
        for name, (value, until) in self.tokens.items():
            await secrets.save(name, value, until)


def names_of_secrets(model: type[BaseModel]) -> Sequence[str]:
    """Fields of a settings model that hold secrets, for those who ask for them."""
    return [name for name, one in model.model_fields.items() if _is_secret(one.annotation)]


def _is_secret(annotation: Any) -> bool:
    parts = (annotation, *getattr(annotation, "__args__", ()))
    return any(part in (SecretStr, SecretBytes) for part in parts)
