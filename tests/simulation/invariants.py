"""What must hold: at the tool's own books, at what was told, and between the two."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagboek_schemas.topics import Topic
from dagboek_sdk.accounting import Settling

if TYPE_CHECKING:
    from simulation.world import Connected, World

Row = Mapping[str, Any]

BOOKED = ("synced", "unchanged", "accepted")
SETTLED = 14.0
"""Seconds after which an attempt is settled: the send window, the call deadline and the tool's lag."""
SET_ASIDE = ("skipped", "not_ready", "needs_person")
"""States of an item whose place in the order is its own affair."""


class Broken(AssertionError):
    """An invariant does not hold. `invariant` names it."""

    def __init__(self, invariant: str, told: str) -> None:
        self.invariant = invariant
        super().__init__(f"{invariant}: {told}")


@dataclass(frozen=True, slots=True)
class Told:
    """A record of the results topic."""

    at: int
    id: str
    data: dict[str, Any]

    @property
    def item(self) -> tuple[str, int] | None:
        return (self.data["run_id"], self.data["sequence"]) if "sequence" in self.data else None


async def check(world: "World") -> None:
    """All of them; Broken for the first that does not hold."""
    told = results(world)
    items = await world.db.all("SELECT * FROM item ORDER BY run_id, sequence")
    runs = await world.db.all("SELECT * FROM run")
    links = await world.db.all("SELECT l.*, d.number FROM link l LEFT JOIN document d ON d.identity = l.identity")
    attempts = await world.db.all("SELECT a.*, l.identity FROM attempt a JOIN link l ON l.id = a.link_id")
    for connected in world.connections:
        _books(connected)
    for connected in world.connections:
        _links(connected, [one for one in links if one["administration_id"] == connected.administration])
        _results(connected, told)
        if not world.gaps:  # what the log has lost comes again, and then behind the others
            _order(world, connected, items, attempts)
    _all_told(told, items, runs)


def results(world: "World") -> list[Told]:
    """What a consumer of the results topic has read, in the order of the log."""
    kept = [one for one in world.log.all if one.topic is Topic.RESULTS]
    return [
        Told(at, (one.headers or {})["ce_id"].decode(), json.loads(one.value or b"")) for at, one in enumerate(kept)
    ]


def _books(connected: "Connected") -> None:
    books = connected.books
    for number, document in connected.shelf.documents.items():
        there = books.of(number)
        if len(there) > 1:
            raise Broken("one entry per document", f"{number} stands there {len(there)} times ({connected.character})")
        if number in books.refuses:
            continue
        if not there:
            raise Broken("nothing is lost", f"{number} ({connected.character})")
        if number not in connected.by_hand | connected.excused and there[0].content != document.order_reference:
            raise Broken("the entry is the document", f"{number}: {there[0].content}, not {document.order_reference}")
    for party in {one.reference for one in books.parties}:
        if sum(one.reference == party for one in books.parties) > 1:
            raise Broken("one entry per party", party)
    if books.settling is Settling.NUMBER:
        numbers = [one.number for one in books.entries]
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            raise Broken("a series has no gaps", str(numbers))


def _links(connected: "Connected", links: Sequence[Row]) -> None:
    for link in links:
        if link["state"] == "intent":
            raise Broken("each is final", f"link {link['id']} has an open attempt")
        if link["kind"] != "document" or not link["current"] or link["number"] in connected.books.refuses:
            continue
        there = connected.books.of(link["number"])[0]
        if link["state"] != "booked":
            raise Broken("each is final", f"{link['number']} stands there, and its link is {link['state']}")
        if link["entry_id"] is not None and link["entry_id"] != there.id:
            raise Broken("results agree with the books", f"{link['number']} is {there.id}, not {link['entry_id']}")


def _results(connected: "Connected", told: Sequence[Told]) -> None:
    """Every entry was told, and everything that was told as booked stands there."""
    entries = {one.id: one for one in connected.books.entries}
    named: set[str] = set()
    for one in told:
        data = one.data
        if data["administration_id"] != str(connected.administration) or data.get("kind") != "document":
            continue
        if data["state"] not in BOOKED or "entry_id" not in data:
            continue
        there = entries.get(data["entry_id"])
        if there is None or there.reference != data["document_number"]:
            raise Broken("results agree with the books", f"{data['document_number']} was told as {data['entry_id']}")
        named.add(data["entry_id"])
    for entry in connected.books.entries:
        if entry.id not in named and entry.reference not in connected.by_hand | connected.excused:
            raise Broken("every outcome is told", f"nobody was told of {entry.reference} ({entry.id})")


