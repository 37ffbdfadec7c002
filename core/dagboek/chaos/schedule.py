"""What one trial does to whom and when: a pure function of the wishes, their seed first of all.

How fast processes are is not repeatable, so kills stand at shares of the documents that are booked.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

SERVERS: Final = ("kafka", "postgres")
VICTIMS: Final = {"workers": 6, "core": 2, "kafka": 1, "postgres": 1}
"""What may be killed, and how often beside each other."""

SECONDS_PER_KILL: Final = 9.0
STRUCK: Final = 0.1
"""Share of the bookings that some fault strikes; of other calls it is a quarter of that."""
STRUCK_BATCHED: Final = 0.4
"""The same where one call books many: there are few."""
CALL_DEADLINE: Final = 3.0
"""Seconds that a call to the tool may take here; a fault that stays silent takes longer."""
BUSY: Final = 0.3
"""Share of the time that a lane has a call under way, as far as a slow tool can bring that about."""
SLOWEST: Final = 0.5
CREDIT_NOTE: Final = 8
"""Each document of this place is a credit note."""
PURCHASE: Final = 3
"""Each document of this place comes from a supplier."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for on the command line. The same wishes give the same schedule."""

    documents: int
    connections: int
    minutes: float
    workers: int
    seed: int
    tools: tuple[str, ...]
    """Whose sandboxes; connections go to them in turn."""
    kill: tuple[str, ...]
    faults: tuple[str, ...]
    """Kinds that a sandbox knows."""
    kills: int

    @property
    def seconds(self) -> float:
        """How long documents are given out and processes are killed."""
        return self.minutes * 60


@dataclass(frozen=True, slots=True)
class Target:
    """A tool that can be misled."""

    tool: str
    booking: tuple[str, ...]
    """Patterns of the operations that book documents."""
    faults: tuple[str, ...]
    """Kinds that its sandbox knows."""
    struck: float = STRUCK


def usual_kills(minutes: float) -> int:
    """How many processes are killed where no number is given."""
    return max(4, round(minutes * 60 / SECONDS_PER_KILL))


@dataclass(frozen=True, slots=True)
class Lot:
    """Documents that appear at one connection at one time, upon which a run is asked for."""

    at: float
    """Seconds since the start."""
    connection: int
    first: int
    last: int
    """Places of the new documents; from `first` up to and without `last`."""
    changed: tuple[int, ...]
    """Places of earlier documents that get another amount."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A person asks for one document again, whatever else goes on."""

    at: float
    connection: int
    document: int


