"""What a request looks up under row-level security is found by indexes, whatever others have: on filled tables."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from hashlib import md5
from uuid import UUID

import pytest
from dagboek import connections, documents, exchanges, history, tenants
from dagboek import database as database_module
from dagboek.audit import records
from dagboek.audit.comparing import Kind
from dagboek.database import Database, migrate
from dagboek.documents import Standing, Wanted
from dagboek.embedded import Services
from dagboek.installation import connections as connections_of_all
from dagboek.installation import quotas, workers
from dagboek.installation import runs as runs_of_all
from dagboek.installation import tenants as of_all
from dagboek.installation.overview import overview
from dagboek.notices import bell, outbox
from dagboek.sent_in import store
from dagboek.web.signin import keys, people, sessions, trail
from dagboek.web.tenancy import InstallationDatabase, RequestDatabase, TenantDatabase
from dagboek.webhooks import deliveries, endpoints
from dagboek.webhooks.deliveries import DeliveryState
from end_to_end.harness import new_database
from query_plans import FILL, Explained, read_whole


def named(what: str) -> UUID:
    return UUID(md5(what.encode()).hexdigest())


TENANT, RUN, CONNECTION, ENTITY, PERSON = named("t7"), named("r7-3"), named("c7"), named("e7"), named("p6")
WEBHOOK = named("w7")
AUDIT = named(f"{CONNECTION}7")
PAGE = 51
MORE = """
INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, small)
SELECT gen_random_uuid(), tenant_id, entity_id, id, administration_id, 'retry', true
FROM connection, generate_series(1, 20);

INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity, duplicate_of)
SELECT source_id, entity_id, 'copy of ' || origin_id, 'f', identity, origin_id FROM document WHERE number::int <= 20;

INSERT INTO person (id, email) SELECT md5('p' || n)::uuid, 'p' || n || '@example.com' FROM generate_series(1, 2000) n;

INSERT INTO membership (tenant_id, person_id, role)
SELECT md5('t' || 1 + mod(n, 200))::uuid, md5('p' || n)::uuid, 'viewer' FROM generate_series(1, 2000) n;

INSERT INTO web_session (token_hash, person_id, expires_at)
SELECT 's' || n, md5('p' || n)::uuid, now() + interval '1 day' FROM generate_series(1, 2000) n;

INSERT INTO api_key (tenant_id, name, start, key_hash, scopes, created_by)
SELECT md5('t' || 1 + mod(n, 200))::uuid, 'k', 'dgb_', 'k' || n, '{read}', 'x' FROM generate_series(1, 2000) n;

INSERT INTO audit (id, tenant_id, connection_id, administration_id, first_day, last_day, state, requested_by,
                   expected_calls)
SELECT md5(id::text || n)::uuid, tenant_id, id, administration_id, '2026-01-01', '2026-01-31', 'done', 'x', 2
FROM connection, generate_series(1, 20) n;

INSERT INTO audit_finding (audit_id, place, kind, differences)
SELECT id, n, 'found', '{}' FROM audit, generate_series(1, 20) n;

INSERT INTO email (tenant_id, person_id, kind)
SELECT md5('t' || 1 + mod(n, 200))::uuid, md5('p' || 1 + mod(n, 2000))::uuid, 'link' FROM generate_series(1, 20000) n;

INSERT INTO notice (tenant_id, person_id, kind, about, facts)
SELECT md5('t' || 1 + mod(n, 200))::uuid, md5('p' || 1 + mod(n, 2000))::uuid, 'runs', md5('b' || n)::uuid, '{}'
FROM generate_series(1, 20000) n;

INSERT INTO sent_document (tenant_id, entity_id, origin_id, version, direction, kind, number, issue_date, party_name,
                           gross, currency)
SELECT tenant_id, entity_id, origin_id, 1, direction, kind, number, issue_date, party_name, gross, currency
FROM document;

INSERT INTO sent_version (tenant_id, document_id, version, format, body, digest, direction, sent_by)
SELECT tenant_id, id, 1, 'ubl', '', '', direction, 'x' FROM sent_document;

