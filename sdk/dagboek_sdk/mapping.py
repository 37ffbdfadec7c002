"""From a document and the connection's settings to accounts, VAT codes and amounts: the same for every tool.

All functions are pure. What cannot be decided is an issue (`Refused`), never a guess: a VAT rate that is not
linked does not become "no VAT". Issue codes: B01 VAT code not linked, B02 no account for discounts, B04 no ledger
account, R01 no exchange rate, R02 amounts that do not add up, R03 no account for rounding, R04 no account for
charges, R05 journal not chosen.

Signs are those of the document throughout; `Split.credit` tells which way it works on the books.
Rules: EN 16931 BR-CO-10 to BR-CO-17; ubl-and-vat.md section 4; product.md section 4.3.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

from dagboek_schemas.documents import AllowanceCharge, Document, Kind, Line, Party, VatSubtotal
from dagboek_schemas.issues import Issue

from dagboek_sdk.errors import Refused
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode

Made = TypeVar("Made")

ZERO = Decimal(0)
CENT = Decimal("0.01")
_HUNDRED = Decimal(100)

# fmt: off
EU = frozenset((
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
))
# fmt: on
"""Member states, as ISO 3166 codes."""


@dataclass(frozen=True, slots=True)
class Account:
    """A ledger account, and why it is this one."""

    code: str
    because: str


@dataclass(frozen=True, slots=True)
class VatChoice:
    """The tool's VAT code, and why it is this one."""

    code: str
    reverse_rate: Decimal | None
    """Rate that the receiver owes on a document without VAT; None where none is due."""
    because: str


@dataclass(frozen=True, slots=True)
class Part:
    """What is booked on one account with one VAT code, cost centre and cost unit. Amounts in whole cents."""

    account: str
    vat: VatChoice | None
    """None only for rounding, where category O is not linked."""
    base: Decimal
    vat_amount: Decimal
    cost_centre: str | None
    text: str
    because: str
    field: str
    """Where it came from first, such as lines[3]."""
    cost_unit: str | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """A document as parts. `owed` = sum of base and VAT over the parts = amount due + prepaid.

    What was prepaid changes what is open, not what is booked. Rounding (BT-114) changes what the other party owes,
    so it is a part of its own and `owed` differs from the total with VAT (BT-112) by it.
    """

    parts: tuple[Part, ...]
    net: Decimal
    vat: Decimal
    rounding: Decimal
    owed: Decimal
    credit: bool

    @property
    def effect(self) -> Decimal:
        """Signed effect on the other party's balance: negative for what works as a credit note."""
        return -abs(self.owed) if self.credit else abs(self.owed)


def tried(make: Callable[[], Made], issues: list[Issue]) -> Made | None:
    """What `make` gives; nothing where it is refused, and why goes to `issues`: all that is wrong is told at once."""
    try:
        return make()
    except Refused as refused:
        issues.extend(refused.issues)
        return None


def cents(amount: Decimal) -> Decimal:
    """The amount in whole cents, halves away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def is_credit(document: Document) -> bool:
    """Whether it lowers what the other party owes: a credit note, or an invoice with a negative total.

    A credit note with a negative total is none.
    """
    owed = document.totals.payable + document.totals.prepaid
    return (document.kind is Kind.CREDIT_NOTE) != (owed < 0)


def country_of(party: Party) -> str | None:
    """The country of the address, else of the VAT number; None where neither tells."""
    if party.address.country:
        return party.address.country
    prefix = (party.vat_number or "").strip()[:2].upper()
    return {"EL": "GR", "XI": "GB"}.get(prefix, prefix) if prefix.isalpha() and len(prefix) == 2 else None


def region_of(party: Party, own_country: str) -> str | None:
    """Region as a VAT key has it: the own country's code, `EU` or `NON_EU`; None when it is not known."""
    country = country_of(party)
    if country is None or country == own_country:
        return country
    return "EU" if country in EU else "NON_EU"


def journal(document: Document, settings: ConnectionSettings) -> str:
    """The journal chosen for the document's kind. Refused (R05) when none is."""
    chosen = settings.side(document.direction).journal(document.kind)
    if not chosen:
        raise Refused(Issue(code="R05", facts={"direction": document.direction, "kind": document.kind}))
    return chosen


