"""Webhooks against a real HTTP server: what is told to whom, how it is signed, tried again, and given up."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from cryptography.fernet import Fernet
from dagboek.database import Database
from dagboek.notices import bell, telling
from dagboek.push_record import Group, ItemOutcome, write
from dagboek.runs import finish_run
from dagboek.speech import Speech
from dagboek.sweeper import write_events
from dagboek.vault import Vault
from dagboek.web.rights import Role
from dagboek.web.signin import people
from dagboek.webhooks import deliveries, endpoints
from dagboek.webhooks.addresses import Allowed, UnusableAddress, checked
from dagboek.webhooks.deliverer import AT_ONCE, DUE, FIRST, LONGEST, SOME, Deliverer, delay
from dagboek.webhooks.deliveries import LEASE, DeliveryState
from dagboek.webhooks.endpoints import OffReason, State, Webhook
from dagboek.webhooks.kinds import TYPES
from dagboek.webhooks.outbox import NOTE_OUTCOMES, Event, note
from dagboek.webhooks.sending import KEPT, Trouble, redacted
from dagboek.webhooks.spreading import spread
from dagboek_schemas import events
from dagboek_schemas.statuses import Component, ItemKind, ItemState
from push_books import Books, new_books
from standardwebhooks import Webhook as Verifier

BOOKED, SKIPPED, ENDED = "dagboek.document.booked.v1", "dagboek.document.skipped.v1", "dagboek.run.finished.v1"
HERE = Allowed.of("127.0.0.0/8")
BOUND = 60
"""Seconds to wait for what comes in a moment, on a machine that is busy."""


@dataclass
class Receiver:
    """Somebody's program that is told."""

    address: str = ""
    status: int = 200
    answer: str = "thanks"
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    held: asyncio.Event | None = None
    open: int = 0
    most_open: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        if self.held is not None:
            await self.held.wait()
        self.open -= 1
        return web.Response(status=self.status, text=self.answer, headers=self.headers)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]

    async def until(self, number: int) -> None:
        async with asyncio.timeout(BOUND):
            while len(self.got) < number:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def receiving(**given: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**given)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    receiver.address = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hook"  # type: ignore[attr-defined]
    try:
        yield receiver
    finally:
        if receiver.held is not None:
            receiver.held.set()
        await runner.cleanup()


@dataclass
class Hooks:
    """The webhooks of one tenant, with who delivers."""

    books: Books
    vault: Vault
    deliverer: Deliverer
    secrets: dict[UUID, str] = field(default_factory=dict)

    @property
    def db(self) -> Database:
        return self.books.db

    async def to(self, address: str, *types: str) -> Webhook:
        secret, made = await endpoints.register(
            self.db, self.vault, self.books.tenant, address, types or TYPES, "", "a test"
        )
        self.secrets[made.id] = secret
        return made

    async def now(self, webhook: Webhook) -> Webhook:
        return await endpoints.find(self.db, self.books.tenant, webhook.id)

    async def happened(self, number: int = 1, type_: str = ENDED) -> list[UUID]:
        """Events that mean nothing."""
        made = [Event(uuid4(), type_, b'{"occurred_at":"2026-02-03T08:30:00Z","n":%d}' % n) for n in range(number)]
        async with self.db.transaction() as connection:
            await note(connection, self.books.tenant, made)
        return [one.event_id for one in made]

    async def delivered(self) -> None:
        """All that is due has been tried."""
        await self.deliverer.step()
        await self.deliverer.idle()

    async def log(self, webhook: Webhook) -> list[deliveries.Delivery]:
        return await deliveries.page(self.db, self.books.tenant, webhook.id, limit=1000)

    async def hours_pass(self, webhook: Webhook, hours: float = 13) -> None:
        """As if it were later."""
        back = timedelta(hours=hours)
        await self.db.run(
            """UPDATE webhook_delivery SET next_at = next_at - %s, give_up_at = give_up_at - %s,
                      created_at = created_at - %s WHERE webhook_id = %s""",
            back, back, back, webhook.id,
        )  # fmt: skip
        await self.db.run(
            """UPDATE webhook SET rest_until = rest_until - %s, failing_since = failing_since - %s,
                      old_secret_until = old_secret_until - %s WHERE id = %s""",
            back, back, back, webhook.id,
        )  # fmt: skip