INSERT INTO trail (tenant_id, who, action)
SELECT md5('t' || 1 + mod(n, 200))::uuid, 'x', 'x' FROM generate_series(1, 20000) n;

INSERT INTO limit_use (key, operation_group, period, window_start, used, known)
SELECT 'k' || n, '*', 'day', now(), mod(n, 100), 100 FROM generate_series(1, 5000) n;

INSERT INTO limit_share (key, operation_group, period, administration_id, window_start, used)
SELECT 'k' || n, '*', 'day', a.id, now(), 1 FROM administration a, generate_series(1, 50) n;

INSERT INTO limit_error (key, operation_group) SELECT 'k' || n, '*' FROM generate_series(1, 5000) n;

INSERT INTO webhook (id, tenant_id, address, types, secret, created_by)
SELECT md5('w' || n)::uuid, md5('t' || n)::uuid, 'https://a.example/', '{x}', '', 'x' FROM generate_series(1, 200) n;

INSERT INTO webhook_delivery (id, tenant_id, webhook_id, event_id, type, body, state, give_up_at)
SELECT md5('d' || n || '-' || d)::uuid, md5('t' || n)::uuid, md5('w' || n)::uuid, gen_random_uuid(), 'x', '',
       'delivered', now() FROM generate_series(1, 200) n, generate_series(1, 100) d;