def exchange_rate(document: Document, settings: ConnectionSettings) -> Decimal:
    """Units of the accounting currency for one of the document's: 1, else the document's rate, else the table's.

    Last comes what the VAT in both currencies (BT-110, BT-111) implies, six decimals. Refused (R01) for none, or
    for one that is not positive.
    """
    if document.currency == settings.currency:
        return Decimal(1)
    rate = document.exchange_rate or settings.exchange_rates.get(document.currency)
    both = document.vat_in_tax_currency and document.totals.vat and document.tax_currency == settings.currency
    if rate is None and both and document.vat_in_tax_currency is not None:
        rate = (document.vat_in_tax_currency / document.totals.vat).quantize(Decimal("0.000001"))
    if rate is None or rate <= 0:
        facts = {"currency": document.currency, "books": settings.currency}
        raise Refused(Issue(code="R01", facts=facts, field="exchange_rate"))
    return rate


def line_account(
    line: Line, side: Side, field: str = "", vat: tuple[str | None, Decimal | None] | None = None
) -> Account:
    """Account of the line, else of the most precise rule for its category and rate. Refused (B04) for none.

    `vat` stands in for the line's own category and rate, for lines that bear none.
    """
    if line.account:
        return Account(line.account, "ledger account of the line")
    category, rate = vat or (line.vat_category, line.vat_rate)
    found = _rule(side.ledger_accounts, category, rate)
    if found is None:
        facts = {"line": line.id, "name": line.name or "", "rate": _percent(rate)}
        raise Refused(Issue(code="B04", facts=facts, field=f"{field}.account" if field else None))
    return found


def allowance_account(row: AllowanceCharge, side: Side, field: str = "") -> Account:
    """Account of a discount (Refused B02 for none) or a charge (R04) on the document as a whole."""
    if row.account:
        return Account(row.account, "ledger account chosen in the source")
    chosen = side.charge_account if row.charge else side.discount_account
    if not chosen:
        facts = {"reason": row.reason or "", "amount": str(row.amount)}
        code = "R04" if row.charge else "B02"
        raise Refused(Issue(code=code, facts=facts, field=f"{field}.account" if field else None))
    return Account(chosen, "account for charges" if row.charge else "account for discounts")


def vat_code(
    side: Side,
    category: str,
    rate: Decimal,
    *,
    region: str | None = None,
    vat_name: str | None = None,
    credit: bool = False,
    field: str = "",
) -> VatChoice:
    """The most precise row of the VAT map: name before region before kind. Refused (B01) where none fits."""
    found = _vat_row(side.vat_codes, category, rate, region, vat_name, credit)
    if found is None:
        facts = {
            "category": category,
            "rate": _percent(rate),
            "region": region or "",
            "vat_name": vat_name or "",
            "kind": "credit_note" if credit else "invoice",
        }
        raise Refused(Issue(code="B01", facts=facts, field=f"{field}.vat_category" if field else None))
    key = found.key
    precise = [word for word in (key.vat_name, key.region) if word]
    because = " ".join(["VAT code for", category, f"{_percent(rate)} %", *precise])
    return VatChoice(found.code, found.reverse_rate, because)


def split(document: Document, settings: ConnectionSettings, *, credit: bool | None = None) -> Split:
    """The document as parts that add up to the cent. Refused with everything that is wrong, not the first alone.

    `credit` says whether VAT codes for credit notes are meant, where a tool decides that in another way than
    `is_credit` does.
    """
    issues: list[Issue] = []
    credit = is_credit(document) if credit is None else credit
    amounts = _amounts(document, issues)
    pieces = _pieces(document, settings, credit, issues)
    if issues:
        raise Refused(issues)
    _settle_bases(document, pieces, amounts.net, issues)
    _settle_vat(document, pieces, amounts.vat, issues)
    if amounts.rounding:
        pieces.append(_rounding(document, settings, amounts.rounding, credit, issues))
    if issues:
        raise Refused(issues)
    return Split(tuple(_merged(pieces)), amounts.net, amounts.vat, amounts.rounding, amounts.owed, is_credit(document))


def spread(exact: Sequence[Decimal], total: Decimal, signs: Sequence[Decimal] | None = None) -> list[Decimal]:
    """`exact` in whole cents so that their sum is `total`; what is left goes where rounding took most away.

    With `signs`, an amount is kept from getting the other sign than its entry there, as long as another can take it.
    """
    rounded = [cents(amount) for amount in exact]
    missing = int((total - sum(rounded, ZERO)) / CENT)
    if not missing or not rounded:
        return rounded
    step = CENT if missing > 0 else -CENT
    guards = signs if signs is not None else exact

    def rank(place: int) -> tuple[bool, bool, Decimal]:
        turned = (rounded[place] + step) * guards[place] < 0
        return guards[place] == 0, turned, (rounded[place] - exact[place]) * (1 if missing > 0 else -1)

    places = sorted(range(len(rounded)), key=rank)
    kept = [place for place in places if not any(rank(place)[:2])] or places[:1]
    each, rest = divmod(abs(missing), len(kept))
    for order, place in enumerate(kept):
        rounded[place] += step * (each + (order < rest))
    return rounded