@pytest.fixture
async def hooks(database: Database) -> AsyncIterator[Hooks]:
    await database.run("DELETE FROM webhook")  # of the test before
    await database.run("DELETE FROM webhook_event")
    async with new_books(database) as books:
        vault = Vault([Fernet.generate_key().decode()])
        deliverer = Deliverer(database, vault, HERE)
        yield Hooks(books, vault, deliverer)
        await deliverer.close()


async def outcome(books: Books, sequence: int, state: ItemState = ItemState.SYNCED) -> events.ItemOutcome:
    """What a worker writes for a document."""
    made = events.ItemOutcome(
        run_id=books.run,
        tenant_id=books.tenant,
        entity_id=uuid4(),
        connection_id=uuid4(),
        administration_id=books.administration,
        component=Component.SALES_INVOICES,
        kind=ItemKind.DOCUMENT,
        sequence=sequence,
        state=state,
        identity=f"d1:{sequence}",
        document_number="2026/1",
        occurred_at=datetime(2026, 2, 3, 8, 30, tzinfo=UTC),
    )
    value = made.model_dump_json(exclude_none=True).encode()
    await write(books.connection, Group(items=[ItemOutcome(books.run, sequence, state, value)]))
    return made


# what is told


async def test_an_outcome_is_told_signed_with_the_data_of_the_topic_to_who_wants_it(hooks: Hooks) -> None:
    async with receiving() as wanting, receiving() as other:
        webhook = await hooks.to(wanting.address, BOOKED)
        await hooks.to(other.address, SKIPPED)
        await hooks.books.item(0)
        told = await outcome(hooks.books, 0)
        await hooks.delivered()

    [(headers, body)] = wanting.got
    assert headers["webhook-id"] == str(told.event_id), "as the header ce_id on the topic"
    assert headers["content-type"] == "application/json"
    found = Verifier(hooks.secrets[webhook.id]).verify(body, headers)
    assert found == {
        "type": BOOKED,
        "timestamp": "2026-02-03T08:30:00Z",
        "data": json.loads(told.model_dump_json(exclude_none=True)),
    }
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(hooks.secrets[webhook.id]).verify(body.replace(b"2026/1", b"2026/2"), headers)
    assert other.got == []
    [one] = await hooks.log(webhook)
    assert (one.state, one.status, one.trouble, one.attempts) == (DeliveryState.DELIVERED, 200, None, 1)
    assert [row.answer for row in await deliveries.attempts(hooks.db, one.id)] == ["thanks"]


async def test_what_the_core_decides_and_the_end_of_a_run_are_told(hooks: Hooks) -> None:
    async with receiving() as receiver:
        await hooks.to(receiver.address)
        await hooks.books.item(0)
        assert await finish_run(hooks.books.connection, hooks.books.run, cancelled=True)
        await write_events(hooks.db)
        await hooks.delivered()
    told = {json.loads(body)["type"] for _, body in receiver.got}
    assert told == {"dagboek.document.not-tried.v1", "dagboek.component.finished.v1", ENDED}


async def test_nothing_is_told_of_an_end_that_is_undone(hooks: Hooks) -> None:
    await hooks.to("https://a.example/", ENDED)
    with pytest.raises(ZeroDivisionError):
        async with hooks.db.transaction() as connection:
            assert await finish_run(connection, hooks.books.run)
            raise ZeroDivisionError
    assert await hooks.db.all("SELECT * FROM webhook_event") == []
    async with hooks.db.transaction() as connection:
        assert await finish_run(connection, hooks.books.run)
    assert [row["type"] for row in await hooks.db.all("SELECT * FROM webhook_event")] == [ENDED]


async def test_an_outcome_that_is_written_twice_is_told_once(hooks: Hooks) -> None:
    """The answer to a commit may be lost, and the group comes again."""
    async with receiving() as receiver:
        await hooks.to(receiver.address, "dagboek.document.to-settle.v1")
        await hooks.books.item(0)
        await outcome(hooks.books, 0, ItemState.TO_SETTLE)
        await spread(hooks.db)
        await outcome(hooks.books, 0, ItemState.TO_SETTLE)
        await hooks.delivered()
    assert len(receiver.got) == 1


