"""The jars of Apache Kafka: resolved once from a Maven repository, then taken from the cache."""

import fcntl
import json
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from dagboek.embedded.errors import EmbeddedError
from dagboek.embedded.progress import Progress
from dagboek.embedded.threads import in_threads

KAFKA_VERSION: Final = "4.1.1"
LOG4J_VERSION: Final = "2.24.3"  # the one that this Kafka brings along
# Each is resolved on its own: together, the dependency management of log4j would lower Kafka's own versions.
COORDINATES: Final = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J_VERSION}",
)


def cache_dir() -> Path:
    """`$XDG_CACHE_HOME/dagboek`, else `~/.cache/dagboek`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dagboek"


def kafka_class_path(progress: Progress, repository: str | None = None) -> list[Path]:
    """Paths of Kafka's jars. The first call fetches about 45 MB, later ones read a list.

    `repository` is the address of a Maven repository to use instead of Maven Central.
    Raises `EmbeddedError` when they cannot be fetched.
    """
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder / "kafka.lock"):
            list_file = folder / f"kafka-{KAFKA_VERSION}.json"
            jars = _remembered(list_file)
            if jars is None:
                progress(f"Resolving Kafka {KAFKA_VERSION} (first time only, about 45 MB) ...")
                jars = _fetch(progress, repository)
                draft = list_file.with_suffix(".new")
                draft.write_text(json.dumps([[str(jar), jar.stat().st_size] for jar in jars]))
                draft.replace(list_file)
            return jars
    except OSError as error:
        raise EmbeddedError(_advice(error, repository)) from error


def _remembered(list_file: Path) -> list[Path] | None:
    """The jars of the last time, or None if any is missing or has another size."""
    try:
        entries = [(Path(path), size) for path, size in json.loads(list_file.read_text())]
        complete = all(path.stat().st_size == size for path, size in entries)
    except (OSError, ValueError, TypeError):
        return None
    return [path for path, _ in entries] if entries and complete else None


def _fetch(progress: Progress, repository: str | None) -> list[Path]:
    try:
        try:
            artifacts = _artifacts(repository)
        except ElementTree.ParseError:
            _drop_halves(_maven_folder())
            artifacts = _artifacts(repository)
        progress(f"Fetching {len(artifacts)} files of Kafka ...")
        # In one order whatever the network does: of two jars with the same class, the first one counts.
        return sorted(_counted(in_threads(_intact_jar, artifacts, 4), len(artifacts), progress))
    except Exception as error:  # jgo and requests raise many kinds: all of them mean "not to be had"
        raise EmbeddedError(_advice(error, repository)) from error


def _artifacts(repository: str | None) -> list[Any]:
    """Kafka's artifacts without duplicates (the first coordinate that brings one decides its version)."""
    try:
        import jgo  # noqa: PLC0415  # part of the extra `embedded`
    except ImportError:
        raise EmbeddedError("The package jgo is missing. Install it with: pip install 'dagboek[embedded]'") from None
    mirror = {"central": repository.rstrip("/")} if repository else None
    found: dict[tuple[str, str], Any] = {}
    for coordinate in COORDINATES:
        for artifact in jgo.resolve(coordinate, repositories=mirror):
            found.setdefault((artifact.groupId, artifact.artifactId), artifact)
    return list(found.values())


def _maven_folder() -> Path:
    from jgo.config import GlobalSettings  # noqa: PLC0415  # part of the extra `embedded`

    return Path(GlobalSettings.load().repo_cache)


def _drop_halves(maven_folder: Path) -> None:
    """Deletes descriptions that cannot be read: an interrupted download leaves half a file, of no use to anyone."""
    for description in maven_folder.rglob("*.pom"):
        try:
            ElementTree.parse(description)  # noqa: S314  # files that Maven itself reads
        except ElementTree.ParseError:
            description.unlink()


def _intact_jar(artifact: Any) -> Path:
    """The jar's path. What an interrupted download left behind is fetched again."""
    path = Path(artifact.resolve())
    if not zipfile.is_zipfile(path):
        path.unlink()
        path = Path(artifact.resolve())
        if not zipfile.is_zipfile(path):
            path.unlink()
            raise EmbeddedError(f"what came as {path.name} is no jar file")
    return path


def _counted(jars: Iterator[Path], total: int, progress: Progress) -> Iterator[Path]:
    size, told = 0, time.monotonic()
    for number, jar in enumerate(jars, start=1):
        size += jar.stat().st_size
        if number == total or time.monotonic() - told > 1:
            told = time.monotonic()
            progress(f"Kafka: {number} of {total} files, {size / 1_000_000:.0f} MB")
        yield jar


def _advice(error: Exception, repository: str | None) -> str:
    origin = repository or "Maven Central"
    return (
        f"Apache Kafka {KAFKA_VERSION} could not be fetched from {origin}: {type(error).__name__}: {str(error)[:300]}\n"
        "  - Use a Kafka that is there: set DAGBOEK_KAFKA_BOOTSTRAP=host:port.\n"
        "  - Behind a proxy: set HTTPS_PROXY (and REQUESTS_CA_BUNDLE for its certificate).\n"
        "  - With a mirror of Maven Central: set DAGBOEK_MAVEN_REPOSITORY to its address.\n"
        "  - Without network: copy ~/.m2/repository (or the folder that M2_REPO names) from a machine that has it."
    )


@contextmanager
def _one_at_a_time(file: Path) -> Iterator[None]:
    # Two processes that fetch the same file at once would spoil it for each other.
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
