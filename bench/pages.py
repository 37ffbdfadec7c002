"""How long the server takes for each page of the console and each list of the API, in a large installation.

    uv run python bench/pages.py                            10,000 connections, 1,000,000 documents; as a table
    uv run python bench/pages.py --json
    uv run python bench/pages.py --connections 100 --documents 5000 --tenants 20 --rounds 3
    uv run python bench/pages.py --plans FOLDER             plans of the statements of all that is over its limit

The web process is one of its own, and tells the time that it took itself: from the request to the start of its answer,
with all that it asked the database. What is looked at is the whale's, which has half of all connections, and the
largest of the other tenants'. One request at a time. Ends with status 1 where something is over its limit, or
cannot be timed.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import psycopg
from cryptography.fernet import Fernet
from dagboek import console
from dagboek.database import Database, beside_it, migrate
from dagboek.embedded import services_for
from dagboek.logs import configure
from dagboek.settings import Settings
from dagboek.web.caller import COOKIE
from dagboek.web.rights import Role
from dagboek.web.signin import people, sessions
from filled import MIDDLE, SHARED, WHALE, Sizes, fill, named
from machine import machine
from processes import Addresses

LIMIT: Final = 300.0
"""Milliseconds."""
LIMITS: Final = {"/": 100.0}
"""Of pages that are to be quicker."""

MORE: Final[dict[str, tuple[str, ...]]] = {
    "/": ("search=janssens", "search=nothing", "cursor={cursor}"),
    "/runs": ("integration={connection_id}", "cursor={cursor}"),
    "/runs/{run_id}": ("everything=true", "component=customers&cursor={cursor}"),
    "/integrations/{connection_id}": ("tab=discounts", "tab=vat", "tab=ledgers", "tab=sync"),
    "/documents": (
        "cursor={cursor}",
        "direction=purchase",
        "entity_id={entity_id}",
        "not_synced=true",
        "standing=needs+a+person",
        "standing=skipped",
        "standing=waiting",
        "standing=booked",
        "since=2025-01-01&until=2025-02-01",
        "search=janss",
        "search=bouw+jan",
        "search=cafe+9999",
        "search=00042",
        "search=42",
        "search={year}",
        "search={year_before}",
        "search={third_year}",
        "search={third_year}&cursor={cursor}",
        "search={third_year}&standing=booked",
        "search=vf&direction=purchase&entity_id={entity_id}",
        "search=e",
        "search=nothing",
        "search={booking_number}",
        "search=janss&standing=needs+a+person",
        "search={year}&entity_id={entity_id}",
        "search={year}&direction=purchase&not_synced=true",
    ),
    "/api/v1/documents": ("limit=200", "search=janss&limit=200", "standing=skipped", "search={year}&cursor={cursor}"),
    "/api/v1/runs": ("limit=200", "open=true"),
    "/api/v1/connections": ("limit=200", "search=peeters"),
    "/notices": ("unread=true", "cursor={cursor}"),
    "/people": ("cursor={cursor}",),
    "/companies/{entity_id}": ("cursor={cursor}",),
    "/webhooks/{webhook_id}": ("cursor={cursor}",),
    "/operator/connections": ("state=reconnect", "not_installed=true", "cursor={cursor}"),
    "/operator/people": ("search=p42", "cursor={cursor}"),
    "/operator/quotas": ("low=true", "cursor={cursor}"),
    "/operator/quotas/shares": ("cursor={cursor}",),
    "/operator/runs": ("state=parked", "cursor={cursor}"),
    "/operator/tenants": ("search=9", "cursor={cursor}"),
    "/operator/workers": ("slot=1", "cursor={cursor}"),
    "/api/v1/operator/quotas": ("limit=200",),
    "/api/v1/operator/quotas/shares": ("limit=200",),
    "/api/v1/operator/connections": ("limit=200",),
    "/api/v1/operator/runs": ("limit=200",),
    "/api/v1/operator/lanes": ("limit=200",),
}
"""What is asked for besides the bare page."""

ALWAYS: Final = {
    "/set-up/login": "entity_id={entity_id}&tool=octopus",
    "/operator/quotas/shares": f"key={SHARED}&group=*&period=day",
    "/api/v1/operator/quotas/shares": f"key={SHARED}&group=*&period=day",
}
"""What is asked for with each address of a page that wants it."""

SKIPPED: Final = {
    "/documents.csv": "an export of everything is sent as it is read",
    "/api/v1/runs/{run_id}/events": "stays open while the run is at work",
    "/integrations/{connection_id}/preview": "asks the source and the tool",
    "/api/v1/connections/{connection_id}/administrations": "asks the tool",
    "/set-up/{connection_id}/books": "asks the tool",
    "/set-up/consent": "comes back from the tool",
    "/sign-in": "leads on who is signed in",
    "/sign-in/oidc": "leads to another server",
    "/sign-in/oidc/answer": "asks another server",
    "/set-up/{connection_id}": "leads on to the next step",
    "/audits/{audit_id}/findings.csv": "an export",
    "/api/v1/audits/{audit_id}/findings.csv": "an export",
    "/help/pictures/{name}": "a file",
    "/companies/{entity_id}/documents/{document_id}/content": "a file",
    "/api/v1/entities/{entity_id}/documents/{document_id}/content": "a file",
    "/api/v1/entities/{entity_id}/documents/{document_id}/files/{position}": "a file",
    "/api/v1/operator/dead-letters/{partition}/{offset}": "asks the brokers",
    "/operator/dead-letters/{partition}/{offset}": "asks the brokers",
}


class NotTimed(Exception):
    """An address that cannot be asked for, or does not answer: which, and why."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A page, of one tenant."""

    tenant: str
    address: str
    statements: int
    sql_ms: float
    """Of the median, in the database."""
    median_ms: float
    p95_ms: float
    limit_ms: float

    @property
    def over(self) -> bool:
        """Whether it takes longer than it may."""
        return self.p95_ms > self.limit_ms


