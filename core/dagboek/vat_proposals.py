"""Which VAT code of the tool each case gets, as a proposal (ubl-and-vat.md sections 4.1 to 4.4).

A case is what a VAT key tells: category, rate, region of the other party. Its code is looked for among the tool's by
side, rate and name. What is not found is said and stays unlinked: no VAT is never a fallback.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from dagboek_schemas.documents import Direction
from dagboek_sdk.accounting import Row
from dagboek_sdk.settings import VatCode, VatKey

from dagboek.row_words import Word, rate_of, words_of

ZERO: Final = Decimal(0)
STANDARD_RATE: Final = Decimal(21)
"""Of Belgium and of the Netherlands; what the receiver owes where neither document nor code tells a rate."""

_MEANINGS: Final = frozenset({Word.INTRA_EU, Word.NON_EU, Word.CONTRACTOR, Word.EXEMPT, Word.OUTSIDE_VAT, Word.SPECIAL})
"""Words that make a code something else than plain VAT at its rate."""


@dataclass(frozen=True, slots=True)
class Case:
    """What happens, how a VAT key tells it, and the words of a code for it."""

    title: str
    category: str
    region: str | None = None
    means: tuple[Word, ...] = ()
    """One of them must be in the code's name; none: a plain code of the rate."""
    never: frozenset[Word] = frozenset()
    prefers: Word | None = None
    reverse: bool = False
    """The receiver owes the VAT."""
    vat_name: str | None = None

    @property
    def options(self) -> str:
        """How `dagboek settings vat` is told of it: `--category K --region EU`."""
        given = (("category", self.category), ("region", self.region), ("vat-name", self.vat_name))
        return " ".join(f"--{name} {value}" for name, value in given if value)


@dataclass(frozen=True, slots=True)
class VatProposal:
    """A code for a case, or none, and why."""

    case: str
    code: VatCode | None
    because: str
    options: str = ""
    """Of `dagboek settings vat`, for a case without code."""


def propose_vat_codes(rows: Sequence[Row], direction: Direction, country: str) -> Iterator[VatProposal]:
    """A proposal, or what is missing, for every case of a side; twice where the tool has codes for credit notes."""
    invoices, credit_notes = _of_side(rows, direction)
    for case in _cases(direction, country):
        for proposal in _for_case(case, invoices, direction, country, False if credit_notes else None):
            yield proposal
            if credit_notes and proposal.code is not None:
                yield from _for_credit_notes(case, proposal.code.key, credit_notes, direction, country)


def _cases(direction: Direction, country: str) -> tuple[Case, ...]:
    sale = direction is Direction.SALES
    not_exported = frozenset({Word.NON_EU, Word.INTRA_EU})
    cases = [
        Case("standard and reduced rates", "S"),
        Case("zero rate", "Z"),
        Case("exempt", "E", means=(Word.EXEMPT,), never=not_exported),
        Case("outside the scope of VAT", "O", means=(Word.OUTSIDE_VAT,), never=not_exported),
        Case("reverse charge, own country", "AE", country, (Word.CONTRACTOR,), not_exported, Word.SERVICES, not sale),
        Case("services, EU", "AE", "EU", (Word.INTRA_EU,), frozenset({Word.GOODS}), Word.SERVICES, not sale),
        Case("goods, EU", "K", "EU", (Word.INTRA_EU,), frozenset({Word.SERVICES}), Word.GOODS, not sale),
        Case("outside the EU", "G", "NON_EU", (Word.NON_EU,), frozenset(), Word.GOODS),
    ]
    if country == "BE":  # UBL.BE files services to the EU under K, with a name of their own
        cases.append(
            Case("services, EU (UBL.BE 44)", "K", "EU", (Word.INTRA_EU,), frozenset({Word.GOODS}), Word.SERVICES,
                 not sale, "44")
        )  # fmt: skip
    if sale:
        cases.append(Case("services outside the EU", "O", "NON_EU", (Word.NON_EU,), frozenset({Word.GOODS})))
    return tuple(cases)