async def test_nothing_is_written_for_who_has_no_webhook_and_nothing_looked_for_where_nobody_has(
    hooks: Hooks, database: Database
) -> None:
    """A run of 100,000 documents asks nothing for each of them."""
    question = f"""EXPLAIN (ANALYZE, FORMAT JSON) WITH written AS MATERIALIZED (
        SELECT %s::uuid AS run_id, 'x'::bytea AS event FROM generate_series(1, 100)) {NOTE_OUTCOMES}"""

    async def plan() -> list[dict[str, Any]]:
        async with database.transaction() as connection:
            found = await (await connection.execute(question, (hooks.books.run,))).fetchone()
            assert found is not None
            return list(parts(found["QUERY PLAN"][0]["Plan"]))

    nobody = await plan()
    assert "One-Time Filter" in str(nobody)
    assert [part["Actual Loops"] for part in nobody if part.get("CTE Name") == "written"] == [0]
    assert [part["Actual Loops"] for part in nobody if part.get("Relation Name") == "run"] == [0]

    async with new_books(database) as others:
        await endpoints.register(database, hooks.vault, others.tenant, "https://a.example/", TYPES, "", "a test")
        looked = [part for part in await plan() if part.get("Relation Name") == "run"]
        assert [part["Index Name"] for part in looked] == ["run_pkey"]
        await hooks.books.item(0)
        await outcome(hooks.books, 0)
        assert await database.all("SELECT * FROM webhook_event") == []
        await others.item(0)
        await outcome(others, 0)
        assert len(await database.all("SELECT * FROM webhook_event")) == 1


def parts(plan: dict[str, Any]) -> Sequence[dict[str, Any]]:
    return [plan, *(below for part in plan.get("Plans", ()) for below in parts(part))]


async def test_an_event_that_cannot_be_read_holds_up_no_other(hooks: Hooks) -> None:
    async with receiving() as receiver:
        await hooks.to(receiver.address)
        await hooks.db.run("INSERT INTO webhook_event (tenant_id, value) VALUES (%s, 'no JSON')", hooks.books.tenant)
        for value in (b"no JSON", b"{}"):
            await hooks.db.run(
                "INSERT INTO webhook_event (tenant_id, event_id, type, value) VALUES (%s, %s, %s, %s)",
                hooks.books.tenant, uuid4(), ENDED, value,
            )  # fmt: skip
        await hooks.happened()
        await hooks.delivered()
    assert len(receiver.got) == 1
    assert await hooks.db.all("SELECT * FROM webhook_event") == []


# signatures


async def test_both_secrets_sign_for_a_day_after_one_was_replaced(hooks: Hooks) -> None:
    async with receiving() as receiver:
        webhook = await hooks.to(receiver.address)
        old = hooks.secrets[webhook.id]
        new = await endpoints.rotate(hooks.db, hooks.vault, webhook)
        await hooks.happened()
        await hooks.delivered()
        for secret in (old, new):
            headers, body = receiver.got[0]
            assert Verifier(secret).verify(body, headers)
        await hooks.hours_pass(webhook, 25)
        await hooks.happened()
        await hooks.delivered()
    headers, body = receiver.got[1]
    assert Verifier(new).verify(body, headers)
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(old).verify(body, headers)


async def test_secrets_are_stored_encrypted_and_take_the_newest_key(hooks: Hooks) -> None:
    webhook = await hooks.to("https://a.example/")
    row = await hooks.db.one("SELECT w::text AS row, secret FROM webhook w WHERE id = %s", webhook.id)
    assert row is not None
    secret = hooks.secrets[webhook.id]
    assert secret.startswith("whsec_")
    assert secret.removeprefix("whsec_") not in row["row"]
    assert hooks.vault.decrypt(row["secret"]) == {"secret": secret}

    newest = Fernet.generate_key().decode()
    both = Vault([newest, *hooks_keys(hooks.vault)])
    assert await endpoints.rotate_keys(hooks.db, both) == 1
    row = await hooks.db.one("SELECT secret FROM webhook WHERE id = %s", webhook.id)
    assert row is not None
    assert Vault([newest]).decrypt(row["secret"]) == {"secret": secret}


def hooks_keys(vault: Vault) -> list[str]:
    import base64

    return [base64.urlsafe_b64encode(one._signing_key + one._encryption_key).decode() for one in vault._fernet._fernets]


# trying again, and giving up