@dataclass(slots=True)
class _Amounts:
    net: Decimal
    vat: Decimal
    rounding: Decimal
    owed: Decimal


@dataclass(slots=True)
class _Piece:
    """Lines of one account, VAT code, cost centre and unit, within one category and rate of the breakdown."""

    account: Account
    vat: VatChoice | None
    category: str
    rate: Decimal
    cost_centre: str | None
    cost_unit: str | None
    text: str
    field: str
    exact: Decimal = ZERO
    count: int = 0
    base: Decimal = ZERO
    vat_amount: Decimal = ZERO


def _amounts(document: Document, issues: list[Issue]) -> _Amounts:
    """Totals in cents. Before EN 16931 the total with VAT held the rounding already: both are taken."""
    totals = document.totals
    owed, vat, rounding = cents(totals.payable + totals.prepaid), cents(totals.vat), cents(totals.rounding)
    net = owed - vat - rounding
    if abs(net - totals.net) > CENT:
        due = totals.net + totals.vat + totals.rounding - totals.prepaid
        issues.append(_not_adding_up("BR-CO-16", "totals.payable", expected=due, found=totals.payable))
    elif min(abs(totals.gross - net - vat), abs(totals.gross - owed)) > CENT:
        issues.append(_not_adding_up("BR-CO-15", "totals.gross", expected=net + vat, found=totals.gross))
    return _Amounts(net, vat, rounding, owed)


def _pieces(document: Document, settings: ConnectionSettings, credit: bool, issues: list[Issue]) -> list[_Piece]:
    side = settings.side(document.direction)
    region = region_of(document.other_party, settings.country)
    pieces: dict[tuple[object, ...], _Piece] = {}
    for row, amount, field in _rows(document):
        category, rate = _category(document, row.vat_category, row.vat_rate)
        name = row.vat_name if isinstance(row, Line) else None
        account: Account | None
        try:
            if isinstance(row, Line):
                account = line_account(row, side, field, (category, rate))
            else:
                account = allowance_account(row, side, field)
        except Refused as refused:
            issues.extend(refused.issues)
            account = None
        try:
            vat = vat_code(side, category, rate, region=region, vat_name=name, credit=credit, field=field)
        except Refused as refused:
            issues.extend(refused.issues)
            continue
        if account is None:
            continue
        cost_centre, cost_unit = (row.cost_centre, row.cost_unit) if isinstance(row, Line) else (None, None)
        key = (category, rate, account.code, vat.code, vat.reverse_rate, cost_centre, cost_unit)
        piece = pieces.get(key)
        if piece is None:
            text = (row.name or row.description) if isinstance(row, Line) else row.reason
            piece = pieces[key] = _Piece(account, vat, category, rate, cost_centre, cost_unit, text or "", field)
        piece.exact += amount
        piece.count += 1
    return list(pieces.values())


def _rows(document: Document) -> Iterable[tuple[Line | AllowanceCharge, Decimal, str]]:
    """Lines and document-level rows with their amount as it adds to the net. Free text lines of 0.00 are left out."""
    rows: list[tuple[Line | AllowanceCharge, Decimal, str]] = []
    for place, line in enumerate(document.lines):
        rows.append((line, line.net, f"lines[{place}]"))
    for place, row in enumerate(document.allowances_charges):
        rows.append((row, row.amount if row.charge else -row.amount, f"allowances_charges[{place}]"))
    return [row for row in rows if row[1]] or rows[:1]


def _category(document: Document, category: str | None, rate: Decimal | None) -> tuple[str, Decimal]:
    """Category and rate of a line. One that bears none, or half, takes those of the only row of the breakdown.

    Without a breakdown and without VAT it is outside the scope (O); with VAT it is told by the rate.
    """
    if category is None or (rate is None and category not in ("O", "E", "Z", "AE", "K", "G")):
        rows = [row for row in document.vat_breakdown if category in (None, row.category)]
        taxed = [row for row in rows if row.tax or row.taxable] or rows
        if len(taxed) == 1:
            return taxed[0].category or category or "S", taxed[0].rate or rate or ZERO
    if category is None:
        category = "S" if rate or document.totals.vat else "O"
    return category, rate or ZERO


def _settle_bases(document: Document, pieces: list[_Piece], net: Decimal, issues: list[Issue]) -> None:
    exact = sum((piece.exact for piece in pieces), ZERO)
    if abs(exact - net) > _tolerance(document):
        issues.append(_not_adding_up("BR-CO-13", "totals.net", expected=cents(exact), found=net))
        return
    for piece, base in zip(pieces, spread([piece.exact for piece in pieces], net), strict=True):
        piece.base = base


