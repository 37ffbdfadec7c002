"""Whether the tool's own books say what they must: balanced, and exactly the documents that were to be booked."""

from collections.abc import Sequence
from dataclasses import dataclass

from dagboek.demo.books import Balance, Entry
from dagboek.demo.company import Company
from dagboek.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Proof:
    """One company's books against the push record."""

    company: Company
    balance: Balance
    entries: tuple[Entry, ...]
    asked: tuple[str, ...]
    """Ids of the entries that the push record says are booked."""

    @property
    def faults(self) -> list[str]:
        """What is wrong, in sentences; empty when all is well."""
        there = [entry.id for entry in self.entries]
        name = self.company.entity.name
        found = [] if self.balance.even else [f"{name}: debit {self.balance.debit} is not credit {self.balance.credit}"]
        found += [f"{name}: entry {one} is not balanced" for one in (e.id for e in self.entries if not e.balanced)]
        found += [f"{name}: {one} should be booked and is not there" for one in self.asked if one not in there]
        found += [f"{name}: {one} is there and nobody asked for it" for one in there if one not in self.asked]
        return found + [f"{name}: {one} is there twice" for one in set(there) if there.count(one) > 1]


async def proofs(stage: Stage, companies: Sequence[Company]) -> list[Proof]:
    """The proof for each company."""
    found: list[Proof] = []
    for company in companies:
        rows = await stage.db.all(
            """SELECT entry_id, entry_number FROM link
                WHERE administration_id = %s AND kind = 'document' AND state = 'booked' AND current ORDER BY id""",
            company.administration_id,
        )
        books = stage.books[company.tool]
        entries = tuple(await books.entries(company.dossier))
        balance = await books.balance(company.dossier)
        asked = tuple(_own(str(row["entry_id"]), row["entry_number"], entries) for row in rows)
        found.append(Proof(company, balance, entries, asked))
    return found


def _own(entry_id: str, number: str | None, entries: Sequence[Entry]) -> str:
    """The tool's own id in the plugin's, which may say more; as it is where no entry bears it.

    Where the tool names no id and books under the document's own number, the entry with that.
    """
    by_id = (one.id for one in entries if entry_id == one.id or entry_id.endswith(f"/{one.id}"))
    by_number = (one.id for one in entries if one.number == one.reference == number)
    return next(by_id, next(by_number, entry_id))