INSERT INTO webhook_attempt (delivery_id, at, status, milliseconds) SELECT id, now(), 200, 1 FROM webhook_delivery
"""


@pytest.fixture(scope="module")
async def db(services: Services) -> AsyncIterator[TenantDatabase]:
    with pytest.MonkeyPatch.context() as patched, new_database(services) as url:
        await asyncio.to_thread(migrate, url)
        async with Database(url) as owner:
            for statement in FILL.split(";\n\n"):
                await owner.run(statement)
            for statement in MORE.split(";\n\n"):
                await owner.run(statement)
            await owner.run("UPDATE document SET linked = true")
            await owner.run("VACUUM ANALYZE")
        patched.setattr(database_module, "Connection", Explained)
        async with RequestDatabase(url) as requests:
            yield requests.of(TENANT)


async def _none_of(looked_up: Awaitable[object]) -> None:
    with suppress(store.UnknownSent):
        await looked_up


LISTS: dict[str, Callable[[Database], Awaitable[object]]] = {
    "connections": lambda db: connections.page(db, TENANT, limit=PAGE),
    "a connection": lambda db: connections.find(db, CONNECTION, TENANT),
    "last runs": lambda db: history.last_runs(db, [CONNECTION]),
    "entities": lambda db: tenants.entities_page(db, TENANT, limit=PAGE),
    "sent documents": lambda db: store.page(db, ENTITY, limit=PAGE),
    "more sent documents": lambda db: store.page(db, ENTITY, after=(datetime.now(UTC), ENTITY), limit=PAGE),
    "a sent document": lambda db: _none_of(store.one(db, ENTITY, ENTITY)),
    "runs": lambda db: history.runs_page(db, TENANT, limit=PAGE),
    "runs of a connection": lambda db: history.runs_page(db, TENANT, connection_id=CONNECTION, limit=PAGE),
    "open runs": lambda db: history.runs_page(db, TENANT, open_only=True, limit=PAGE),
    "a run": lambda db: history.run_overview(db, TENANT, RUN),
    "details": lambda db: history.details_page(db, TENANT, RUN, limit=PAGE),
    "all details": lambda db: history.details_page(db, TENANT, RUN, everything=True, limit=PAGE),
    "exchanges of a run": lambda db: exchanges.of_run(db, TENANT, RUN, limit=PAGE),
    "documents": lambda db: documents.page(db, TENANT, Wanted(), limit=PAGE),
    "more documents": lambda db: documents.page(db, TENANT, Wanted(), after=(date(2026, 1, 1), "d1:50"), limit=PAGE),
    "documents of an entity": lambda db: documents.page(db, TENANT, Wanted(entity_id=ENTITY), limit=PAGE),
    "not synced": lambda db: documents.page(db, TENANT, Wanted(not_synced=True), limit=PAGE),
    "needs a person": lambda db: documents.page(db, TENANT, Wanted(standing=Standing.NEEDS_PERSON), limit=PAGE),
    "skipped": lambda db: documents.page(db, TENANT, Wanted(standing=Standing.SKIPPED), limit=PAGE),
    "waiting": lambda db: documents.page(db, TENANT, Wanted(standing=Standing.WAITING), limit=PAGE),
    "booked": lambda db: documents.page(db, TENANT, Wanted(standing=Standing.BOOKED), limit=PAGE),
    "search": lambda db: documents.page(db, TENANT, Wanted(search="17"), limit=PAGE),
    "search in what is not synced": lambda db: documents.page(
        db, TENANT, Wanted(search="17", not_synced=True), limit=PAGE
    ),
    "a document": lambda db: documents.one(db, TENANT, "d1:7"),
    "attempts": lambda db: documents.attempts(db, TENANT, "d1:7"),
    "exchanges of a document": lambda db: exchanges.of_document(db, TENANT, "d1:7"),
    "leftovers": lambda db: documents.leftovers(db, TENANT, Wanted(), limit=PAGE),
    "parties in doubt": lambda db: documents.parties_in_doubt(db, TENANT),
    "audits": lambda db: records.page(db, TENANT, limit=PAGE),
    "audits of a connection": lambda db: records.page(db, TENANT, connection_id=CONNECTION, limit=PAGE),
    "findings": lambda db: records.findings(db, AUDIT, limit=PAGE),
    "findings of a kind": lambda db: records.findings(db, AUDIT, kind=Kind.MISSING, limit=PAGE),
    "people": lambda db: people.members(db, after=None, limit=PAGE),
    "keys": lambda db: keys.keys(db, limit=PAGE),
    "trail": lambda db: trail.deeds(db, limit=PAGE),
    "notices": lambda db: bell.page(db, PERSON, limit=PAGE),
    "unread notices": lambda db: bell.page(db, PERSON, unread=True, limit=PAGE),
    "the bell": lambda db: bell.standing(db, PERSON),
    "invitations": lambda db: outbox.invitations(db, [PERSON]),
    "webhooks": lambda db: endpoints.page(db, TENANT, limit=PAGE),
    "deliveries": lambda db: deliveries.page(db, TENANT, WEBHOOK, limit=PAGE),
    "deliveries that failed": lambda db: deliveries.page(db, TENANT, WEBHOOK, state=DeliveryState.FAILED, limit=PAGE),
    "a delivery": lambda db: deliveries.one(db, TENANT, WEBHOOK, named("d7-1")),
    "its tries": lambda db: deliveries.attempts(db, named("d7-1")),
}


@pytest.mark.parametrize("name", LISTS)
async def test_no_list_reads_a_table_of_all_tenants_from_end_to_end(db: TenantDatabase, name: str) -> None:
    Explained.plans.clear()

    found = await LISTS[name](db)

    plans = [(query, plan) for query, plan in Explained.plans if "set_config" not in query]
    assert plans
    assert "dagboek.tenant" in str(plans[-1][1]), "the policy is part of the plan"
    assert set().union(*(read_whole(plan) for _, plan in plans)) == set()
    if name in ("documents", "runs", "search", "connections"):
        assert found, "otherwise nothing is shown"


OF_OPERATORS: dict[str, Callable[[Database], Awaitable[object]]] = {
    "tenants": lambda db: of_all.tenants_page(db, limit=PAGE),
    "more tenants": lambda db: of_all.tenants_page(db, after="T5", limit=PAGE),
    "people of all": lambda db: of_all.people_page(db, limit=PAGE),
    "runs under way": lambda db: runs_of_all.open_runs(db, limit=PAGE),
    "a run under way": lambda db: runs_of_all.open_run(db, RUN),
    "overview": lambda db: overview(db, {"x"}),
    "lanes": lambda db: workers.held_lanes(db, limit=PAGE),
    "lanes of a worker": lambda db: workers.held_lanes(db, slot="1", limit=PAGE),
    "limits": lambda db: quotas.quotas(db, limit=PAGE),
    "more limits": lambda db: quotas.quotas(db, after=("k17", "*", "day"), limit=PAGE),
    "limits that are nearly used up": lambda db: quotas.quotas(db, low=True, limit=PAGE),
    "shares of a limit": lambda db: quotas.shares(db, "k7", "*", "day", limit=PAGE),
    "more shares of a limit": lambda db: quotas.shares(db, "k7", "*", "day", after=(1, named("a7")), limit=PAGE),
    "connections of all": lambda db: connections_of_all.connections_page(db, limit=PAGE),
    "parked runs": lambda db: runs_of_all.open_runs(db, state=runs_of_all.RunState.PARKED, limit=PAGE),
    "trail of all": lambda db: trail.all_deeds(db, limit=PAGE),
}


@pytest.mark.parametrize("name", OF_OPERATORS)
async def test_no_list_of_operators_reads_what_grows_from_end_to_end(db: TenantDatabase, name: str) -> None:
    """Over all tenants, as the service's own role."""
    async with Database(db.url, size=1) as core:
        Explained.plans.clear()
        assert await OF_OPERATORS[name](InstallationDatabase(core)) is not False
    assert Explained.plans
    assert set().union(*(read_whole(plan) for _, plan in Explained.plans)) == set()