@dataclass(frozen=True, slots=True)
class Kill:
    """One process is killed, perhaps several times in a row."""

    at: float
    """Share of all documents that are booked by then."""
    process: str
    """`core`, `worker 2`, `kafka`, `postgres`."""
    signal: str
    """KILL or TERM."""
    times: int
    every: float
    """Seconds between the kills of a burst."""
    away: float
    """Seconds until it is started again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How the tool misbehaves: the n-th call of `operation` is struck or not by the seed alone."""

    tool: str
    kind: str
    operation: str
    probability: float
    seed: int
    details: tuple[tuple[str, Any], ...] = ()

    def body(self) -> dict[str, Any]:
        """As the sandbox takes it."""
        named = {"kind": self.kind, "operation": self.operation, "probability": self.probability, "seed": self.seed}
        return {**named, **dict(self.details)}


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything, in the order of time."""

    lots: tuple[Lot, ...]
    retries: tuple[Retry, ...]
    kills: tuple[Kill, ...]
    faults: tuple[Fault, ...]
    latency: float
    """Seconds that each booking takes in the tool."""

    @property
    def signals(self) -> int:
        """How many times a process is killed."""
        return sum(kill.times for kill in self.kills)


def schedule(wishes: Wishes, targets: Sequence[Target]) -> Schedule:
    """The schedule of these wishes."""
    share = wishes.seconds * wishes.connections * BUSY / wishes.documents
    lots = tuple(sorted(_lots(wishes), key=lambda lot: (lot.at, lot.connection)))
    return Schedule(
        lots=lots,
        retries=_retries(wishes, lots),
        kills=_kills(wishes),
        faults=tuple(fault for target in targets for fault in _faults(wishes, target)),
        latency=round(min(SLOWEST, max(0.02, share)), 3),
    )


def _chance(wishes: Wishes, part: str) -> random.Random:
    """Each part has its own, so that other kills do not mean other documents."""
    return random.Random(f"{wishes.seed}/{part}")  # noqa: S311  # chance that can be repeated


def documents_of(wishes: Wishes, connection: int) -> int:
    """How many documents a connection has in all."""
    share, rest = divmod(wishes.documents, wishes.connections)
    return share + (connection < rest)


def _lots(wishes: Wishes) -> Iterable[Lot]:
    chance = _chance(wishes, "documents")
    for connection in range(wishes.connections):
        wanted = documents_of(wishes, connection)
        number = min(wanted, chance.randint(3, 6))
        ends = [*sorted(chance.sample(range(1, wanted), number - 1)), wanted]
        first = 0
        for place, last in enumerate(ends):
            at = wishes.seconds * 0.9 * (place + chance.random()) / len(ends)
            changed = tuple(sorted(chance.sample(range(first), min(first, 1 + last // 40)))) if first else ()
            yield Lot(round(at, 2), connection, first, last, changed)
            first = last


def _retries(wishes: Wishes, lots: Sequence[Lot]) -> tuple[Retry, ...]:
    """After each fourth lot somebody cannot wait for one of its documents."""
    chance = _chance(wishes, "retries")
    found = [
        Retry(round(lot.at + chance.uniform(0.5, 6), 2), lot.connection, chance.randrange(lot.first, lot.last))
        for lot in lots
        if chance.random() < 0.25
    ]
    return tuple(sorted(found, key=lambda retry: retry.at))


def _kills(wishes: Wishes) -> tuple[Kill, ...]:
    chance = _chance(wishes, "kills")
    kinds = [kind for kind in VICTIMS if kind in wishes.kill]
    found: list[Kill] = []
    left = wishes.kills if kinds else 0
    first = chance.sample(kinds, len(kinds))  # each of them once, where there are so many kills
    while left > 0:
        kind = first.pop() if first else chance.choices(kinds, [VICTIMS[kind] for kind in kinds])[0]
        times = 1 if kind in SERVERS else max(1, min(left - len(first), chance.choice((1, 1, 1, 2, 3))))
        found.append(
            Kill(
                at=round(chance.uniform(0.03, 0.97), 3),
                process=f"worker {chance.randint(1, wishes.workers)}" if kind == "workers" else kind,
                signal=chance.choice(("KILL", "KILL", "TERM")),
                times=times,
                every=round(chance.uniform(0.3, 3), 2),
                away=_away(chance, kind, alone=wishes.workers == 1),
            )
        )
        left -= times
    return tuple(sorted(found, key=lambda kill: kill.at))


def _away(chance: random.Random, kind: str, *, alone: bool) -> float:
    """Mostly a supervisor starts it again at once; now and then nobody does, past the session of a worker."""
    if kind == "workers" and not alone and chance.random() < 0.25:
        return round(chance.uniform(8, 20), 2)
    return round(chance.uniform(0.1, 2), 2)


def _faults(wishes: Wishes, target: Target) -> Iterable[Fault]:
    chance, tool = _chance(wishes, f"faults/{target.tool}"), target.tool
    kinds = [kind for kind in wishes.faults if kind in target.faults]
    each = target.struck / max(1, len(kinds))
    for kind in kinds:
        for operation, probability in (*((one, each) for one in target.booking), ("*", each / 4)):
            details = tuple(_DETAILS.get(kind, {}).items())
            yield Fault(tool, kind, operation, round(probability, 6), chance.randrange(2**31), details)
    if "rate_limited" in kinds:  # the same, and the tool says until when
        yield Fault(tool, "rate_limited", "*", round(each / 4, 6), chance.randrange(2**31), (("seconds", 1),))


_DETAILS: Final[dict[str, dict[str, Any]]] = {
    "latency": {"seconds": 1.5},
    "timeout_before": {"seconds": CALL_DEADLINE * 2},
    "timeout_after_commit": {"seconds": CALL_DEADLINE * 2},
    "slow_drip": {"seconds": 1.0},
    "refuse": {"code": -22, "status": 400},
}
