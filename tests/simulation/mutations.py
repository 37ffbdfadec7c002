"""Safeguards that can be switched off, in a process that simulates: each time an invariant must break."""

from collections.abc import Callable, Sequence
from typing import Any

from dagboek import accepted, acks, push_record, settle
from dagboek.push_record import AttemptOutcome, Granted, Intent, Outcome
from dagboek_sdk import attempt
from dagboek_sdk.errors import NotProcessed, Uncertain
from dagboek_workers import lane, recorder, sending, window
from simulation.tool import CHARACTERS
from simulation.world import Focus

BATCHES = tuple(name for name in CHARACTERS if "batch" in name)
PARTIES = tuple(name for name in CHARACTERS if name.endswith("parties"))
FOCUS: dict[str, Focus] = {
    "intent": Focus(characters=("look_up", "none"), early=("kill_worker", "kill_worker"), fuses=1.0, others=(0,)),
    "settling": Focus(characters=("look_up",), fuses=0.0, weather=(0.4,)),
    "send-deadline": Focus(characters=("look_up", "none"), slots=(2,), frozen_at=(1, 2), fuses=0.0, others=(0,)),
    "compare-and-set": Focus(characters=("look_up", "key", "none"), early=("typed",) * 4, fuses=0.0, others=(0,)),
    "generation": Focus(
        slots=(1,),
        administrations=(1, 2, 3),
        documents=(3, 4, 6),
        frozen_at=(0,),
        early=("behind",) * 3,
        fuses=0.0,
        others=(0,),
        weather=(0.0,),
        certain=("throttled",),
    ),
    "in-order-ack": Focus(administrations=(3,), fuses=0.0, others=(0,)),
    "batch-outcome": Focus(characters=BATCHES, fuses=0.0, weather=(0.0,), certain=("midway",), others=(0,)),
    "batch-call": Focus(characters=BATCHES, fuses=0.0, weather=(0.4,), certain=("failed_after",), others=(0,)),
    "batch-halving": Focus(characters=BATCHES, fuses=0.0, weather=(0.0,), others=(0,)),
    "batch-delivery": Focus(characters=BATCHES, fuses=0.0, early=("broker_away",), others=(0,), weather=(0.0,)),
    "accepted-end": Focus(characters=("look_up-later",)),
    "window-order": Focus(
        characters=PARTIES, documents=(5, 8), early=("kill_worker", "repeat", "repeat"), fuses=1.0, others=(0,)
    ),
    "reported-mark": Focus(early=("kill_worker", "kill_worker", "broker_away"), others=(0,)),
}
"""Where a seed that draws from all faults seldom has the one that a safeguard is there for."""
MUTATIONS: dict[str, Callable[[], None]] = {}
"""By the name of what they switch off."""


def _mutation(switch: Callable[[], None]) -> Callable[[], None]:
    MUTATIONS[switch.__name__.removeprefix("no_").replace("_", "-")] = switch
    return switch


@_mutation
def no_intent() -> None:
    """Sends without having written that it is about to."""

    async def intents(_: Any, wanted: Sequence[Intent]) -> list[Granted]:
        return [Granted(one.link_id, one.seen + 1, one.seen + 1, None) for one in wanted]

    recorder.Recorder.intents = intents  # type: ignore[method-assign,assignment]


@_mutation
def no_compare_and_set() -> None:
    """An intent is granted whatever became of the link since it was read."""
    before = push_record._INTENTS
    found = "l.state = a.expected AND l.attempt = a.seen"
    push_record._INTENTS = before.replace(f"{found} AND l.current", "true").replace(f"AND {found}", "")
    assert before.count(found) == 2


@_mutation
def no_accepted_end() -> None:
    """What a tool has booked later is known, and told to nobody."""

    async def nothing(*_: Any) -> None:
        return

    accepted._tell = nothing  # type: ignore[assignment]


@_mutation
def no_send_deadline() -> None:
    """A request may start however long ago its intent was written."""
    attempt.Attempt.may_start = property(lambda _: True)  # type: ignore[assignment,method-assign]


@_mutation
def no_in_order_ack() -> None:
    """An event is acked when it is finished, whatever came before it."""

    def finished(self: Any, partition: int, offset: int) -> None:
        found = self._partitions.get(partition)
        for at, message in list(found.waiting if found else ()):
            if at == offset:
                found.waiting.remove((at, message))
                self._ack(message)

    acks.Acks.finished = finished  # type: ignore[method-assign]


@_mutation
def no_settling() -> None:
    """What is uncertain is sent again once its time has come, without asking the tool."""

    async def decide(db: Any, tool: Any, row: Any, *_: Any) -> None:
        await settle._record(db, row, AttemptOutcome(row["id"], row["attempt"], Outcome.ABSENT))

    settle._decide = decide  # type: ignore[assignment]


@_mutation
def no_result_before_ack() -> None:
    """An event is finished as soon as its outcome is known."""
    before = recorder.Recorder.tell

    def tell(self: Any, told: recorder.Told) -> None:
        told.finished()
        told.finished = lambda: None
        before(self, told)

    recorder.Recorder.tell = tell  # type: ignore[method-assign]


@_mutation
def no_reported_mark() -> None:
    """An outcome counts as told when it is stored, and not when it is delivered."""
    before = push_record._items

    async def items(connection: Any, given: Sequence[push_record.ItemOutcome]) -> Any:
        written = await before(connection, given)
        marked = [(one.run_id, one.sequence, str(one.state)) for one in given]
        await push_record._reported(connection, marked)
        return written

    push_record._items = items  # type: ignore[assignment]


@_mutation
def no_window_order() -> None:
    """What was left in a window holds up nothing that follows."""
    window.Window.comes_next = lambda *_: True  # type: ignore[method-assign]


@_mutation
def no_generation() -> None:
    """An event is worked on in whatever generation its run is by now; a window's own order would make up for it."""
    no_window_order()
    before = window.load_window

    async def load(db: Any, run_id: Any, _: int, number: int) -> Any:
        row = await db.one("SELECT generation FROM run WHERE id = %s", run_id)
        return await before(db, run_id, row["generation"], number)

    lane.load_window = load  # type: ignore[attr-defined,assignment]


@_mutation
def no_batch_outcome() -> None:
    """What the answer to a call of many leaves out counts as not processed."""
    before = sending._judge_one

    def judge(attempt: Any, results: Any) -> Any:
        verdict = before(attempt, results)
        return NotProcessed() if isinstance(verdict, Uncertain) else verdict

    sending._judge_one = judge


@_mutation
def no_batch_call() -> None:
    """Of a call of many that was not answered nothing counts as processed."""
    before = sending._not_of_one
    sending._not_of_one = lambda verdict: NotProcessed() if isinstance(verdict, Uncertain) else before(verdict)


@_mutation
def no_batch_halving() -> None:
    """A call that was refused as a whole is the refusal of each in it."""
    sending._not_of_one = lambda verdict: verdict


@_mutation
def no_batch_delivery() -> None:
    """An event whose outcome came in a batch is finished, whether that was delivered or not."""

    def then(_: Any, finished: Callable[[], None]) -> None:
        finished()

    window.Delivery.then = then  # type: ignore[method-assign,assignment]