async def test_what_did_not_arrive_is_tried_again_under_the_same_id(hooks: Hooks) -> None:
    async with receiving(status=500, answer="oops: token=abcdefghijkl") as receiver:
        webhook = await hooks.to(receiver.address)
        [event_id] = await hooks.happened()
        await hooks.delivered()
        [one] = await hooks.log(webhook)
        assert (one.state, one.status, one.trouble) == (DeliveryState.WAITING, 500, Trouble.STATUS)
        assert one.next_at is not None
        assert one.next_at > datetime.now(UTC)
        await hooks.delivered()
        assert len(receiver.got) == 1, "not before its time"
        assert (await hooks.now(webhook)).failing_since is not None

        receiver.status = 204
        await hooks.hours_pass(webhook)
        await hooks.delivered()
    assert receiver.ids == [str(event_id)] * 2
    [one] = await hooks.log(webhook)
    assert (one.state, one.attempts) == (DeliveryState.DELIVERED, 2)
    tries = await deliveries.attempts(hooks.db, one.id)
    assert [(row.status, row.trouble) for row in tries] == [(204, None), (500, Trouble.STATUS)]
    assert tries[1].answer == "oops: token=[redacted]"
    assert (await hooks.now(webhook)).failing_since is None


def test_tries_are_further_and_further_apart_and_last_about_three_days() -> None:
    waits = [delay(number) for number in range(12)]
    assert FIRST * 0.8 <= waits[0] <= FIRST * 1.2
    assert waits[:7] == sorted(waits[:7])
    assert max(waits) <= LONGEST * 1.2
    assert 2.0 < sum(waits[:11]) / 86_400 < 3.5
    assert len({delay(5) for _ in range(5)}) > 1, "not all at once"


async def test_what_has_been_tried_for_three_days_is_given_up_and_the_webhook_switched_off(hooks: Hooks) -> None:
    async with receiving(status=503) as receiver:
        webhook = await hooks.to(receiver.address)
        await hooks.happened()
        tries = 0
        while (await hooks.now(webhook)).state is State.ON:
            await hooks.delivered()
            await hooks.hours_pass(webhook)
            tries += 1
            assert tries < 20
        [one] = await hooks.log(webhook)
        assert (await hooks.now(webhook)).off_reason is OffReason.FAILING
        assert one.state is DeliveryState.FAILED
        seen = len(receiver.got)
        await hooks.happened()
        await hooks.delivered()
        assert len(receiver.got) == seen
        assert len(await hooks.log(webhook)) == 1, "nothing is kept for one that is off"

        receiver.status = 200
        assert await endpoints.resume(hooks.db, hooks.books.tenant, webhook.id)
        assert await deliveries.send_again(hooks.db, hooks.books.tenant, webhook.id, one.id)
        await hooks.delivered()
    assert receiver.ids[-1] == receiver.ids[0]
    assert (await hooks.log(webhook))[0].state is DeliveryState.DELIVERED


async def test_410_switches_it_off(hooks: Hooks) -> None:
    async with receiving(status=410) as receiver:
        webhook = await hooks.to(receiver.address)
        await hooks.happened()
        await hooks.delivered()
        found = await hooks.now(webhook)
        assert (found.state, found.off_reason) == (State.OFF, OffReason.GONE)
        await hooks.hours_pass(webhook)
        await hooks.delivered()
    assert len(receiver.got) == 1


@pytest.mark.parametrize("reason", OffReason)
async def test_who_may_manage_webhooks_is_told_by_the_bell_that_one_was_switched_off(
    hooks: Hooks, reason: OffReason
) -> None:
    db, tenant = hooks.db, hooks.books.tenant
    roles = (Role.ADMIN, Role.ADMIN, Role.BOOKKEEPER)
    admin, gone, bookkeeper = [await people.ensure_person(db, f"{uuid4().hex}@example.com") for _ in roles]
    for person, role in zip((admin, gone, bookkeeper), roles, strict=True):
        await people.set_role(db, tenant, person.id, role)
    await db.run("UPDATE person SET disabled_at = now() WHERE id = %s", gone.id)
    speech = Speech("en", ZoneInfo("Europe/Brussels"))
    async with receiving(status=410 if reason is OffReason.GONE else 500) as receiver:
        webhook = await hooks.to(receiver.address)
        for number in (1, 2):
            await db.run("UPDATE webhook SET failing_since = now() - interval '4 days' WHERE id = %s", webhook.id)
            await hooks.happened()
            await hooks.delivered()
            told = [telling.told(one, speech, str) for one in await bell.page(db, admin.id, limit=9)]
            assert len(told) == number, "each time"
            await endpoints.resume(db, tenant, webhook.id)
    assert (told[0].title, told[0].status, told[0].address) == (
        "The webhook 127.0.0.1 was switched off", "Error", f"/webhooks/{webhook.id}"
    )  # fmt: skip
    assert told[0].summary.startswith("The address answered" if reason is OffReason.GONE else "Nothing arrived")
    assert await bell.page(db, gone.id, limit=9) == await bell.page(db, bookkeeper.id, limit=9) == []


