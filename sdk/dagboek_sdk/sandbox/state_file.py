"""A sandbox's books in memory and (if wanted) in a file that brings them back.

The file's first line says how the books began, and each later one is a change that was accepted, written before it is
answered. Starting with the same file does the changes again in their order. It is written without fsync: it outlives
the process, not the machine.
"""

import json
import secrets
from abc import ABC, abstractmethod
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, ClassVar

from .clock import Clock

Json = dict[str, Any]


class KeptBooks(ABC):
    """What every sandbox does with its state file; what is in the books, and in a line, is the sandbox's own.

    A subclass calls `_open` when its fields are there, and appends to `_file` (None: nothing is kept) what it did.
    """

    sandbox: ClassVar[str]
    """The tool's name, as it stands in the file."""
    refusals: ClassVar[tuple[type[Exception], ...]] = ()
    """What a change is refused with, beside ValueError."""

    def __init__(self, clock: Clock, state_file: str | Path | None) -> None:
        self.clock = clock
        self.secret = secrets.token_hex(32)
        """What tokens and ids are made with; a state file brings it back."""
        self._path = Path(state_file) if state_file is not None else None
        self._file: IO[bytes] | None = None

    @abstractmethod
    def _begin(self, at: float) -> None:
        """Makes the books as they are before the first change."""

    @abstractmethod
    def _do_again(self, line: list[Any]) -> float:
        """Does the change of a line, of which its name comes first; when it was done at first."""

    def _counters(self) -> Json:
        """Numbers that the first line keeps beside the secret."""
        return {}

    def _count_from(self, header: Json) -> None:
        """Takes those numbers up again."""

    def reset(self) -> None:
        """Back to the beginning, with nothing booked. The clock goes on."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._open()

    def close(self) -> None:
        """Closes the state file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        """Begins the books, or does again what is in the file. Raises ValueError where that cannot be done."""
        if self._path is None:
            self._begin(self.clock.now())
        elif lines := _whole_lines(self._path):
            self._replay(self._path, lines)
            self._file = self._path.open("ab", buffering=0)
        else:
            self._begin_file(self._path)

    def _begin_file(self, path: Path) -> None:
        begun = self.clock.now()
        header = {"sandbox": self.sandbox, "begun": begun, "secret": self.secret, **self._counters()}
        self._begin(begun)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._file.write(json.dumps(header).encode() + b"\n")

    def _replay(self, path: Path, lines: list[bytes]) -> None:
        header = json.loads(lines[0])
        self.secret = header["secret"]
        self._count_from(header)
        at = header["begun"]
        self._begin(at)
        refusals: tuple[type[Exception], ...] = (ValueError, *self.refusals)
        for number, text in enumerate(lines[1:], 2):
            line = json.loads(text, parse_float=Decimal)
            try:
                at = self._do_again(line)
            except refusals as error:
                raise ValueError(f"{path}, line {number}: {line[0]} cannot be done again: {error}") from error
        self.clock.not_before(at)


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a file, none where it is not there. A last one that is half is cut off."""
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) != len(content):
        # Killed while writing a line: that change was never answered, so it did not happen.
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return whole.splitlines()


def _number(value: Any) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value)} cannot be recorded")


_encode = json.JSONEncoder(default=_number, separators=(",", ":")).encode


def recorded(value: Any) -> bytes:
    """JSON for the state file, without a line's end; amounts as numbers."""
    return _encode(value).encode()