async def measure(arguments: argparse.Namespace, here: Addresses, address: str) -> tuple[list[Timed], int]:
    """Every page of both tenants, and how many could not be timed."""
    found, missed = list[Timed](), 0
    async with Database(here.database_url, size=2) as db:
        await _workers(db, here)
        for tenant in (WHALE, MIDDLE):
            names = await _names(db, tenant)
            cookies = {COOKIE: await _signed_in(db, tenant)}
            await _login(db, here, tenant)
            async with aiohttp.ClientSession(
                address, cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)
            ) as http:
                pages = [*_pages(), *await _lists(http)]
                for path in pages:
                    try:
                        found += await _timed_all(http, tenant, path, names, arguments)
                    except NotTimed as not_timed:
                        print(f"not timed: {not_timed}", file=sys.stderr)
                        missed += 1
    return found, missed


async def _timed_all(
    http: aiohttp.ClientSession, tenant: str, path: str, names: dict[str, str], arguments: argparse.Namespace
) -> list[Timed]:
    """A page, bare and with all that is asked for besides. NotTimed."""
    names = names | {"cursor": await _cursor(http, path, names)}
    queries = [one for one in ("", *MORE.get(path, ())) if names["cursor"] or "{cursor}" not in one]
    return [await _timed(http, tenant, _filled(path, query, names), path, arguments) for query in queries]


def _pages() -> list[str]:
    """Addresses of all pages."""
    routes = [route for router in console.ROUTERS for route in router.routes]
    found = {re.sub(r":\w+}", "}", route.path) for route in routes if "GET" in getattr(route, "methods", ())}
    return [path for path in sorted(found) if path not in SKIPPED and "{token}" not in path]


async def _lists(http: aiohttp.ClientSession) -> list[str]:
    """Addresses of all that the API reads."""
    async with http.get("/api/v1/openapi.json") as answer:
        described = await answer.json()
    return [path for path, methods in described["paths"].items() if "get" in methods and path not in SKIPPED]


