"""The calls below `/_sandbox`: how they are found, read and answered, and those that all sandboxes do alike."""

import json
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from .faults import Faults
from .requests import Requests, utc_text
from .state_file import Json, KeptBooks


class ControlCalls:
    """Everything below `/_sandbox`, by name: a GET for each name in `looking`, a POST for each in `doing`."""

    looking: ClassVar[tuple[str, ...]]
    doing: ClassVar[tuple[str, ...]]
    numbers: ClassVar[tuple[str, ...]] = ("bookyear", "last")
    """What is a number in a query."""

    def __init__(self, books: KeptBooks, faults: Faults, requests: Requests) -> None:
        self._books = books
        self._faults = faults
        self._requests = requests

    def run(self, method: str, name: str, query: dict[str, str], raw: bytes) -> tuple[int, bytes]:
        """Answers a call: status and JSON body. A refusal is one with `error`."""
        name = name.replace("-", "_")
        if name not in {"GET": self.looking, "POST": self.doing}.get(method, ()):
            return 404, _dump({"error": f"there is no {method} /_sandbox/{name}"})
        refusals: tuple[type[Exception], ...] = (ValueError, KeyError, TypeError, *self._books.refusals)
        try:
            if method == "GET":
                arguments: Json = {key: int(value) if key in self.numbers else value for key, value in query.items()}
            else:
                arguments = json.loads(raw, parse_float=Decimal) if raw.strip() else {}
            return 200, _dump(getattr(self, name)(**arguments))
        except refusals as error:
            status, told = self.refusal(error)
            return status, _dump(told)

    def refusal(self, error: Exception) -> tuple[int, Json]:
        """Status and body for what a call was refused with; a tool's own refusals are told by its sandbox."""
        return 400, {"error": f"{type(error).__name__}: {error}"}

    def requests(self, last: int = 100, operation: str | None = None, dossier: int | str | None = None) -> Json:
        """The last calls, and how many there were in all."""
        return {"total": self._requests.total, "requests": self._requests.last(last, operation, dossier)}

    def faults(self, **conditions: Any) -> Json:
        """Without arguments what is on; with `off` (true or an id) less; with `kind` and conditions one more."""
        return self._faults.switch(conditions)

    def clock(self, advance_seconds: float = 0) -> Json:
        """Moves the clock forward."""
        self._books.clock.advance(float(advance_seconds))
        return {"now": utc_text(self._books.clock.now())}

    def reset(self) -> Json:
        """Books, faults and requests as at the start. The clock goes on."""
        self._books.reset()
        self._faults.remove()
        self._requests.clear()
        return {}


def _dump(value: Any) -> bytes:
    """JSON with exact amounts as text ("121.00")."""

    def exact(one: Any) -> Any:
        if isinstance(one, Decimal):
            return str(one)
        if isinstance(one, date):
            return one.isoformat()
        if isinstance(one, frozenset | set):
            return list(one)
        raise TypeError(f"{type(one)} has no form in JSON")

    return json.dumps(value, default=exact, ensure_ascii=False, separators=(",", ":")).encode()
