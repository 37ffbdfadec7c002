"""The files of a folder, listed without reading them.

Every `*.xml` in the folder and in those below it is a document; names that begin with a dot are left alone. What
cannot be looked into, or leads elsewhere, is listed too, so that it gets its issue and is not passed over.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from dagboek_schemas.documents import Approval
from dagboek_sdk.source import Listed

from dagboek_ubl.xml import Refused

_SUFFIX = ".xml"
_MARKS = ((".refused", Approval.REFUSED), (".pending", Approval.PENDING), (".approved", Approval.APPROVED))
"""Files beside `NAME.xml` that tell its review state. Where there are several, the first counts: never book early."""


def walk(root: Path) -> Iterator[Listed]:
    """All documents below `root`, folder by folder, by name."""
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            with os.scandir(root / below) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            if not below:
                raise
            yield Listed(below, f"closed:{error.errno}", title=below)
            continue
        names = {entry.name for entry in entries}
        inner = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                inner.append(path)
            elif entry.name.lower().endswith(_SUFFIX) or (entry.is_symlink() and entry.is_dir()):
                yield Listed(_printable(path), _fingerprint(entry, names), title=_printable(entry.name))
        folders += reversed(inner)


def locate(root: Path, origin_id: str) -> Path:
    """The file that `origin_id` names. Raises Refused (U02) when it is not within `root`."""
    path = root / origin_id
    # os.path.realpath: unlike Path.resolve() it does not raise for links that go round in circles.
    inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
    if not inside or (path.is_symlink() and path.is_dir()):
        raise Refused("U02")
    return path


def approval_beside(path: Path) -> Approval | None:
    """The review state that a file beside `path` tells: `NAME.xml.pending`, `.approved` or `.refused`."""
    for suffix, state in _MARKS:
        if path.with_name(path.name + suffix).exists():
            return state
    return None


def _fingerprint(entry: os.DirEntry[str], names: set[str]) -> str:
    mark = "".join(suffix[1] for suffix, _ in _MARKS if entry.name + suffix in names)
    try:
        status = entry.stat()
    except OSError as error:
        return f"unreadable:{error.errno}:{mark}"
    return f"{status.st_size}:{status.st_mtime_ns}:{mark}"


def _printable(name: str) -> str:
    """A name that is no valid UTF-8 as text that can be stored; no file is found by it, and that is an issue."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