async def test_words_are_found_by_their_index(db: TenantDatabase) -> None:
    """Within the function, whose plan is not shown: by what was counted."""

    async def scans() -> tuple[int, int]:
        async with Database(db.url, size=1) as owner:
            row = await owner.one(
                """SELECT (SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'document_words') AS words,
                          (SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'document') AS whole"""
            )
        assert row is not None
        return row["words"], row["whole"]

    words, whole = await scans()
    async with db.connection() as connection:
        found = await connection.execute(
            "SELECT * FROM documents_found('17', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 100)"
        )
        assert [row["found_identity"] for row in await found.fetchall()] == ["d1:17"]
        await connection.execute("SELECT pg_stat_force_next_flush()")
    await db.all("SELECT 1 AS one")
    now = await scans()
    assert now[0] > words
    assert now[1] == whole


OLD = """
INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                      party_identity, party_name, source_id, origin_id, revision)
SELECT tenant_id, 'd1:' || age || n, entity_id, direction, kind, age || n,
       CASE age WHEN 'old' THEN date '2023-01-01' + n / 30 ELSE date '2024-01-01' + n / 30 END, currency, gross,
       party_identity, age, source_id, origin_id, revision
FROM document, unnest(ARRAY['old', 'young']) age, generate_series(1, 10500) n
WHERE tenant_id = md5('t8')::uuid AND identity = 'd1:1'
"""
"""A word that half of a tenant's documents have, all of them older than the others; 900 a month."""


async def test_a_word_of_many_old_documents_is_found_without_reading_them_or_the_newer_ones(db: TenantDatabase) -> None:
    async with Database(db.url, size=1) as owner:
        await owner.run(OLD)
        await owner.run("ANALYZE document")

        async def read() -> int:
            row = await owner.one("SELECT pg_stat_get_tuples_fetched('document'::regclass) AS number")
            assert row is not None
            return int(row["number"])

        async with RequestDatabase(db.url, size=1) as requests:
            of = requests.of(named("t8"))
            before = await read()
            async with of.connection() as connection:
                places = await connection.execute(
                    "SELECT * FROM documents_found('old', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 51)"
                )
                found = [row["found_date"] for row in await places.fetchall()]
                await connection.execute("SELECT pg_stat_force_next_flush()")
            await of.all("SELECT 1 AS one")
        assert found == sorted(found, reverse=True)
        assert (len(found), found[0]) == (51, date(2023, 12, 17))
        assert await read() - before < 2_000


async def test_who_asks_is_found_by_index(db: TenantDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "Connection", Explained)
    async with Database(db.url, size=1) as core:
        Explained.plans.clear()
        assert await sessions.session_of(core, "no token") is None
        assert await keys.key_of(core, "no key") is None
    used = str([plan for _, plan in Explained.plans])
    assert "web_session_token_hash_key" in used
    assert "api_key_key_hash_key" in used