def _settle_vat(document: Document, pieces: list[_Piece], vat: Decimal, issues: list[Issue]) -> None:
    """VAT of each row of the document's own breakdown, spread over the pieces of its category and rate."""
    groups: dict[tuple[str, Decimal], list[_Piece]] = {}
    for piece in pieces:
        groups.setdefault((piece.category, piece.rate), []).append(piece)
    taxes = _taxes(document, groups, vat, issues)
    if issues:
        return
    for key, group in groups.items():
        total = taxes.get(key, ZERO)
        exact = _ideal([piece.base for piece in group], key[1], total)
        shares = spread(exact, total, [piece.base for piece in group])
        for piece, share in zip(group, shares, strict=True):
            piece.vat_amount = share


def _taxes(
    document: Document, groups: dict[tuple[str, Decimal], list[_Piece]], vat: Decimal, issues: list[Issue]
) -> dict[tuple[str, Decimal], Decimal]:
    """VAT of each category and rate, in cents; their sum is the document's VAT."""
    if not document.vat_breakdown:
        bases = {key: sum((piece.base for piece in group), ZERO) for key, group in groups.items()}
        exact = [base * key[1] / _HUNDRED for key, base in bases.items()]
        if abs(sum(exact, ZERO) - vat) > _tolerance(document) and len(groups) != 1:
            issues.append(_not_adding_up("BR-CO-14", "totals.vat", expected=cents(sum(exact, ZERO)), found=vat))
        return dict(zip(groups, spread(exact, vat, list(bases.values())), strict=True))
    taxes: dict[tuple[str, Decimal], Decimal] = {}
    taxable: dict[tuple[str, Decimal], Decimal] = {}
    for row in document.vat_breakdown:
        key = _row_key(document, row, groups)
        taxes[key] = taxes.get(key, ZERO) + row.tax
        taxable[key] = taxable.get(key, ZERO) + row.taxable
    total = sum(taxes.values(), ZERO)
    if abs(total - vat) > CENT * len(taxes):
        issues.append(_not_adding_up("BR-CO-14", "totals.vat", expected=total, found=vat))
    for key, tax in taxes.items():
        base = sum((piece.exact for piece in groups.get(key, ())), ZERO)
        if tax and (key not in groups or abs(base - taxable[key]) > _tolerance(document)):
            issues.append(_not_adding_up("BR-S-08", "vat_breakdown", expected=cents(base), found=taxable[key]))
    for key, group in groups.items():
        base = sum((piece.exact for piece in group), ZERO)
        if key not in taxes and key[1] and base:
            issues.append(_not_adding_up("BR-S-08", "vat_breakdown", expected=cents(base), found=ZERO))
    keys = list(taxes)
    return dict(zip(keys, spread([taxes[key] for key in keys], vat), strict=True))


def _row_key(
    document: Document, row: VatSubtotal, groups: dict[tuple[str, Decimal], list[_Piece]]
) -> tuple[str, Decimal]:
    """Category and rate of a row; one without rate is that of the only group of lines it can be for."""
    if row.rate is None or row.category is None:
        fitting = [key for key in groups if row.category in (None, key[0]) and row.rate in (None, key[1])]
        if len(fitting) == 1:
            return fitting[0]
    return _category(document, row.category, row.rate)


def _ideal(bases: Sequence[Decimal], rate: Decimal, total: Decimal) -> list[Decimal]:
    """VAT of each base before rounding: by the rate, or in proportion where the document computed otherwise."""
    exact = [base * rate / _HUNDRED for base in bases]
    whole = sum(exact, ZERO)
    if abs(whole - total) <= CENT * (len(bases) + 1):
        return exact
    weights = exact if whole else list(bases)
    weight = sum(weights, ZERO)
    if not weight:
        return [total, *[ZERO] * (len(bases) - 1)]
    return [total * one / weight for one in weights]


def _rounding(
    document: Document, settings: ConnectionSettings, amount: Decimal, credit: bool, issues: list[Issue]
) -> _Piece:
    side = settings.side(document.direction)
    account = Account(side.rounding_account or "", "account for rounding differences")
    if not side.rounding_account:
        issues.append(Issue(code="R03", facts={"amount": str(amount)}, field="totals.rounding"))
    region = region_of(document.other_party, settings.country)
    try:
        vat = vat_code(side, "O", ZERO, region=region, credit=credit)
    except Refused:
        vat = None
    return _Piece(account, vat, "O", ZERO, None, None, "", "totals.rounding", amount, 1, amount)


