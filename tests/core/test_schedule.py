"""Nightly runs: each connection once a night, whoever asks, and whatever was missed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from confluent_kafka import KafkaError, KafkaException
from dagboek import schedule
from dagboek.database import Database
from dagboek.embedded import Services
from dagboek.night import Night
from dagboek.notices import bell
from dagboek.notices.nights import watch
from dagboek.notices.telling import told
from dagboek.schedule import Hours, choose_hours, hours_of, request_due
from dagboek.speech import Speech
from dagboek.tenants import Unusable
from dagboek.web.rights import Role
from dagboek.web.signin import people
from dagboek_schemas.cloudevents import Record, decode
from dagboek_schemas.events import StartSync
from dagboek_schemas.topics import Topic
from push_books import migrated, new_books

NIGHT = Night.of("01:00-05:00", "Europe/Brussels")


class Log:
    """Takes commands."""

    def __init__(self) -> None:
        self.started: list[StartSync] = []

    async def publish(self, topic: Topic, records: Sequence[Record]) -> list[tuple[int, int]]:
        assert topic is Topic.COMMANDS
        for record in records:
            command = decode(record.value, record.headers)
            assert isinstance(command, StartSync) and record.key == str(command.administration_id).encode()
            self.started.append(command)
        return [(0, at) for at, _ in enumerate(records)]


@pytest.fixture(scope="module")
async def database(services: Services) -> AsyncIterator[Database]:
    async with migrated(services) as made:
        yield made


@pytest.fixture
async def db(database: Database) -> Database:
    await database.run("TRUNCATE tenant CASCADE")
    return database


@pytest.fixture
def log() -> Any:
    return Log()


async def connections(db: Database, count: int, due: timedelta | None = timedelta(minutes=-1)) -> list[UUID]:
    """Connections that want nightly runs, due in that time; None: when is not decided yet."""
    made = []
    for _ in range(count):
        async with new_books(db) as books:
            row = await db.one(
                """UPDATE connection SET settings = '{"automatic": true}', next_run_at = now() + %s
                   WHERE administration_id = %s RETURNING id""",
                due,
                books.administration,
            )
            await db.run("DELETE FROM run WHERE id = %s", books.run)
            assert row is not None
            made.append(row["id"])
    return made


async def runs(db: Database) -> list[UUID]:
    """Connections of which a run was requested."""
    rows = await db.all("SELECT connection_id, trigger, state FROM run")
    assert {(row["trigger"], row["state"]) for row in rows} <= {("automatic", "requested")}
    return [row["connection_id"] for row in rows]


async def next_of(db: Database, connection: UUID) -> datetime | None:
    row = await db.one("SELECT next_run_at FROM connection WHERE id = %s", connection)
    assert row is not None
    found: datetime | None = row["next_run_at"]
    return found


# the moment


def brussels(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NIGHT.zone).astimezone(UTC)


def moments(night: Night, after: datetime, count: int = 2000) -> list[datetime]:
    return sorted(night.moment(UUID(int=at), after) for at in range(count))


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-11-26", 4.0), ("2026-03-29", 3.0), ("2026-10-25", 5.0)],
    ids=["any night", "clocks go forward", "clocks go back"],
)
def test_moments_are_spread_over_the_night_as_long_as_it_is(day: str, hours: float) -> None:
    begins = brussels(f"{day} 01:00")

    found = moments(NIGHT, begins - timedelta(hours=1))

    assert begins <= found[0] and found[-1] < begins + timedelta(hours=hours) == brussels(f"{day} 05:00")
    tenths = [sum(one >= begins + timedelta(hours=hours * at / 10) for one in found) for at in range(10)]
    counts = [more - less for more, less in zip(tenths, [*tenths[1:], 0], strict=True)]
    assert min(counts) > 140 and max(counts) < 260, "two hundred each"


def test_each_night_has_one_moment_and_it_stays_the_same() -> None:
    connection, moment = uuid4(), brussels("2026-03-01 12:00")
    found = []
    for _ in range(365):
        moment = NIGHT.moment(connection, moment)
        found.append(moment)
    assert len({one.astimezone(NIGHT.zone).date() for one in found}) == 365
    usual = {one.astimezone(NIGHT.zone).time() for one in found}
    assert len(usual) <= 3, "it moves on the two nights in which the clocks change"


def test_a_night_over_midnight_is_one() -> None:
    night = Night.of("22:00-02:00", "UTC")
    evening = datetime(2026, 1, 5, 22, tzinfo=UTC)
    found = moments(night, evening - timedelta(minutes=1))
    assert evening <= found[0] and found[-1] < evening + timedelta(hours=4)
    assert moments(night, evening + timedelta(hours=3))[0] >= evening + timedelta(days=1), "not twice in one night"


@pytest.mark.parametrize("zone", ["Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])
@pytest.mark.parametrize("hours", ["01:00-05:00", "02:10-02:50", "03:00-02:30", "22:00-02:00", "00:00-23:59"])
def test_nights_of_23_and_25_hours_come_once_like_all_others(hours: str, zone: str) -> None:
    night = Night.of(hours, zone)
    for connection in (UUID(int=at) for at in range(5)):
        now = datetime(2026, 1, 1, 12, tzinfo=UTC)
        found = [now := night.moment(connection, now) for _ in range(2 * 365)]
        apart = [later - earlier for earlier, later in pairwise(found)]
        assert min(apart) > timedelta(hours=21) and max(apart) < timedelta(hours=27)
        assert timedelta(days=727) < found[-1] - found[0] < timedelta(days=731), "as many as there are nights"


@pytest.mark.parametrize("hours", ["1:00-05:00", "01:00", "01:00-25:00", "01:00-01:00", "01:00-05:00 "])
def test_what_are_no_hours_is_told(hours: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Night.of(hours, "UTC")


# nights of tenants


async def tenant_of(db: Database, connection: UUID) -> UUID:
    row = await db.one("SELECT tenant_id FROM connection WHERE id = %s", connection)
    assert row is not None
    found: UUID = row["tenant_id"]
    return found


async def test_each_tenant_has_its_own_night(db: Database, log: Any) -> None:
    usual, other, unknown = await connections(db, 3, None)
    await choose_hours(db, await tenant_of(db, other), Hours("22:00-23:00", "America/New_York"))
    await db.run("UPDATE tenant SET time_zone = 'Mars/Base' WHERE id = %s", await tenant_of(db, unknown))

    assert await request_due(db, log, NIGHT) == 0

    now = datetime.now(UTC)
    assert await next_of(db, usual) == NIGHT.moment(usual, now)
    assert await next_of(db, other) == Night.of("22:00-23:00", "America/New_York").moment(other, now)
    assert await next_of(db, unknown) == NIGHT.moment(unknown, now), "a zone that went holds up nobody"


async def test_a_run_that_was_requested_comes_again_in_the_tenants_next_night(db: Database, log: Any) -> None:
    (one,) = await connections(db, 1)
    await db.run("UPDATE tenant SET nightly = '20:00-04:00', time_zone = 'Asia/Tokyo'")
    assert await request_due(db, log, NIGHT) == 1
    assert await next_of(db, one) == Night.of("20:00-04:00", "Asia/Tokyo").moment(one, datetime.now(UTC))


async def test_whoever_changes_hours_while_cores_plan_has_the_last_word(db: Database, log: Any) -> None:
    made = await connections(db, 4, None)
    tenant = await tenant_of(db, made[0])
    await db.run("UPDATE connection SET tenant_id = %s", tenant)
    for at in range(24):
        wanted = Hours(f"{at:02}:00-{at:02}:30", "Asia/Tokyo" if at % 2 else None)
        await asyncio.gather(*(request_due(db, log, NIGHT) for _ in range(3)), choose_hours(db, tenant, wanted))
        await request_due(db, log, NIGHT)
        night = NIGHT.changed(wanted.nightly, wanted.time_zone)
        now = datetime.now(UTC)
        assert [await next_of(db, one) for one in made] == [night.moment(one, now) for one in made]
        assert await hours_of(db, tenant) == wanted


async def test_hours_that_are_chosen_again_move_nobodys_turn(db: Database) -> None:
    (one,) = await connections(db, 1, timedelta(hours=1))
    tenant = await tenant_of(db, one)
    await choose_hours(db, tenant, Hours(None, None))
    assert await next_of(db, one) is not None


@pytest.mark.parametrize("hours", [Hours("1-5", None), Hours(None, "Mars/Base"), Hours("01:00-01:00", "UTC")])
async def test_what_is_no_night_is_refused_in_words(db: Database, hours: Hours) -> None:
    (one,) = await connections(db, 1)
    with pytest.raises(Unusable, match=r"must|no time zone"):
        await choose_hours(db, await tenant_of(db, one), hours)


# requests


async def test_what_is_due_is_requested_once_and_comes_again_the_next_night(db: Database, log: Any) -> None:
    due, later = await connections(db, 2), await connections(db, 1, timedelta(hours=1))

    assert [await request_due(db, log, NIGHT), await request_due(db, log, NIGHT)] == [2, 0]

    assert sorted(await runs(db)) == sorted(due)
    assert sorted(one.connection_id for one in log.started) == sorted(due)
    begins = NIGHT.moment(due[0], datetime.now(UTC))
    assert await next_of(db, due[0]) == begins > datetime.now(UTC)
    assert await next_of(db, later[0]) is not None


async def test_what_was_missed_for_days_is_caught_up_once(db: Database, log: Any) -> None:
    (one,) = await connections(db, 1, timedelta(days=-10))
    for _ in range(3):
        await request_due(db, log, NIGHT)
        await db.run("UPDATE run SET state = 'ended', selected = true")
    assert len(log.started) == 1
    assert (await next_of(db, one) or datetime.min.replace(tzinfo=UTC)) > datetime.now(UTC)


async def test_cores_beside_each_other_request_each_run_once(db: Database, log: Any) -> None:
    due = await connections(db, 60)
    for _ in range(4):
        await asyncio.gather(*(request_due(db, log, NIGHT) for _ in range(8)))
    assert sorted(await runs(db)) == sorted(due)
    assert len(log.started) == len(due)


async def test_lots_are_small_and_wait_until_what_was_requested_is_planned(
    db: Database, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "LOT", 4)
    monkeypatch.setattr(schedule, "UNPLANNED", 6)
    await connections(db, 10)
    assert [await request_due(db, log, NIGHT) for _ in range(3)] == [4, 2, 0]
    await db.run("UPDATE run SET state = 'active', selected = true")
    assert [await request_due(db, log, NIGHT) for _ in range(2)] == [4, 0]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE connection SET state = 'reconnect' WHERE id = %s",
        "UPDATE connection SET state = 'configuration_needed' WHERE id = %s",
        "UPDATE connection SET deleted_at = now() WHERE id = %s",
        """UPDATE connection SET settings = '{"automatic": false}' WHERE id = %s""",
        "UPDATE connection SET settings = '{}' WHERE id = %s",
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, selected)
           SELECT gen_random_uuid(), tenant_id, entity_id, id, administration_id, 'automatic', 'active', true
           FROM connection WHERE id = %s""",
    ],
    ids=["reconnect", "configuration needed", "deleted", "switched off", "never switched on", "a run is under way"],
)
async def test_who_is_not_ready_gets_no_run_and_holds_up_nobody(db: Database, log: Any, change: str) -> None:
    other, ready = await connections(db, 2)
    await db.run(change, other)

    assert await request_due(db, log, NIGHT) == 1

    assert [one.connection_id for one in log.started] == [ready]
    assert (await next_of(db, other) or datetime.min.replace(tzinfo=UTC)) > datetime.now(UTC), "tried the next night"


