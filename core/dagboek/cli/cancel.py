"""`dagboek cancel`: asks a run to end."""

from typing import Annotated

import typer

from dagboek.cli.failures import CommandFailed
from dagboek.cli.selecting import tenant_of_run
from dagboek.cli.session import open_session, run
from dagboek.cli.tables import console
from dagboek.history import run_details
from dagboek.runs import cancel


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("cancel")
    def command(
        run_id: Annotated[str, typer.Argument(metavar="RUN", help="a run, by the start of its id")],
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
    ) -> None:
        """End a run: what is being sent is finished, the rest is not tried; the next run goes on from there."""
        run(lambda: _cancel(run_id, tenant))


async def _cancel(run_id: str, tenant: str | None) -> None:
    async with open_session() as session:
        tenant_id = await tenant_of_run(session.db, run_id, tenant)
        found = (await run_details(session.db, tenant_id, run_id)).summary
        if not await cancel(session.db, found.id, tenant_id):
            raise CommandFailed(f"Run {str(found.id)[:8]} has ended already ({found.status}).", code=1)
    console().print(f"Run {str(found.id)[:8]} is being cancelled; `dagboek history {str(found.id)[:8]}` shows its end.")
