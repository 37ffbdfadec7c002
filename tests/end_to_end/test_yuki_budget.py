"""The calls of a day that all connections of a domain share: never more than there are, and none is left without."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dagboek.chaos.ubl import Ubl
from end_to_end.harness import Installation, write_files, yuki, yuki_settings

CONNECTIONS = 20
DOCUMENTS = 60
LEFT = 110
"""Calls that the day has left, where all of them together need more."""
ADAY = 1000


async def used(house: Installation, books: Any, domain: str, calls: int) -> None:
    """So many calls of the day were made, as Yuki and we have counted."""
    books.control.limits(domain=domain, used=calls)
    await house.db.run("UPDATE limit_use SET used = %s WHERE key LIKE %s", calls, f"%{domain}%")


async def a_day_passes(house: Installation, books: Any, domain: str, runs: list[UUID]) -> None:
    """At Yuki, in the rows that count its calls, and for the runs that wait."""
    books.control.clock(advance_seconds=24 * 3600)
    for column in ("window_start", "ends"):
        await house.db.run(
            f"UPDATE limit_use SET {column} = {column} - interval '1 day' WHERE key LIKE %s", f"%{domain}%"
        )
    await house.db.run("UPDATE run SET parked_until = now() WHERE id = ANY(%s) AND state = 'parked'", runs)


@pytest.mark.timeout(400)
async def test_two_workers_and_20_connections_never_exceed_the_calls_of_a_day_and_none_starves(
    house: Installation, tmp_path: Path
) -> None:
    async with yuki(limits=True) as books:
        first = books.control.status()["dossiers"][0]
        domain = first["domain"]
        made = books.control.dossiers(name="Deelt", domain=domain, copies=CONNECTIONS)["ids"]
        connections = []
        for place, dossier in enumerate(made):
            folder = tmp_path / str(place)
            write_files(folder, [Ubl(f"{place:02}-{number:03}") for number in range(1, DOCUMENTS + 1)])
            connections.append(
                await house.connection(
                    books, tenant=f"Yuki budget {place}", folder=folder, plugin="yuki", dossier=dossier,
                    settings=yuki_settings(), lift_limits=False,
                )
            )  # fmt: skip
        await used(house, books, domain, ADAY - LEFT)
        runs = [await house.start_run(one) for one in connections]

        days = 0
        async with asyncio.timeout(300):
            while rows := await house.db.all(
                "SELECT state, park_issue, parked_until FROM run WHERE id = ANY(%s) AND state <> 'ended'", runs
            ):
                await asyncio.sleep(0.5)
                if all(row["state"] == "parked" for row in rows) and all(
                    row["parked_until"] - datetime.now(UTC) > timedelta(minutes=1) for row in rows
                ):
                    assert {row["park_issue"]["code"] for row in rows} <= {"B05", "B16", "Y06"}
                    days += 1
                    (shown,) = (one for one in books.control.limits()["domains"] if one["domain"] == domain)
                    assert shown["used"] <= ADAY and shown["refused"] == 0
                    await a_day_passes(house, books, domain, runs)

        ended = await house.db.all("SELECT status FROM run WHERE id = ANY(%s)", runs)
        assert Counter(row["status"] for row in ended) == {"Success": CONNECTIONS}
        assert days >= 1, "the calls were not enough for one day, or the test shows nothing"
        (shown,) = (one for one in books.control.limits()["domains"] if one["domain"] == domain)
        assert shown["refused"] == 0
        for dossier in made:
            assert len(books.control.entries(dossier)) == DOCUMENTS