async def test_a_webhook_that_fails_is_tried_with_one_delivery_and_when_it_is_back_all_goes_at_once(
    hooks: Hooks,
) -> None:
    async with receiving(status=500) as receiver:
        webhook = await hooks.to(receiver.address)
        await hooks.happened(30)
        await hooks.delivered()
        seen = len(receiver.got)
        assert SOME <= seen <= 4 * AT_ONCE, "the rest is left alone"
        await hooks.delivered()
        assert len(receiver.got) == seen

        await hooks.db.run("UPDATE webhook SET rest_until = now() WHERE id = %s", webhook.id)
        await hooks.delivered()
        assert len(receiver.got) == seen + 1

        await hooks.db.run(
            "UPDATE webhook_delivery SET next_at = now() + interval '6 hours' WHERE webhook_id = %s AND attempts > 0",
            webhook.id,
        )
        receiver.status = 200
        await hooks.db.run("UPDATE webhook SET rest_until = now() WHERE id = %s", webhook.id)
        await hooks.delivered()
    assert {one.state for one in await hooks.log(webhook)} == {DeliveryState.DELIVERED}


async def test_one_that_asks_to_wait_is_left_alone_as_long(hooks: Hooks) -> None:
    async with receiving(status=429, headers={"Retry-After": "600"}) as receiver:
        webhook = await hooks.to(receiver.address)
        await hooks.happened()
        await hooks.delivered()
    row = await hooks.db.one("SELECT rest_until - now() AS rest FROM webhook WHERE id = %s", webhook.id)
    assert row is not None
    assert timedelta(minutes=5) < row["rest"] <= timedelta(minutes=10)


async def test_a_redirect_is_not_followed(hooks: Hooks) -> None:
    async with receiving() as elsewhere, receiving(status=307, headers={"Location": elsewhere.address}) as receiver:
        webhook = await hooks.to(receiver.address)
        await hooks.happened()
        await hooks.delivered()
        assert elsewhere.got == []
    [one] = await hooks.log(webhook)
    assert (one.status, one.trouble) == (307, Trouble.REDIRECT)


async def test_nobody_there_is_an_outcome(hooks: Hooks) -> None:
    async with receiving() as receiver:
        address = receiver.address
    webhook, unknown = await hooks.to(address), await hooks.to("https://name.invalid/")
    await hooks.happened()
    await hooks.delivered()
    assert [one.trouble for one in await hooks.log(webhook)] == [Trouble.CONNECTION]
    assert [one.trouble for one in await hooks.log(unknown)] == [Trouble.UNKNOWN_HOST]


async def test_an_answer_without_end_is_read_to_its_first_part(hooks: Hooks) -> None:
    async with receiving(answer="x" * 3_000_000) as receiver:
        webhook = await hooks.to(receiver.address)
        await hooks.happened()
        await hooks.delivered()
    [one] = await hooks.log(webhook)
    assert one.state is DeliveryState.DELIVERED
    assert [row.answer for row in await deliveries.attempts(hooks.db, one.id)] == ["x" * KEPT]


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_[redacted]"),
        (b'{"password": "hunter2", "ok": false}', '{"password": "[redacted]", "ok": false}'),
        (b"Authorization: Bearer abcdefgh12345678", "[redacted]"),
        (b"a\x00b\xff", "a b\ufffd"),
        (b"all is well", "all is well"),
    ],
)
def test_an_answer_is_kept_without_what_looks_like_a_secret(answer: bytes, kept: str) -> None:
    assert kept in redacted(answer)
    for secret in ("MfKQ9r8", "hunter2", "abcdefgh12345678"):
        assert secret not in redacted(answer)


# one beside another


async def test_a_webhook_that_does_not_answer_holds_up_no_other(hooks: Hooks) -> None:
    async with receiving(held=asyncio.Event()) as slow, receiving() as quick:
        await hooks.to(slow.address)
        await hooks.to(quick.address)
        await hooks.happened(40)
        await hooks.deliverer.step()
        await quick.until(40)
        assert slow.open == slow.most_open == AT_ONCE
        await hooks.happened()
        await hooks.deliverer.step()
        await quick.until(41)
        await slow.until(AT_ONCE)
        assert slow.open == AT_ONCE
        assert slow.held is not None
        slow.held.set()
        await hooks.deliverer.idle()
        await slow.until(41)


