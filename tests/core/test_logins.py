"""Logins on a real database: encrypted, renewed by one process at a time, moved to a new key."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from dagboek import database, logins
from dagboek.database import Database
from dagboek.logins import LoginProblem, LoginRow, LoginSecrets
from dagboek.tenants import Tenant, ensure_tenant
from dagboek.vault import Vault, VaultError, new_key
from dagboek_schemas.issues import Issue
from dagboek_sdk.errors import ToolUnavailable
from pydantic import BaseModel, Field, SecretStr

KEY = new_key()


class ToolSettings(BaseModel):
    base_url: str = "https://Books.Example:8443/v1"
    user: str = Field(min_length=2)
    password: SecretStr
    pin: SecretStr | None = None


SETTINGS = ToolSettings(user="clerk", password=SecretStr("right horse"))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database.migrate(database_url)
    async with Database(database_url, size=3) as opened:
        yield opened


@pytest.fixture
def vault() -> Vault:
    return Vault([KEY])


@pytest.fixture
async def tenant(db: Database) -> Tenant:
    return await ensure_tenant(db, "North")


@pytest.fixture
async def login(db: Database, vault: Vault, tenant: Tenant) -> LoginRow:
    return await logins.save_login(db, vault, tenant.id, "memory", SETTINGS)


def soon() -> datetime:
    return (datetime.now(UTC) + timedelta(minutes=10)).replace(microsecond=0)


async def stored(db: Database, login: LoginRow) -> bytes:
    row = await db.one("SELECT settings FROM login WHERE id = %s", login.id)
    assert row is not None
    return bytes(row["settings"])


async def test_settings_come_back_and_are_unreadable_meanwhile(db: Database, vault: Vault, login: LoginRow) -> None:
    kept = await stored(db, login)
    assert b"horse" not in kept
    opened = logins.opened(vault, ToolSettings, kept, "Memory Books")
    assert opened == SETTINGS
    assert login.tool_user == "clerk@books.example:8443"


def test_where_a_tool_is_may_follow_from_its_settings() -> None:
    class OfSite(BaseModel):
        site: str
        base_url: str | None = None

        @property
        def address(self) -> str:
            return self.base_url or f"https://start.tool.{self.site}"

    assert logins.host_of(OfSite(site="nl")) == "start.tool.nl"
    assert logins.host_of(OfSite(site="nl", base_url="http://127.0.0.1:9/")) == "127.0.0.1:9"
    assert logins.host_of(SETTINGS) == "books.example:8443"


async def test_a_login_is_one_per_tenant_tool_and_user(
    db: Database, vault: Vault, tenant: Tenant, login: LoginRow
) -> None:
    await LoginSecrets(db, vault, login.id).save("login", "old token", soon())
    changed = ToolSettings(user="clerk", password=SecretStr("new horse"))
    again = await logins.save_login(db, vault, tenant.id, "memory", changed)
    assert again.id == login.id
    assert await LoginSecrets(db, vault, login.id).load("login") is None
    sandbox = changed.model_copy(update={"base_url": "http://127.0.0.1:9"})
    assert (await logins.save_login(db, vault, tenant.id, "memory", sandbox)).id != login.id
    elsewhere = await ensure_tenant(db, "Elsewhere")
    assert (await logins.save_login(db, vault, elsewhere.id, "memory", changed)).id != login.id


def test_every_fault_is_named_and_no_value_shown() -> None:
    with pytest.raises(LoginProblem) as refused:
        logins.check_settings(ToolSettings, {"user": "q", "pasword": "hidden1", "pin": ["hidden2"]}, "Memory Books")
    text = str(refused.value)
    assert "Memory Books" in text
    for field in ("pasword: there is no such setting", "user:", "password: is missing", "pin:"):
        assert field in text
    assert "hidden" not in text
    assert logins.names_of_secrets(ToolSettings) == ["password", "pin"]


async def test_tokens_are_kept_encrypted_and_replaced(db: Database, vault: Vault, login: LoginRow) -> None:
    secrets, until = LoginSecrets(db, vault, login.id), soon()
    assert await secrets.load("login") is None
    await secrets.save("login", "first token", until)
    await secrets.save("login", "second token", until)
    await secrets.save("dossier:7", "other", until)
    assert await secrets.load("login") == ("second token", until)
    rows = await db.all("SELECT value FROM login_token")
    assert len(rows) == 2
    assert not any(b"token" in bytes(row["value"]) for row in rows)


async def test_tokens_got_while_trying_are_kept(db: Database, vault: Vault, login: LoginRow) -> None:
    held, until = logins.HeldSecrets(), soon()
    async with held.lock("login"):
        await held.save("login", "once only", until)
    secrets = LoginSecrets(db, vault, login.id)
    await held.keep(secrets)
    assert await secrets.load("login") == ("once only", until)


async def test_one_refresher_at_a_time_in_a_process(db: Database, vault: Vault, login: LoginRow) -> None:
    inside, most, asked = 0, 0, 0

    async def renew() -> str:
        nonlocal inside, most, asked
        secrets = LoginSecrets(db, vault, login.id)
        async with secrets.lock("login"):
            inside += 1
            most = max(most, inside)
            found = await secrets.load("login")
            if found is None:
                asked += 1
                await asyncio.sleep(0.05)
                await secrets.save("login", f"token {asked}", soon())
            inside -= 1
        return (await secrets.load("login") or ("", None))[0]

    assert set(await asyncio.gather(*(renew() for _ in range(20)))) == {"token 1"}
    assert (most, asked) == (1, 1)


async def test_any_number_of_logins_renew_a_token_for_which_they_need_another_one(db: Database, vault: Vault) -> None:
    """As after a night: each opens its dossier, and for that logs in first."""
    asked = 0

    async def renew() -> None:
        nonlocal asked
        secrets = LoginSecrets(db, vault, uuid4())
        async with secrets.lock("dossier:7"):
            await asyncio.sleep(0.05)
            async with secrets.lock("login"):
                asked += 1

    async with asyncio.timeout(60):
        await asyncio.gather(*(renew() for _ in range(3 * logins.REFRESHERS)))
    assert asked == 3 * logins.REFRESHERS


@pytest.mark.parametrize("slow", ["service", "login"])
async def test_what_is_slow_keeps_no_other_login_waiting(db: Database, vault: Vault, slow: str) -> None:
    """A hundred dossiers of one login, or as many logins of one service, that wait for an answer that does not come."""
    answered, begun, login = asyncio.Event(), 0, uuid4()

    async def renew(at: int) -> None:
        nonlocal begun
        of = LoginSecrets(db, vault, login if slow == "login" else uuid4(), "octopus slow.example")
        async with of.lock(f"dossier:{at}"):
            begun += 1
            await answered.wait()

    waiting = [asyncio.create_task(renew(at)) for at in range(100)]
    async with asyncio.timeout(60):
        while begun < (logins.OF_ONE_LOGIN if slow == "login" else logins.REFRESHERS):
            await asyncio.sleep(0.01)
    other = LoginSecrets(db, vault, uuid4(), f"octopus {'slow' if slow == 'login' else 'other'}.example")
    async with asyncio.timeout(60), other.lock("login"):
        assert not answered.is_set()
    answered.set()
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)
    assert begun == 100


async def test_who_wants_the_token_that_others_need_waits_for_a_place_first(db: Database, vault: Vault) -> None:
    """Else it would hold what they wait for, and wait for them."""
    login, all_begun = uuid4(), asyncio.Barrier(logins.OF_ONE_LOGIN + 1)

    async def opens(at: int) -> None:
        async with LoginSecrets(db, vault, login).lock(f"dossier:{at}"):
            await all_begun.wait()
            await asyncio.sleep(0.2)
            async with LoginSecrets(db, vault, login).lock("login"):
                pass

    async def logs_in() -> None:
        await all_begun.wait()
        async with LoginSecrets(db, vault, login).lock("login"):
            pass

    async with asyncio.timeout(60):
        await asyncio.gather(logs_in(), *(opens(at) for at in range(logins.OF_ONE_LOGIN)))


HOLDER = """
import asyncio, sys
from uuid import UUID
from dagboek.database import Database
from dagboek.logins import LoginSecrets
from dagboek.vault import Vault