def _for_case(
    case: Case, rows: Sequence[Row], direction: Direction, country: str, credit_note: bool | None
) -> Iterator[VatProposal]:
    if case.category == "S":
        rates = sorted({rate for row in rows if (rate := rate_of(row)) and _plain(row)}, reverse=True)
        for rate in rates:
            best = _best([row for row in rows if _plain(row) and rate_of(row) == rate], None, direction)
            yield _proposal(case, best, rate, credit_note, f"{_percent(rate)} %, by its rate")
        if not rates:
            yield VatProposal(case.title, None, "no code with a rate above 0 %", f"{case.options} --rate RATE")
        return
    found = _matching(case, rows)
    because = f"its name says {' or '.join(case.means)}" if case.means else "0 %, by its rate"
    if not found and case.category == "E" and country == "BE":
        # Boxes 00 and 81-83 hold zero and exempt alike (section 4.3).
        found = _matching(Case("zero rate", "Z"), rows)
        because = "no code for exempt; in Belgium it goes where the zero rate goes"
    best = _best(found, case.prefers, direction)
    if best is None:
        why_not = f"no code whose name says {' or '.join(case.means) or '0 %'}"
        yield VatProposal(case.title, None, why_not, case.options)
        return
    yield _proposal(case, best, ZERO, credit_note, because)


def _for_credit_notes(
    case: Case, key: VatKey, rows: Sequence[Row], direction: Direction, country: str
) -> Iterator[VatProposal]:
    for proposal in _for_case(case, rows, direction, country, True):
        if proposal.code is None or proposal.code.key.rate == key.rate:
            yield VatProposal(f"{proposal.case}, credit notes", proposal.code, proposal.because)


def _matching(case: Case, rows: Sequence[Row]) -> list[Row]:
    if not case.means:
        return [row for row in rows if _plain(row) and rate_of(row) == ZERO]
    found = [row for row in rows if (words := words_of(row.name)) & set(case.means) and not words & case.never]
    # What the receiver owes nothing on comes first, but where it owes the VAT a rate of its own may be in the code.
    return found if case.reverse else [row for row in found if not rate_of(row)]


def _best(rows: Sequence[Row], prefers: Word | None, direction: Direction) -> Row | None:
    """Preferred words first, then no odd ones, the standard rate, the order of the tool."""
    if not rows:
        return None
    wanted = prefers or (Word.SERVICES if direction is Direction.PURCHASE else None)

    def rank(place: int) -> tuple[bool, bool, bool, bool, int]:
        words = words_of(rows[place].name)
        odd = bool(words & {Word.FOREIGN_RATE, Word.SPECIAL})
        usual = (rate_of(rows[place]) or STANDARD_RATE) == STANDARD_RATE
        return odd, Word.INVESTMENTS in words, wanted is not None and wanted not in words, not usual, place

    return rows[min(range(len(rows)), key=rank)]


def _proposal(case: Case, row: Row | None, rate: Decimal, credit_note: bool | None, because: str) -> VatProposal:
    assert row is not None
    reverse = (rate_of(row) or STANDARD_RATE) if case.reverse else None
    key = VatKey(category=case.category, rate=rate, region=case.region, vat_name=case.vat_name, credit_note=credit_note)
    owed = f"; the receiver owes {_percent(reverse)} %" if reverse else ""
    title = f"{case.title} {_percent(rate)} %" if case.category == "S" else case.title
    return VatProposal(title, VatCode(key=key, code=row.code, reverse_rate=reverse), f"{row.name}: {because}{owed}")


def _of_side(rows: Sequence[Row], direction: Direction) -> tuple[list[Row], list[Row]]:
    """Active codes of the side for invoices, and those for credit notes alone. A code without kind serves both."""
    side, other = ("sales", Word.PURCHASES) if direction is Direction.SALES else ("purchase", Word.SALES)
    active = [row for row in rows if row.active]
    invoices = [
        row
        for row in active
        if row.kind in (side, f"{side}_invoice") or (row.kind is None and other not in words_of(row.name))
    ]
    return invoices, [row for row in active if row.kind == f"{side}_credit_note"]


def _plain(row: Row) -> bool:
    return not words_of(row.name) & _MEANINGS


def _percent(rate: Decimal) -> str:
    return f"{rate.normalize():f}"
