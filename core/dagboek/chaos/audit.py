"""The sandbox's own books against what was asked for, against the database and against the results topic.

The books are the judge: what they hold twice was booked twice, whatever the database says.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from dagboek.chaos.told import Told
from dagboek.database import Database

Entry = Mapping[str, Any]
"""A row of `GET /_sandbox/entries`: dossier, bookyear, journal, number, comment (the document's number), total; `first`
is the number that its series begins with, 1 where it is not said, None where the tool numbers nothing: such entries are
listed in the order in which the tool got them."""

Key = tuple[str, str]
"""The tool's own id of the books, and the number of a document."""

SHOWN: Final = 20

NOT_ADAPTED: Final = "D07"
"""The issue of a document that changed after booking, where entries are not changed."""

_GONE_WELL: Final = ("synced", "unchanged", "accepted")
_LINK_OPEN: Final = ("intent", "accepted")
"""By now a tool has booked what it took, and that is told."""
_FINAL: Final = (*_GONE_WELL, "skipped", "not_ready", "needs_person", "not_tried")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document that was asked for, as it was asked for last."""

    number: str
    total: Decimal | None = None
    """Without its sign; None: whatever it is."""
    earlier: frozenset[Decimal] = frozenset()
    """As it was asked for before; what an entry shows of which a person was told that it was not adapted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What must stand in the books."""

    documents: Mapping[str, Sequence[Wanted]]
    """By the tool's own id of the books, in the order of booking."""
    connections: Mapping[UUID, str]
    """To which books each connection writes."""

    @property
    def number(self) -> int:
        """How many documents there are in all."""
        return sum(map(len, self.documents.values()))


@dataclass(slots=True)
class Audit:
    """What was compared. The lists are empty when all is well."""

    asked: int
    booked: int
    """Documents that were asked for and have an entry."""
    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Not in the books, and nobody was told why."""
    foreign: list[str] = field(default_factory=list)
    """Entries that nobody asked for."""
    parties: list[str] = field(default_factory=list)
    """Books in which a party stands twice."""
    amounts: list[str] = field(default_factory=list)
    """Entries of another amount than was asked for last."""
    order: list[str] = field(default_factory=list)
    """Journals in which undisturbed documents are not in their order."""
    gaps: list[str] = field(default_factory=list)
    """Journals whose numbers do not follow one another from the first of their series on."""
    database: list[str] = field(default_factory=list)
    """What the database says of a document and the books do not."""
    not_final: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    """Outcomes, numbers and ends of runs that are not on the results topic."""
    told_wrong: list[str] = field(default_factory=list)
    """Booking numbers on the results topic that the books do not have for that document."""
    waiting: list[str] = field(default_factory=list)
    """What waits for a person, each with the reason; no fault."""
    not_adapted: list[str] = field(default_factory=list)
    """Changed after booking in a tool whose entries are not changed, and a person was told so; no fault."""
    not_tried: list[str] = field(default_factory=list)
    """Items that a run which was broken off did not come to; no fault, as a later run did."""

    def faults(self) -> dict[str, list[str]]:
        """What is not as it must be."""
        names = (
            "twice",
            "lost",
            "foreign",
            "parties",
            "amounts",
            "order",
            "gaps",
            "database",
            "not_final",
            "untold",
            "told_wrong",
        )
        return {name: getattr(self, name)[:SHOWN] for name in names if getattr(self, name)}


async def audit(db: Database, asked: Asked, entries: Sequence[Entry], heard: Told, *, calm: bool = False) -> Audit:
    """Compares. `calm`: nothing was refused or asked for again, so that every document is in its order."""
    connections = list(asked.connections)
    links = await db.all(_LINKS, connections)
    items = await db.all(_ITEMS, connections)
    runs = await db.all("SELECT id, state FROM run WHERE connection_id = ANY(%s)", connections)
    held = await db.all(
        """SELECT a.tool_id, s.key FROM series s JOIN administration a ON a.id = s.administration_id
           WHERE s.open_link IS NOT NULL AND a.id IN (SELECT administration_id FROM connection WHERE id = ANY(%s))""",
        connections,
    )
    wanted = {(books, one.number): one for books, rows in asked.documents.items() for one in rows}
    numbers: dict[Key, list[str]] = defaultdict(list)
    for entry in entries:
        numbers[_key(entry)].append(str(entry["number"]))
    found = Audit(asked=len(wanted), booked=sum(key in numbers for key in wanted))
    reasons = _reasons(links, items)
    _compare_books(found, wanted, entries, numbers, reasons)
    twice = {key for key, given in numbers.items() if len(given) > 1}
    _compare_order(found, asked, entries, twice if calm else twice | _disturbed(links, items))
    _compare_database(found, wanted, numbers, links)
    found.not_final += [f"run {row['id']}: {row['state']}" for row in runs if row["state"] != "ended"]
    found.not_final += [f"item {_named(row)}: {row['state']}" for row in items if row["state"] not in _FINAL]
    found.not_final += [
        f"link of {row['tool_id']} {row['number']}: {row['state']}" for row in links if row["state"] in _LINK_OPEN
    ]
    found.not_final += [f"series {row['tool_id']} {row['key']} is held" for row in held]
    found.not_tried += [_named(row) for row in items if row["state"] == "not_tried"]
    _compare_told(found, asked, numbers, items, [row["id"] for row in runs], heard)
    return found


_LINKS: Final = """
SELECT a.tool_id, d.number, l.state, l.current, l.attempt, l.entry_number, l.needs_person_issue ->> 'code' AS code
FROM link l JOIN administration a ON a.id = l.administration_id
JOIN document d ON d.tenant_id = l.tenant_id AND d.identity = l.identity
WHERE l.kind = 'document' AND a.id IN (SELECT administration_id FROM connection WHERE id = ANY(%s))
"""

_ITEMS: Final = """
SELECT i.run_id, i.sequence, i.component, i.kind, i.title, i.state, i.attempt, a.tool_id, r.small,
       (SELECT string_agg(DISTINCT one ->> 'code', ' ') FROM jsonb_array_elements(i.issues) one) AS codes
FROM item i JOIN run r ON r.id = i.run_id JOIN administration a ON a.id = r.administration_id
WHERE r.connection_id = ANY(%s) ORDER BY r.requested_at
"""


def _key(entry: Entry) -> Key:
    return str(entry["dossier"]), str(entry["comment"])


def _named(item: Mapping[str, Any]) -> str:
    return f"{item['tool_id']} {item['component']} {item['title']} (run {item['run_id']} {item['sequence']})"


def _reasons(links: Iterable[Mapping[str, Any]], items: Iterable[Mapping[str, Any]]) -> dict[Key, str]:
    """Documents that wait for a person, with the codes of the issues that say why: as told last."""
    found: dict[Key, str] = {}
    for item in items:
        if item["kind"] == "document":
            key = item["tool_id"], item["title"]
            found.pop(key, None)
            if item["state"] in ("skipped", "needs_person", "not_ready") and item["codes"]:
                found[key] = f"{item['state']} {item['codes']}"
    for link in links:
        if link["current"] and link["state"] == "needs_person" and link["code"]:
            found[link["tool_id"], link["number"]] = f"needs_person {link['code']}"
    return found


def _compare_books(
    found: Audit,
    wanted: Mapping[Key, Wanted],
    entries: Sequence[Entry],
    numbers: Mapping[Key, Sequence[str]],
    reasons: Mapping[Key, str],
) -> None:
    for key, given in numbers.items():
        if key not in wanted:
            found.foreign += [f"{' '.join(key)} as {number}" for number in given]
        elif len(given) > 1:
            found.twice.append(f"{' '.join(key)} as {', '.join(given)}")
    found.lost += [" ".join(key) for key in wanted if key not in numbers and key not in reasons]
    for key in wanted:
        if key in reasons:
            told = found.not_adapted if key in numbers and NOT_ADAPTED in reasons[key].split() else found.waiting
            told.append(f"{' '.join(key)}: {reasons[key]}")
    for entry in entries:
        key = _key(entry)
        one, reason = wanted.get(key), reasons.get(key, "")
        if one is None or one.total in (None, stands := abs(Decimal(str(entry["total"])))):
            continue
        if not (stands in one.earlier if NOT_ADAPTED in reason.split() else reason):
            found.amounts.append(f"{' '.join(key)}: {entry['total']}, asked for {one.total}")


def _disturbed(links: Iterable[Mapping[str, Any]], items: Iterable[Mapping[str, Any]]) -> set[Key]:
    """Documents that may stand after later ones: refused or broken off once, sent again, or asked for alone."""
    again = {(row["tool_id"], row["number"]) for row in links if row["attempt"] > 1}
    return again | {
        (row["tool_id"], row["title"])
        for row in items
        if row["kind"] == "document" and (row["state"] not in _GONE_WELL or row["small"] or row["attempt"] > 1)
    }


def _compare_order(found: Audit, asked: Asked, entries: Sequence[Entry], disturbed: set[Key]) -> None:
    places = {(books, one.number): at for books, rows in asked.documents.items() for at, one in enumerate(rows)}
    journals: dict[tuple[str, Any, Any, int | None], list[tuple[int, Key]]] = defaultdict(list)
    for place, entry in enumerate(entries):
        first, journal = entry.get("first", 1), str(entry["journal"])
        if first is None and Decimal(str(entry["total"])) < 0:
            journal += " credit notes"  # a component of their own, and no journal of their own
        journals[str(entry["dossier"]), entry["bookyear"], journal, first].append(
            (place if first is None else entry["number"], _key(entry))
        )
    for (books, year, journal, first), rows in sorted(journals.items(), key=lambda one: str(one[0])):
        rows.sort()
        name = f"{books} {journal} {year}"
        if first is not None and [number for number, _ in rows] != list(range(first, first + len(rows))):
            found.gaps.append(name)
        calm = [places[key] for _, key in rows if key in places and key not in disturbed]
        if calm != sorted(calm):
            found.order.append(name)


def _compare_database(
    found: Audit, wanted: Mapping[Key, Wanted], numbers: Mapping[Key, Sequence[str]], links: Iterable[Mapping[str, Any]]
) -> None:
    current = {(row["tool_id"], row["number"]): row for row in links if row["current"]}
    counts = Counter((row["tool_id"], row["number"]) for row in links)
    for key in wanted:
        link, given = current.get(key), numbers.get(key, ())
        if link is None and given:
            found.database.append(f"{' '.join(key)}: in the books as {given[0]}, without a link")
        elif link is not None and link["state"] == "booked" and link["entry_number"] not in given:
            found.database.append(f"{' '.join(key)}: booked as {link['entry_number']}, books {', '.join(given) or '-'}")
        elif link is not None and link["state"] == "free" and given:
            found.database.append(f"{' '.join(key)}: free, and in the books as {', '.join(given)}")
        if counts[key] > 1:
            found.database.append(f"{' '.join(key)}: has {counts[key]} links, and nobody had it sent again")


def _compare_told(
    found: Audit,
    asked: Asked,
    numbers: Mapping[Key, Sequence[str]],
    items: Sequence[Mapping[str, Any]],
    runs: Iterable[UUID],
    heard: Told,
) -> None:
    """Every outcome as the database has it, every entry of the books and every run's end must have been told."""
    said: set[Key] = set()
    for (connection, document), given in heard.numbers.items():
        if connection not in asked.connections:
            continue
        key = asked.connections[connection], document
        right = set(numbers.get(key, ()))
        found.told_wrong += [
            f"{' '.join(key)}: told as {one}, books {', '.join(right) or '-'}" for one in given - right
        ]
        if given & right:
            said.add(key)
    found.untold += [
        f"item {_named(row)}: {row['state']}"
        for row in items
        if (row["run_id"], row["sequence"], row["state"]) not in heard.outcomes
    ]
    mine = {(books, one.number) for books, rows in asked.documents.items() for one in rows}
    unsaid = mine - said
    found.untold += [f"{' '.join(key)}: in the books as {numbers[key][0]}" for key in numbers if key in unsaid]
    found.untold += [f"end of run {run}" for run in runs if run not in heard.ended]
