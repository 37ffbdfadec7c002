"""`dagboek`: finds the commands, of this distribution and of others, and runs one."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points

import typer

from dagboek.cli.failures import run_guarded, tell
from dagboek.cli.interrupts import ends_at_once
from dagboek.logs import configure

COMMANDS = (
    "demo",
    "up",
    "core",
    "web",
    "migrate",
    "user",
    "apikey",
    "connect",
    "connection",
    "source",
    "settings",
    "schedule",
    "sync",
    "cancel",
    "retry",
    "resolve",
    "history",
    "documents",
    "preview",
    "audit",
    "sandbox",
    "chaos",
    "doctor",
    "restored",
    "plugins",
)
"""Modules of this package, in the order of the help."""


def application(only: str | None = None) -> typer.Typer:
    """The command line with all commands, or with `only` one: the others take their time to load.

    A command of another distribution that cannot be loaded is named and left out.
    """
    app = typer.Typer(
        name="dagboek",
        help="Books every sales and purchase document exactly once.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    points = [point for point in entry_points(group="dagboek.commands") if only in (None, point.name)]
    names = [name for name in COMMANDS if only in (None, name)]
    if not names and not points:
        return application()
    # One command alone would not be called by its name.
    app.callback()(lambda: None)
    for name in names:
        module = f"dagboek.cli.{name}"
        if importlib.util.find_spec(module) is not None:
            importlib.import_module(module).register(app)
    for point in points:
        try:
            point.load()(app)
        except Exception as error:
            # A plugin's command must not take the others along.
            tell(f"The command {point.name} of {point.value} cannot be loaded: {type(error).__name__}: {error}")
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit status: 0 done, 1 done and something is wrong, 2 not done, 70 unexpected, 130 Ctrl-C."""
    configure("ERROR")  # to standard error: standard output is for what was asked, so that `--json` stays JSON
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run_guarded(lambda: _run(words)))


def _run(words: list[str]) -> None:
    with ends_at_once():
        app = application(words[0] if words and not words[0].startswith("-") else None)
    app(args=words, prog_name="dagboek")


if __name__ == "__main__":
    main()