async def test_one_that_somebody_is_changing_comes_as_soon_as_that_is_done(db: Database, log: Any) -> None:
    held, other = await connections(db, 2)
    async with db.transaction() as connection:
        await connection.execute("SELECT 1 FROM connection WHERE id = %s FOR UPDATE", (held,))
        async with asyncio.timeout(30):
            assert await request_due(db, log, NIGHT) == 1
    assert await request_due(db, log, NIGHT) == 1
    assert [one.connection_id for one in log.started] == [other, held]


async def test_without_a_broker_the_runs_are_there_for_the_watchdog(db: Database) -> None:
    class Away:
        async def publish(self, *_: Any) -> Any:
            raise KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))

    due = await connections(db, 2)
    assert await request_due(db, Away(), NIGHT) == 2  # type: ignore[arg-type]
    assert sorted(await runs(db)) == sorted(due)


async def test_a_connection_that_is_switched_on_gets_its_moment(db: Database, log: Any) -> None:
    (one,) = await connections(db, 1, None)
    assert await request_due(db, log, NIGHT) == 0
    assert await next_of(db, one) == NIGHT.moment(one, datetime.now(UTC))


async def test_nights_of_a_connection_that_must_be_connected_again_are_told_to_who_watches_them(
    db: Database, log: Any
) -> None:
    """Nobody else is told of automatic runs."""
    (connection,) = await connections(db, 1)
    row = await db.one("UPDATE connection SET state = 'reconnect' WHERE id = %s RETURNING tenant_id", connection)
    assert row is not None
    anna, bert = [await people.ensure_person(db, f"{name}@example.com") for name in ("anna", "bert")]
    for person in (anna, bert):
        await people.set_role(db, row["tenant_id"], person.id, Role.BOOKKEEPER)
    await watch(db, row["tenant_id"], connection, anna.id, 2)

    numbers = []
    for _ in range(3):
        await db.run("UPDATE connection SET next_run_at = now() - interval '1 minute'")
        assert await request_due(db, log, NIGHT) == 0
        numbers.append(len(await bell.page(db, anna.id, limit=9)))

    assert numbers == [0, 1, 1]
    said = told((await bell.page(db, anna.id, limit=9))[0], Speech("en", ZoneInfo("Europe/Brussels")), str)
    assert said.title == "E: 2 nights in a row failed"
    assert said.summary == "x · the accounting tool no longer accepts the login: connect the integration again"
    assert said.address == f"/integrations/{connection}"
    assert await bell.page(db, bert.id, limit=9) == []