async def _names(db: Database, tenant: str) -> dict[str, str]:
    """What addresses name, of a tenant: its first connection, whose second run has many issues."""
    row = await db.one(
        """SELECT c.id, c.entity_id, r.id AS run_id, d.identity, l.entry_number, extract(year FROM current_date) AS year
           FROM connection c JOIN run r ON r.connection_id = c.id JOIN document d ON d.entity_id = c.entity_id
           JOIN link l ON l.administration_id = c.administration_id AND l.identity = d.identity AND l.entry_number <> ''
           WHERE c.tenant_id = %s AND d.tenant_id = c.tenant_id
           ORDER BY (SELECT count(*) FROM item WHERE run_id = r.id) DESC, d.identity LIMIT 1""",
        named(tenant),
    )
    assert row is not None
    return {
        "connection_id": str(row["id"]),
        "entity_id": str(row["entity_id"]),
        "run_id": str(row["run_id"]),
        "identity": quote(row["identity"], safe=""),
        "booking_number": row["entry_number"],
        "year": str(row["year"]),
        "year_before": str(row["year"] - 1),
        "third_year": str(row["year"] - 2),
        "notice_id": str(named(f"notice {tenant}")),
        "tenant_id": str(named(tenant)),
        "audit_id": str(named(tenant.replace("t", "u"))),
        "document_id": str(named(f"sent1{tenant}")),
        "webhook_id": str(named(f"webhook {tenant}")),
        "delivery_id": str(named(f"delivery1{tenant}")),
        "code": "B04",
        "name": "octopus",
    }


async def _signed_in(db: Database, tenant: str) -> str:
    """The session of an admin and operator."""
    person = await people.ensure_person(db, f"{tenant}@bench.example", operator=True)
    await people.set_role(db, named(tenant), person.id, Role.ADMIN)
    await db.run(_NOTICES, {"tenant": named(tenant), "person": person.id, "first": named(f"notice {tenant}")})
    return await sessions.begin(db, person, "bench")


# The first is of two runs, as one of a single run leads on to that.
_NOTICES: Final = """
INSERT INTO notice (id, tenant_id, person_id, kind, about, facts, read_at)
SELECT CASE n WHEN 1 THEN %(first)s ELSE gen_random_uuid() END, %(tenant)s, %(person)s, 'runs', gen_random_uuid(),
       '{"statuses": {"Success": 1, "Warning": 50}, "components": {"sales_invoices": {"synced": 900, "skipped": 50}}}'
       ::jsonb || jsonb_build_object('runs', (
           SELECT jsonb_agg(jsonb_build_object('id', gen_random_uuid(), 'entity', 'Company ' || r, 'tool', 'octopus',
                                               'status', 'Warning', 'synced', 17, 'skipped', 1))
           FROM generate_series(1, 50) r)), CASE WHEN n %% 2 = 0 THEN now() END
FROM generate_series(1, 2000) n ON CONFLICT DO NOTHING
"""


async def _login(db: Database, here: Addresses, tenant: str) -> None:
    """Closes the login of the connection that is looked at under the key of this time."""
    settings = here.vault.encrypt({"software_house_uuid": "bench", "user": "bench", "password": "bench"})
    await db.run(
        "UPDATE login SET settings = %s WHERE id IN (SELECT login_id FROM connection WHERE tenant_id = %s)",
        settings,
        named(tenant),
    )


async def _workers(db: Database, here: Addresses) -> None:
    """Four workers, which hold the lanes."""
    await db.run(
        """INSERT INTO worker_slot (member, holder)
           SELECT %s || n, gen_random_uuid() FROM generate_series(0, 3) n ON CONFLICT DO NOTHING""",
        f"{here.prefix}.workers-",
    )


def _filled(path: str, query: str, names: dict[str, str]) -> str:
    query = "&".join(part for part in (ALWAYS.get(path), query) if part)
    address = f"{path}?{query}" if query else path
    for name, value in names.items():
        address = address.replace(f"{{{name}}}", value)
    if "{" in address:
        raise NotTimed(f"{address}: say in `_names` what it names, or in `SKIPPED` why it is not timed")
    return address


