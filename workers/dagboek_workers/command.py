"""`dagboek worker`: one stream worker, as a process of its own."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("worker")
    def command(
        slot: str = typer.Option("1", help="static place in the group; a worker that restarts keeps its work"),
    ) -> None:
        """Run a stream worker: takes documents from the log and books them. `up` starts some."""
        from dagboek.cli.failures import CommandFailed  # noqa: PLC0415  # keeps `dagboek --help` quick
        from dagboek.cli.running import found_services  # noqa: PLC0415
        from dagboek.cli.session import NOT_RUNNING  # noqa: PLC0415
        from dagboek.logs import configure  # noqa: PLC0415
        from dagboek.plugins import Plugins  # noqa: PLC0415
        from dagboek.settings import load_settings  # noqa: PLC0415
        from dagboek.vault import vault_for  # noqa: PLC0415

        from dagboek_workers.app import WorkerOptions, run_worker  # noqa: PLC0415

        settings = load_settings()
        configure(settings.log_level)
        with found_services(settings, broker=True) as services:
            if services is None:
                raise CommandFailed(NOT_RUNNING.format(folder=settings.data_dir))
            options = WorkerOptions(
                bootstrap=services.kafka_bootstrap,
                database_url=services.database_url,
                topic_prefix=settings.topic_prefix,
                slot=slot,
                partitions=settings.partitions,
                calls=settings.tool_calls,
                tenant_calls=settings.tenant_calls,
                security=services.kafka_security,
            )
            run_worker(options, Plugins(), vault_for(settings))
