"""`dagboek restored`: the database was put back to an earlier time, so that nothing is booked a second time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from dagboek_sdk import clock

from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed
from dagboek.cli.session import Session, open_session, run
from dagboek.replay import Adopted, Replay
from dagboek.stamp import suspect

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Restored:
    """What the command found."""

    since: datetime
    administrations: int
    """That are compared with their books before anything is booked in them."""
    adopted: Adopted


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("restored")
    def command(
        since: Annotated[
            str | None,
            typer.Option(help="the time that the database is of, such as 2026-03-02T14:00Z; else as it says itself"),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Say that the database was put back, before core and workers start again: nothing is then booked twice.

        Takes over what the results topic knows, and has all books compared before anything is booked in them.
        """
        moment = _moment(since) if since else None
        found = run(lambda: _restored(moment))
        if as_json:
            tables.print_json(found)
        else:
            _print(found)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(f"{text} is no time. Write it like 2026-03-02T14:00Z.") from None
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    if moment > clock.now():
        raise CommandFailed(f"{text} is still to come. Name the time that the database was put back to.")
    return moment


async def _restored(since: datetime | None) -> Restored:
    async with open_session(broker=True) as session:
        async with session.db.connection() as connection:
            begin = await suspect(connection, "an operator said so: dagboek restored", since=since)
        adopted = await _replayed(session)
        row = await session.db.one("SELECT count(*) AS number FROM administration WHERE suspect_since IS NOT NULL")
        assert begin is not None and row is not None
        return Restored(begin, row["number"], adopted)


async def _replayed(session: Session) -> Adopted:
    services, prefix = session.services, session.settings.topic_prefix
    replay = Replay(session.db, services.kafka_bootstrap, prefix, services.kafka_security)
    try:
        return await replay.step()
    finally:
        replay.close()


def _print(found: Restored) -> None:
    console, adopted = tables.console(), found.adopted
    console.print(f"Everything since {tables.moment(found.since)} UTC counts as lost.")
    console.print(f"Taken over from the results topic: {len(adopted.entries)} entries.")
    for identity, number in adopted.entries[:SHOWN]:
        console.print(f"  {number}  {identity}", style="dim")
    if len(adopted.entries) > SHOWN:
        console.print(f"  and {len(adopted.entries) - SHOWN} more", style="dim")
    if adopted.for_person:
        console.print(f"Waiting for a person: {len(adopted.for_person)}. See: dagboek resolve list")
    console.print(
        f"{found.administrations} administrations are compared with their books before anything is booked in them. "
        "Start core and workers; then `dagboek sync`, or wait for the next run."
    )