def _merged(pieces: list[_Piece]) -> Iterable[Part]:
    """Parts of one account, VAT code, cost centre and unit; categories that share a code are one part."""
    groups: dict[tuple[object, ...], list[_Piece]] = {}
    for piece in pieces:
        vat = (piece.vat.code, piece.vat.reverse_rate) if piece.vat else None
        groups.setdefault((piece.account.code, vat, piece.cost_centre, piece.cost_unit), []).append(piece)
    parts = [_part(group) for group in groups.values()]
    return [part for part in parts if part.base or part.vat_amount] or parts[:1]


def _part(group: list[_Piece]) -> Part:
    first = group[0]
    count = sum(piece.count for piece in group)
    reasons = dict.fromkeys(
        reason for piece in group for reason in (piece.account.because, piece.vat and piece.vat.because) if reason
    )
    return Part(
        account=first.account.code,
        vat=first.vat,
        base=sum((piece.base for piece in group), ZERO),
        vat_amount=sum((piece.vat_amount for piece in group), ZERO),
        cost_centre=first.cost_centre,
        text=f"{first.text} (+{count - 1})" if count > 1 and first.text else first.text,
        because="; ".join(reasons),
        field=first.field,
        cost_unit=first.cost_unit,
    )


def _tolerance(document: Document) -> Decimal:
    """Lines may bear more decimals than cents: half a cent each, and one for the total."""
    return CENT * (len(document.lines) + len(document.allowances_charges) + 2) / 2


def _not_adding_up(rule: str, field: str, *, expected: Decimal, found: Decimal) -> Issue:
    facts = {"expected": f"{cents(expected):f}", "found": f"{cents(found):f}"}
    return Issue(code="R02", rule=rule, field=field, facts=facts)


def _percent(rate: Decimal | None) -> str:
    return "" if rate is None else f"{rate.normalize():f}" if rate else "0"


_found: dict[int, tuple[tuple[Any, ...], dict[Any, Any]]] = {}
"""What was looked up in the rules of a connection, by the identity of their tuple, which is held so that it lasts.

Settings are the same objects for thousands of documents; hashing all their rows each time would cost more than
all the rest.
"""


def _remembered(rows: tuple[Any, ...]) -> dict[Any, Any]:
    known = _found.get(id(rows))
    if known is None:
        if len(_found) > 1000:
            _found.clear()
        known = _found[id(rows)] = rows, {}
    return known[1]


def _rule(rules: tuple[LedgerRule, ...], category: str | None, rate: Decimal | None) -> Account | None:
    known = _remembered(rules)
    key = category, rate
    if key not in known:
        known[key] = _best_rule(rules, category, rate)
    found: Account | None = known[key]
    return found


def _best_rule(rules: tuple[LedgerRule, ...], category: str | None, rate: Decimal | None) -> Account | None:
    """Most precise rule. Of two that are half precise a rate wins, but a category where the rate is 0."""
    best: tuple[int, LedgerRule] | None = None
    for rule in rules:
        if rule.rate not in (None, rate or ZERO) or rule.category not in (None, category):
            continue
        by_rate, by_category = (2, 1) if rate else (1, 2)
        score = by_rate * (rule.rate is not None) + by_category * (rule.category is not None)
        if best is None or score > best[0]:
            best = score, rule
    if best is None:
        return None
    rule = best[1]
    words = [word for word in (rule.category, rule.rate is not None and f"{_percent(rule.rate)} %") if word]
    return Account(rule.account, " ".join(["ledger account for", *words]) if words else "ledger account by default")


def _vat_row(
    rows: tuple[VatCode, ...], category: str, rate: Decimal, region: str | None, vat_name: str | None, credit: bool
) -> VatCode | None:
    known = _remembered(rows)
    key = category, rate, region, vat_name, credit
    if key not in known:
        known[key] = _best_vat_row(rows, category, rate, region, vat_name, credit)
    found: VatCode | None = known[key]
    return found


def _best_vat_row(
    rows: tuple[VatCode, ...], category: str, rate: Decimal, region: str | None, vat_name: str | None, credit: bool
) -> VatCode | None:
    best: tuple[int, VatCode] | None = None
    for row in rows:
        key = row.key
        if key.category != category or key.rate != rate or key.region not in (None, region):
            continue
        if key.vat_name not in (None, vat_name) or key.credit_note not in (None, credit):
            continue
        score = 4 * (key.vat_name is not None) + 2 * (key.region is not None) + (key.credit_note is not None)
        if best is None or score > best[0]:
            best = score, row
    return best[1] if best else None