async def main():
    async with Database(sys.argv[1], size=2) as db:
        async with LoginSecrets(db, Vault([sys.argv[2]]), UUID(sys.argv[3])).lock("login"):
            print("held", flush=True)
            await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


async def test_another_process_is_waited_for_and_its_death_frees_the_lock(
    db: Database, vault: Vault, login: LoginRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, db.url, KEY, str(login.id), stdin=pipe, stdout=pipe
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    secrets = LoginSecrets(db, vault, login.id)
    monkeypatch.setattr(logins, "LOCK_SECONDS", 1.0)
    with pytest.raises(ToolUnavailable, match="another process"):
        async with secrets.lock("login"):
            pass
    async with secrets.lock("dossier:7"):  # another token is no matter of theirs
        pass
    row = await db.one(
        """SELECT count(*) AS open FROM pg_stat_activity
           WHERE datname = current_database() AND state LIKE 'idle in transaction%%'"""
    )
    assert row is not None and row["open"] == 0
    monkeypatch.setattr(logins, "LOCK_SECONDS", 30.0)
    holder.kill()
    await holder.wait()
    async with secrets.lock("login"):
        pass


async def test_a_frozen_process_does_not_keep_a_login_from_others_for_good(
    db: Database, vault: Vault, login: LoginRow
) -> None:
    pipe = asyncio.subprocess.PIPE
    soon_ended = "import dagboek.logins; dagboek.logins.HELD_SECONDS = 1.0\n"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", soon_ended + HOLDER, db.url, KEY, str(login.id), stdin=pipe, stdout=pipe
    )
    assert holder.stdout is not None
    try:
        assert await holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGSTOP)
        async with LoginSecrets(db, vault, login.id).lock("login"):
            pass
    finally:
        holder.kill()
        await holder.wait()


async def test_keys_are_changed_without_a_gap(db: Database, vault: Vault, login: LoginRow) -> None:
    until = soon()
    await LoginSecrets(db, vault, login.id).save("login", "a token", until)
    newest = new_key()
    assert await logins.rotate_keys(db, Vault([newest, KEY])) == 2
    only_new = Vault([newest])
    assert logins.opened(only_new, ToolSettings, await stored(db, login), "it") == SETTINGS
    assert await LoginSecrets(db, only_new, login.id).load("login") == ("a token", until)
    with pytest.raises(VaultError):
        logins.opened(vault, ToolSettings, await stored(db, login), "it")


async def test_broken_and_whole_again(db: Database, vault: Vault, tenant: Tenant, login: LoginRow) -> None:
    async with db.transaction() as connection:
        await logins.mark_broken(connection, login.id, Issue(code="B08"))
    row = await db.one("SELECT broken_since FROM login")
    assert row is not None and row["broken_since"] is not None
    assert (await logins.save_login(db, vault, tenant.id, "memory", SETTINGS)).broken_since is None
    row = await db.one("SELECT broken_since FROM login")
    assert row is not None and row["broken_since"] is None
