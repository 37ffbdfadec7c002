"""Faults that can be switched on in a sandbox."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from itertools import count
from typing import Any

KINDS = (
    "latency",
    "timeout_before",
    "timeout_after_commit",
    "error_503_before",
    "error_503_after",
    "rate_limited",
    "token_expired",
    "maintenance_page",
    "reset",
    "reset_after_commit",
    "slow_drip",
    "wrong_body",
    "repeated",
    "answered_twice",
    "refuse_update",
    "refuse",
)
"""What every sandbox can do; the pages of the sandboxes say how each of them answers."""

AFTER = (
    "timeout_after_commit",
    "error_503_after",
    "reset_after_commit",
    "slow_drip",
    "wrong_body",
    "repeated",
    "answered_twice",
)
"""Done after the operation took place; all others come before it."""


@dataclass(slots=True)
class Fault:
    """One switched-on fault; every condition given must hold."""

    kind: str
    operation: str | None = None
    """Name of the operation; a pattern with * is allowed."""
    path: str | None = None
    """Pattern of the path below the base."""
    method: str | None = None
    dossier: int | str | None = None
    """The set of books, by the tool's own number or id."""
    times: int | None = None
    """How often it strikes; None: until it is switched off."""
    after: int = 0
    """How many matching calls pass first."""
    probability: float = 1.0
    seed: int | None = None
    """With a probability: which of the matching calls it strikes, by their count alone, follows from this number."""
    seconds: float | None = None
    """latency, slow_drip: how long; timeouts: how long the line stays open; rate_limited: Retry-After; answered_twice:
    when the second one comes."""
    code: int | None = None
    """refuse: the error code, where the tool has such."""
    status: int | None = None
    """refuse: the HTTP status."""
    body: str | None = None
    """wrong_body: what is answered instead; refuse: the tool's words, where it has no codes."""
    id: int = 0
    struck: int = 0
    chance: random.Random | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        # Numbers of a JSON body come as Decimal.
        self.probability = float(self.probability)
        self.seconds = None if self.seconds is None else float(self.seconds)
        if self.seed is not None:
            self.chance = random.Random(int(self.seed))  # noqa: S311 - chance that can be repeated

    def matches(self, operation: str, method: str, path: str, dossier: int | str | None) -> bool:
        """Whether the fault is meant for this call."""
        return (
            (self.operation is None or fnmatchcase(operation, self.operation))
            and (self.path is None or fnmatchcase(path, self.path))
            and (self.method is None or self.method.upper() == method)
            and (self.dossier is None or self.dossier == dossier)
        )


class Faults:
    """The faults that are on. Chance is seeded, so that a run can be repeated.

    `updates`: the operations that `refuse_update` is meant for; `kinds`: all that the sandbox knows, `after` those of
    them that let the operation take place first.
    """

    def __init__(
        self, seed: int = 0, *, updates: Sequence[str], kinds: Sequence[str] = KINDS, after: Sequence[str] = AFTER
    ) -> None:
        self.current: list[Fault] = []
        self.kinds = tuple(kinds)
        self.after = tuple(after)
        self._updates = updates
        self._ids = count(1)
        self._chance = random.Random(seed)  # noqa: S311 - chance that can be repeated

    def add(self, **conditions: Any) -> Fault:
        """Switches a fault on; raises ValueError or TypeError for what is not known."""
        fault = Fault(**conditions)
        if fault.kind not in self.kinds:
            raise ValueError(f"{fault.kind!r} is no kind of fault; there are {', '.join(self.kinds)}")
        fault.id = next(self._ids)
        self.current.append(fault)
        return fault

    def remove(self, fault_id: int | None = None) -> None:
        """Switches one fault off, or all."""
        self.current = [fault for fault in self.current if fault_id is not None and fault.id != fault_id]

    def strike(self, operation: str, method: str, path: str, dossier: int | str | None) -> list[Fault]:
        """The faults that strike this call; each is counted."""
        if not self.current:
            return []
        struck = [fault for fault in self.current if self._strikes(fault, operation, method, path, dossier)]
        self.current = [fault for fault in self.current if fault.times is None or fault.times > 0]
        return struck

    def _strikes(self, fault: Fault, operation: str, method: str, path: str, dossier: int | str | None) -> bool:
        if fault.kind == "refuse_update" and operation not in self._updates:
            return False
        if not fault.matches(operation, method, path, dossier):
            return False
        if fault.after > 0:
            fault.after -= 1
            return False
        if fault.probability < 1 and (fault.chance or self._chance).random() >= fault.probability:
            return False
        fault.struck += 1
        if fault.times is not None:
            fault.times -= 1
        return True

    def listed(self) -> list[dict[str, Any]]:
        """What is on, for the answer of /_sandbox/faults."""
        return [listed(fault) for fault in self.current]

    def switch(self, conditions: dict[str, Any]) -> dict[str, Any]:
        """The call `faults`: nothing shows what is on, `off` (true or an id) ends, `kind` and conditions begin one."""
        if "off" in conditions:
            off = conditions["off"]
            self.remove(None if off is True else int(off))
        elif conditions:
            return listed(self.add(**conditions))
        return {"faults": self.listed()}


def listed(fault: Fault) -> dict[str, Any]:
    """A fault as the answer of /_sandbox/faults shows it."""
    return {one.name: getattr(fault, one.name) for one in fields(fault) if one.name != "chance"}
