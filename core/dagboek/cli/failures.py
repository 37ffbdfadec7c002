"""What a person is told when a command cannot go on: what is wrong, where, and how to fix it; never a traceback."""

import secrets
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import typer
from confluent_kafka import KafkaError, KafkaException
from dagboek_sdk import clock
from dagboek_sdk.errors import ToolError, ToolUnavailable
from dagboek_sdk.source import SourceUnavailable
from rich.console import Console

from dagboek.database import DatabaseUnavailable, MigrationRefused
from dagboek.embedded import EmbeddedError
from dagboek.history import UnknownRun
from dagboek.runs import AlreadyRunning, NotReadyToSync
from dagboek.settings import Settings, SettingsError, default_data_dir
from dagboek.topics import TopicError

FAILED = 2
UNEXPECTED = 70
INTERRUPTED = 130

_PLAIN: tuple[type[Exception], ...] = (
    SettingsError,
    DatabaseUnavailable,
    MigrationRefused,
    EmbeddedError,
    TopicError,
    UnknownRun,
    AlreadyRunning,
    NotReadyToSync,
    SourceUnavailable,
)
"""Their text says what, where and how to fix it."""

# Errors of other modules are known by name, so that a command need not import all of Dagboek to say so.
_PLAIN_NAMES = frozenset(
    {
        "CannotResolve",
        "ConnectionProblem",
        "CannotAsk",
        "DemoTrouble",
        "LoginProblem",
        "NoContext",
        "PluginBroken",
        "PluginConflict",
        "SandboxTrouble",
        "UnknownPlugin",
        "Unusable",
        "VaultError",
    }
)


class CommandFailed(Exception):
    """A command cannot do what was asked; the text says why and what to do."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def run_guarded(program: Callable[[], object]) -> int:
    """Runs a command line and returns its exit status; what goes wrong is told in a line or two on stderr."""
    try:
        program()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else (0 if end.code is None else FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        message, code = explained(error)
        tell(message)
        return code
    return 0


def explained(error: Exception) -> tuple[str, int]:
    """What to print for `error`, and the exit status."""
    if isinstance(error, CommandFailed):
        return str(error), error.code
    if isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        return explained(error.exceptions[0])
    text = _known(error)
    return (text, FAILED) if text else (_unexpected(error), UNEXPECTED)


def _known(error: Exception) -> str | None:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, _PLAIN) or (kinds & _PLAIN_NAMES and type(error).__module__.startswith("dagboek")):
        return str(error)
    if isinstance(error, ToolError):
        words = f" Its words: {error.tool_words}" if error.tool_words else ""
        if isinstance(error, ToolUnavailable):
            words += " Check its address (base_url) and the internet connection, or try again later."
        return f"The accounting tool could not be used: {error}.{words} `dagboek doctor` asks all tools."
    if isinstance(error, KafkaException) and error.args[0].code() == KafkaError._INVALID_ARG:
        return f"DAGBOEK_KAFKA_SECURITY cannot be used: {error.args[0].str()}."
    # aiokafka is the client of the workers alone
    if isinstance(error, KafkaException) or type(error).__module__.startswith("aiokafka."):
        cause = error.args[0].str() if error.args and hasattr(error.args[0], "str") else str(error)
        return (
            f"Kafka does not answer: {cause}. Check DAGBOEK_KAFKA_BOOTSTRAP, or leave it out to use the embedded one."
        )
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return "The database is not at the newest revision. Run `dagboek migrate`."
    if isinstance(error, psycopg.OperationalError) or type(error).__name__ == "PoolTimeout":
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return f"The database does not answer ({reason}). Check DAGBOEK_DATABASE_URL; `dagboek doctor` tells more."
    return None


def _unexpected(error: Exception) -> str:
    reference = secrets.token_hex(4)
    file = _log_file()
    text = "".join(traceback.format_exception(error))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as log:
            log.write(f"--- {clock.now().isoformat(timespec='seconds')} {reference}\n{text}\n")
    except OSError:
        return f"Something unexpected went wrong ({type(error).__name__}), and {file} could not be written to."
    return (
        f"Something unexpected went wrong ({type(error).__name__}). Reference {reference}: the details are in {file}. "
        "This is a fault of Dagboek or of a plugin; please report it with that reference."
    )


def _log_file() -> Path:
    try:
        folder = Settings().data_dir
    except Exception:
        folder = default_data_dir()
    return folder / "logs" / "errors.log"


def tell(message: str) -> None:
    """Prints an error to stderr, red on a terminal."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(message, style="bold red", markup=False)


def bad_arguments(message: str) -> typer.BadParameter:
    """An error about what was typed, in the form of the command line's own."""
    return typer.BadParameter(message)


def listed(words: Sequence[str], limit: int = 12) -> str:
    """`a, b, c` for messages, cut after `limit`."""
    shown = ", ".join(words[:limit])
    return shown + (f" and {len(words) - limit} more" if len(words) > limit else "") if words else "none"