async def _cursor(http: aiohttp.ClientSession, path: str, names: dict[str, str]) -> str:
    """Where the second page of a list begins; empty where there is none."""
    async with http.get(_filled(path, "", names)) as answer:
        text = await answer.text()
        if answer.status != 200:
            raise NotTimed(f"{path} answers {answer.status}")
    if answer.content_type == "application/json":
        return str(json.loads(text).get("next") or "")
    found = re.search(r'[?&](?:amp;)?cursor=([^"&]+)', text)
    return found[1] if found else ""


async def _timed(http: aiohttp.ClientSession, tenant: str, address: str, path: str, arguments: Any) -> Timed:
    times, sql = [], []
    statements = 0
    for _ in range(arguments.rounds):
        async with http.get(address, allow_redirects=False) as answer:
            await answer.read()
            if answer.status != 200:
                raise NotTimed(f"{address} answers {answer.status}")
            told = re.fullmatch(r"app;dur=(\S+), sql;dur=(\S+);desc=(\d+)", answer.headers["Server-Timing"])
        assert told is not None
        times.append(float(told[1]))
        sql.append(float(told[2]))
        statements = int(told[3])
    times.sort()
    found = Timed(
        tenant=tenant,
        address=address,
        statements=statements,
        sql_ms=round(statistics.median(sql), 1),
        median_ms=round(statistics.median(times), 1),
        p95_ms=round(times[max(0, -(-len(times) * 95 // 100) - 1)], 1),
        limit_ms=LIMITS.get(path, LIMIT),
    )
    if arguments.plans and (found.over or arguments.all_plans):
        name = re.sub(r"\W+", "-", f"{tenant}{address}")[:120]
        async with http.get(
            address, headers={"X-Plans": str(Path(arguments.plans).resolve() / f"{name}.txt")}
        ) as answer:
            await answer.read()
    return found


@contextmanager
def _web(here: Addresses) -> Iterator[str]:
    """The web process: its address."""
    command = [sys.executable, str(Path(__file__).with_name("measured_web.py"))]
    environment = {**os.environ, "BENCH": json.dumps(asdict(here))}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, "the web process did not start"
            yield address
        finally:
            process.terminate()


def _show(rows: list[Timed]) -> None:
    print("| tenant | page | statements | sql_ms | median_ms | p95_ms | |")
    print("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    for row in rows:
        shown = row.address if len(row.address) < 70 else row.address[:67] + "..."
        over = f"over {row.limit_ms:.0f}" if row.over else ""
        print(
            f"| {row.tenant} | `{shown}` | {row.statements} | {row.sql_ms} | {row.median_ms} | {row.p95_ms} | {over} |"
        )


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Sizes()
    parser.add_argument("--connections", type=int, default=usual.connections)
    parser.add_argument("--documents", type=int, default=usual.documents)
    parser.add_argument("--tenants", type=int, default=usual.tenants)
    parser.add_argument("--issues", type=int, default=usual.issues, help="in one run")
    parser.add_argument("--rounds", type=int, default=20, help="requests for each page")
    parser.add_argument("--plans", help="a folder for the plans of what is over its limit")
    parser.add_argument("--all-plans", action="store_true", help="of everything")
    parser.add_argument("--filled", help="a database on the same server that was filled before, and stays")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    configure("WARNING")
    with (
        tempfile.TemporaryDirectory(prefix="dagboek-bench-") as folder,
        services_for(Settings(data_dir=Path(folder))) as services,
    ):
        name = arguments.filled or f"pages_{secrets.token_hex(4)}"
        url = beside_it(services.database_url, name)
        if not arguments.filled:
            sizes = Sizes(arguments.connections, arguments.documents, arguments.tenants, arguments.issues)
            _fill(services.database_url, url, name, sizes)
        here = Addresses(services.kafka_bootstrap, url, Fernet.generate_key().decode(), prefix=name)
        with _web(here) as address:
            rows, missed = asyncio.run(measure(arguments, here, address))
    if arguments.json:
        print(json.dumps({"machine": machine(), "pages": [asdict(row) for row in rows]}, indent=1))
    else:
        print(f"{machine()}\n")
        _show(rows)
    if missed or any(row.over for row in rows):
        sys.exit(1)


def _fill(server: str, url: str, name: str, sizes: Sizes) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection, sizes)


if __name__ == "__main__":
    main()