async def test_two_processes_share_the_work(hooks: Hooks) -> None:
    other = Deliverer(hooks.db, hooks.vault, HERE)
    async with receiving() as receiver:
        await hooks.to(receiver.address)
        made = await hooks.happened(200)
        for _ in range(3):
            await asyncio.gather(hooks.deliverer.step(), other.step())
        await hooks.deliverer.idle()
        await other.idle()
    await other.close()
    assert sorted(receiver.ids) == sorted(map(str, made)), "each once"


async def test_what_a_process_that_died_had_taken_is_taken_again(hooks: Hooks) -> None:
    async with receiving(held=asyncio.Event()) as receiver:
        webhook = await hooks.to(receiver.address)
        await hooks.happened()
        await hooks.deliverer.step()
        await receiver.until(1)
        await hooks.deliverer.close()
        other = Deliverer(hooks.db, hooks.vault, HERE)
        await other.step()
        assert not other._serving, "it may be at it still"
        assert receiver.held is not None
        receiver.held.set()
        await hooks.hours_pass(webhook, (LEASE + 1) / 3600)
        await other.step()
        await other.idle()
        await other.close()
    assert len(receiver.got) == 2
    assert len(set(receiver.ids)) == 1
    assert [one.state for one in await hooks.log(webhook)] == [DeliveryState.DELIVERED]


# what people do


async def test_what_happens_during_a_pause_is_sent_after_it(hooks: Hooks) -> None:
    async with receiving() as receiver:
        webhook = await hooks.to(receiver.address)
        assert await endpoints.pause(hooks.db, hooks.books.tenant, webhook.id)
        await hooks.happened(2)
        await hooks.delivered()
        assert receiver.got == []
        delivery_id = await endpoints.test(hooks.db, webhook)
        await hooks.delivered()
        assert json.loads(receiver.got[0][1])["type"] == "dagboek.webhook.test.v1"
        tested = await deliveries.one(hooks.db, hooks.books.tenant, webhook.id, delivery_id)
        assert tested.state is DeliveryState.DELIVERED
        assert len(receiver.got) == 1, "a test is sent all the same"
        assert await endpoints.resume(hooks.db, hooks.books.tenant, webhook.id)
        await hooks.delivered()
    assert len(receiver.got) == 3


async def test_what_waits_during_a_pause_is_not_looked_through_again_and_again(hooks: Hooks) -> None:
    async with receiving() as receiver:
        webhook = await hooks.to(receiver.address)
        await endpoints.pause(hooks.db, hooks.books.tenant, webhook.id)
        await hooks.happened(2000)
        await hooks.delivered()
        await hooks.db.run("ANALYZE webhook, webhook_delivery")
        (found,) = await hooks.db.all(f"EXPLAIN (ANALYZE, FORMAT JSON) {DUE}", {"busy": [], "most": 9})
        looked = [
            part.get("Actual Rows", 0) + part.get("Rows Removed by Filter", 0)
            for part in parts(found["QUERY PLAN"][0]["Plan"])
            if part.get("Relation Name") == "webhook_delivery"
        ]
        assert sum(looked) < 10
        await endpoints.test(hooks.db, webhook)
        await hooks.delivered()
        assert len(receiver.got) == 1, "a test is sent all the same"


async def test_a_test_that_fails_is_not_repeated_and_says_nothing_of_the_webhook(hooks: Hooks) -> None:
    async with receiving(status=500) as receiver:
        webhook = await hooks.to(receiver.address)
        await endpoints.test(hooks.db, webhook)
        await hooks.delivered()
        await hooks.hours_pass(webhook)
        await hooks.delivered()
    assert len(receiver.got) == 1
    assert [one.state for one in await hooks.log(webhook)] == [DeliveryState.FAILED]
    assert (await hooks.now(webhook)).failing_since is None


