"""What is dropped after seven days, and what never is, on a real PostgreSQL."""

from typing import Any
from uuid import UUID, uuid4

from dagboek.push_record import Outcome
from dagboek.retention import drop_old
from push_books import Books


async def ended(books: Books, days: float, status: str = "Success", **columns: Any) -> UUID:
    """A run of the books' connection that ended days ago, with an item, a snapshot and an event that were told."""
    given = {"small": False, "state": "ended", "connection": None, **columns}
    run = uuid4()
    await books.db.run(
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, status, small,
                            finished_at)
           SELECT %s, tenant_id, entity_id, coalesce(%s, connection_id), administration_id, 'manual', %s, %s, %s,
                  now() - make_interval(secs => %s) FROM run WHERE id = %s""",
        run,
        given["connection"],
        given["state"],
        status,
        given["small"],
        days * 24 * 3600,
        books.run,
    )
    await books.item(0, run_id=run, state="synced", outcome_at="2026-01-01", reported_at="2026-01-01")
    await books.db.run("INSERT INTO snapshot (run_id, sequence, body) VALUES (%s, 0, '')", run)
    await books.db.run(
        "INSERT INTO run_event (event_id, run_id, administration_id, type, value, reported_at) "
        "VALUES (%s, %s, %s, 'dagboek.run.finished.v1', '', now())",
        uuid4(),
        run,
        books.administration,
    )
    return run


async def kept(books: Books, **runs: UUID) -> set[str]:
    """Which of these runs are there after a clean-up, each with all that belongs to it."""
    await drop_old(books.db)
    left = set()
    for name, run in runs.items():
        parts = [
            await books.db.one(f"SELECT 1 FROM {table} WHERE {'id' if table == 'run' else 'run_id'} = %s", run)
            for table in ("run", "item", "snapshot", "run_event")
        ]
        assert all(parts) or not any(parts), f"of {name} a part is left"
        left |= {name} if all(parts) else set()
    return left


async def test_the_latest_success_stays_however_old_it_is_and_what_is_older_than_a_week_goes(books: Books) -> None:
    found = await kept(
        books,
        older_success=await ended(books, 30),
        latest_success=await ended(books, 20),
        warning=await ended(books, 15, "Warning"),
        error=await ended(books, 14, "Error"),
        just_over_a_week=await ended(books, 7.01, "Warning"),
        just_under_a_week=await ended(books, 6.99, "Warning"),
    )
    assert found == {"latest_success", "just_under_a_week"}


async def test_a_success_of_this_week_is_the_latest_and_no_old_one_stays_for_it(books: Books) -> None:
    found = await kept(books, old=await ended(books, 20), recent=await ended(books, 2))
    assert found == {"recent"}


async def test_a_small_run_is_no_latest_success(books: Books) -> None:
    found = await kept(books, whole=await ended(books, 20), small=await ended(books, 10, small=True))
    assert found == {"whole"}


async def test_each_connection_has_its_latest_success(books: Books) -> None:
    """Two connections of one set of books, of two entities."""
    other = await books.db.one(
        """WITH e AS (INSERT INTO entity (tenant_id, name) VALUES (%s, 'F') RETURNING id)
           INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state)
           SELECT c.tenant_id, e.id, c.administration_id, c.login_id, c.plugin, c.state
           FROM e, connection c WHERE c.administration_id = %s RETURNING id""",
        books.tenant,
        books.administration,
    )
    assert other is not None
    found = await kept(books, one=await ended(books, 20), another=await ended(books, 30, connection=other["id"]))
    assert found == {"one", "another"}


async def test_a_run_that_has_not_ended_stays(books: Books) -> None:
    active = await books.db.one("SELECT state FROM run WHERE id = %s", books.run)
    assert active == {"state": "active"}
    await books.db.run("UPDATE run SET finished_at = now() - interval '30 days' WHERE id = %s", books.run)
    await drop_old(books.db)
    assert await books.db.one("SELECT 1 AS one FROM run WHERE id = %s", books.run)


async def test_what_was_not_told_yet_stays_until_it_is(books: Books) -> None:
    end, outcome = await ended(books, 30, "Warning"), await ended(books, 30, "Warning")
    await books.db.run("UPDATE run_event SET reported_at = NULL WHERE run_id = %s", end)
    await books.db.run("UPDATE item SET reported_at = NULL WHERE run_id = %s", outcome)
    assert await kept(books, end=end, outcome=outcome) == {"end", "outcome"}

    await books.db.run("UPDATE run_event SET reported_at = now() WHERE run_id = %s", end)
    await books.db.run("UPDATE item SET reported_at = now() WHERE run_id = %s", outcome)
    assert await kept(books, end=end, outcome=outcome) == set()


async def test_links_and_attempts_stay_for_ever(books: Books) -> None:
    """Without them what is booked would be booked again."""
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, Outcome.BOOKED, entry_id="e1")
    run = await ended(books, 400, "Warning")
    await books.db.run("UPDATE link SET run_id = %s, updated_at = now() - interval '400 days'", run)
    await books.db.run("UPDATE attempt SET run_id = %s, started_at = now() - interval '400 days'", run)

    assert await kept(books, run=run) == set()
    row = await books.link(link)
    assert (row["state"], row["entry_id"]) == ("booked", "e1")
    attempts = await books.db.all("SELECT outcome FROM attempt WHERE link_id = %s", link)
    assert [one["outcome"] for one in attempts] == ["booked"]


async def test_exchanges_of_more_than_a_week_ago_are_dropped(books: Books) -> None:
    for days in (1, 8):
        await books.db.run(
            "INSERT INTO exchange (administration_id, method, url, at) "
            "VALUES (%s, 'GET', %s, now() - make_interval(days => %s))",
            books.administration,
            f"/{days}",
            days,
        )
    await drop_old(books.db)
    left = await books.db.all("SELECT url FROM exchange WHERE administration_id = %s", books.administration)
    assert [row["url"] for row in left] == ["/1"]


async def test_audits_are_kept_for_a_year_and_what_was_read_for_one_until_it_ends(books: Books) -> None:
    audits = (("2020-01-01", "done", 400), ("2021-01-01", "cancelled", 1), ("2022-01-01", "running", 0))
    for first, state, days in audits:
        made = await books.db.one(
            """INSERT INTO audit (tenant_id, connection_id, administration_id, first_day, last_day, requested_by,
                                  expected_calls, state, finished_at)
               SELECT tenant_id, connection_id, administration_id, %(first)s::date, %(first)s::date, 'x', 1, %(state)s,
                      now() - nullif(%(days)s, 0) * interval '1 day' FROM run WHERE id = %(run)s RETURNING id""",
            {"first": first, "state": state, "days": days, "run": books.run},
        )
        assert made is not None
        await books.db.run(
            "INSERT INTO audit_entry (audit_id, entry_id, texts) VALUES (%s, %s, '{}')", made["id"], state
        )

    await drop_old(books.db)

    left = await books.db.all("SELECT state FROM audit ORDER BY first_day")
    assert [one["state"] for one in left] == ["cancelled", "running"]
    assert await books.db.all("SELECT entry_id FROM audit_entry") == [{"entry_id": "running"}]