def _all_told(told: Sequence[Told], items: Sequence[Row], runs: Sequence[Row]) -> None:
    by_item: dict[tuple[str, int], list[Told]] = defaultdict(list)
    ends: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        if one.item is not None:
            by_item[one.item].append(one)
        elif "trigger" in one.data:
            ends[one.data["run_id"]].append(one)
    for run in runs:
        if len({one.id for one in ends[str(run["id"])]}) != 1:
            raise Broken("every outcome is told", f"the end of run {run['id']}, once: {ends[str(run['id'])]}")
    for item in items:
        run_id = str(item["run_id"])
        of_item = by_item[run_id, item["sequence"]]
        if not of_item:
            raise Broken("every outcome is told", f"{item['title']} of run {run_id}")
        # a consumer does as docs/guides/consume.md says
        last = max(of_item, key=lambda one: (one.data["link_version"], one.data["occurred_at"]))
        if last.data["state"] != item["state"]:
            raise Broken(
                "every outcome is told", f"{item['title']} of run {run_id}: {item['state']}, not {last.data['state']}"
            )
        if of_item[0].at > ends[run_id][0].at:
            raise Broken("the end of a run is told after its items", f"{item['title']} of run {run_id}")


def _order(world: "World", connected: "Connected", items: Sequence[Row], attempts: Sequence[Row]) -> None:
    """What stands before a document in its run was done before it, or left for what its own attempt came to."""
    of_run: dict[Any, list[Row]] = defaultdict(list)
    for item in items:
        if item["kind"] == "document":
            of_run[item["run_id"]].append(item)
    tries: dict[str, list[Row]] = defaultdict(list)
    for attempt in sorted(attempts, key=lambda one: one["started_at"]):
        tries[attempt["identity"]].append(attempt)
    by_number = {item["title"]: item["identity"] for item in items if item["kind"] == "document"}
    by_people = connected.by_hand | connected.excused
    for entry in connected.books.entries:
        if entry.reference in by_people:
            continue
        own = [one for one in tries[by_number[entry.reference]] if world.seconds(one["started_at"]) <= entry.at]
        if not own:
            raise Broken("nothing is sent without an intent", entry.reference)
        sent, together = own[-1], world.network.together.get(entry.id, [])
        for before in of_run[sent["run_id"]]:
            if before["sequence"] >= sent["sequence"] or before["state"] in SET_ASIDE or before["title"] in by_people:
                continue
            if together and before["title"] in together[: together.index(entry.reference)]:
                continue  # in one call, and there before it
            earlier = [one for one in tries[before["identity"]] if one["started_at"] <= sent["started_at"]]
            if not earlier or _free_again(earlier[-1], sent["started_at"]):
                raise Broken(
                    "in order per administration", f"{entry.reference} was sent before {before['title']} was done"
                )


def _free_again(attempt: Row, moment: Any) -> bool:
    """Whether an attempt had come to nothing by then, so that its document was next.

    Where that is known only after its settle time, it was settled first: then it comes again behind the others.
    """
    if attempt["outcome"] != "not_processed":
        return False
    took = (attempt["outcome_at"] - attempt["started_at"]).total_seconds()
    return bool(attempt["outcome_at"] <= moment and took < SETTLED)


def acked_unheard(world: "World", run_id: str, sequence: int, generation: int, window: int) -> str | None:
    """Whether an item was acked with an outcome that nobody was told; asked when its offset is committed.

    What was let go is acked too, and its outcome is told by whoever gives it; so only what is final in this
    generation of an active run counts, and in this window: settling has put others back, to come in a later one.
    """
    row = world.server.look(
        """SELECT i.title, i.state FROM item i JOIN run r ON r.id = i.run_id
           WHERE i.run_id = %s AND i.sequence = %s AND r.state = 'active' AND r.generation = %s
             AND i.generation = r.generation AND i.window_no = %s AND i.event IS NOT NULL
             AND i.state NOT IN ('planned', 'needs_person')""",
        run_id,
        sequence,
        generation,
        window,
    )
    return None if row is None else f"{row[0]} of run {run_id} was acked as {row[1]}"


def acked_undone(world: "World", run_id: str, sequence: int, generation: int, window: int) -> str | None:
    """Whether an item was acked that nobody has worked on; asked while nothing has happened that lets items go."""
    row = world.server.look(
        """SELECT i.title FROM item i JOIN run r ON r.id = i.run_id
           WHERE i.run_id = %s AND i.sequence = %s AND r.state = 'active' AND r.generation = %s
             AND i.generation = r.generation AND i.window_no = %s AND i.state = 'planned' AND r.component_errors = '{}'
             AND NOT EXISTS (SELECT 1 FROM item s WHERE s.run_id = r.id AND s.state = 'to_settle')""",
        run_id,
        sequence,
        generation,
        window,
    )
    return None if row is None else f"{row[0]} of run {run_id} was acked as planned"