async def test_one_that_is_deleted_is_told_nothing_and_its_log_goes(hooks: Hooks) -> None:
    async with receiving() as receiver:
        webhook = await hooks.to(receiver.address)
        await hooks.happened()
        await spread(hooks.db)
        await endpoints.delete(hooks.db, hooks.books.tenant, webhook.id)
        await hooks.happened()
        await hooks.delivered()
    assert receiver.got == []
    with pytest.raises(endpoints.UnknownWebhook):
        await hooks.now(webhook)
    await deliveries.drop_old(hooks.db)
    assert await hooks.db.all("SELECT * FROM webhook_delivery WHERE webhook_id = %s", webhook.id) == []
    assert await hooks.db.all("SELECT * FROM webhook WHERE id = %s", webhook.id) == []


async def test_the_log_is_kept_for_two_weeks(hooks: Hooks) -> None:
    async with receiving() as receiver:
        webhook = await hooks.to(receiver.address)
        await hooks.happened()
        await hooks.delivered()
        await hooks.hours_pass(webhook, 13 * 24)
        await hooks.happened()
        await hooks.delivered()
        await deliveries.drop_old(hooks.db)
        assert len(await hooks.log(webhook)) == 2
        await hooks.hours_pass(webhook, 25)
        await deliveries.drop_old(hooks.db)
    assert len(await hooks.log(webhook)) == 1


# where to


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("https://10.0.0.1/hook", "private"),
        ("https://192.168.1.1", "private"),
        ("https://169.254.169.254/latest/meta-data/", "private"),
        ("https://127.0.0.1/", "private"),
        ("https://localhost/", "private"),
        ("https://127.1/", "private"),
        ("https://2130706433/", "private"),
        ("https://0.0.0.0/", "private"),
        ("https://100.64.0.1/", "private"),
        ("https://224.0.0.1/", "private"),
        ("https://[::1]/", "private"),
        ("https://[fe80::1]/", "private"),
        ("https://[fd00::1]/", "private"),
        ("https://[fec0::1]/", "private"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("https://[2002:a00:1::]/", "private"),
        ("https://[64:ff9b::a00:1]/", "private"),
        ("https://[64:ff9b:1::1]/", "private"),
        ("https://[::7f00:1]/", "private"),
        ("https://name.invalid/", "unknown_host"),
        ("http://8.8.8.8/", "https"),
        ("http://localhost/", "https"),
        ("ftp://8.8.8.8/", "address"),
        ("https://user:pass@8.8.8.8/", "address"),
        ("https://8.8.8.8/#part", "address"),
        ("https://8.8.8.8:99999/", "address"),
        ("https:///hook", "address"),
        ("https://8.8.8.8/a b", "address"),
        ("https://8.8.8.8/\r\nX: y", "address"),
        ("hook", "address"),
        ("", "address"),
    ],
)
async def test_an_address_that_may_not_be_reached_is_refused(address: str, code: str) -> None:
    with pytest.raises(UnusableAddress) as refused:
        await checked(address, Allowed())
    assert refused.value.code == code


async def test_public_addresses_and_those_that_an_operator_allows_may_be_reached() -> None:
    assert await checked(" https://8.8.8.8/hook?a=b ", Allowed()) == "https://8.8.8.8/hook?a=b"
    assert await checked("https://[2606:4700::1111]:8443/", Allowed())
    assert await checked("https://[64:ff9b::808:808]/", Allowed()), "8.8.8.8 through NAT64"
    assert await checked("https://10.20.3.4/", Allowed.of("10.20.0.0/16, 192.168.0.0/24"))
    assert await checked("http://127.0.0.1:8080/", HERE)
    with pytest.raises(UnusableAddress, match="https"):
        await checked("http://10.20.3.4/", Allowed.of("10.20.0.0/16"))
    with pytest.raises(UnusableAddress):
        await checked("https://10.21.3.4/", Allowed.of("10.20.0.0/16"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_what_a_name_stands_for_is_looked_at_again_when_it_is_sent(hooks: Hooks, host: str) -> None:
    """As if it had stood for a public address when it was registered."""
    guarded = Deliverer(hooks.db, hooks.vault, Allowed())
    async with receiving() as receiver:
        webhook = await hooks.to(receiver.address.replace("127.0.0.1", host))
        await hooks.happened()
        await guarded.step()
        await guarded.idle()
        assert receiver.got == []
        await hooks.hours_pass(webhook)
        await hooks.delivered()
        assert len(receiver.got) == 1, "it would arrive otherwise"
    await guarded.close()
    [one] = await hooks.log(webhook)
    tries = await deliveries.attempts(hooks.db, one.id)
    assert [row.trouble for row in tries] == [None, Trouble.FORBIDDEN]
