"""Settings to begin with, proposed from a tool's lists: a person looks at them, with the reason of each, and confirms.

Pure. What cannot be told from the lists is listed as missing, never guessed. Rules: product.md sections 1.3 and 1.4,
ubl-and-vat.md section 4; account numbers: the Belgian chart of accounts (70 turnover, 60 and 61 purchases, 608 and
708 discounts), and in the Netherlands 8 for turnover.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from dagboek_schemas.documents import Direction, Kind
from dagboek_sdk.accounting import Lists, Row
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side

from dagboek.connection_settings import rule_words, without_headings
from dagboek.row_words import Word, rate_in, words_of
from dagboek.vat_proposals import propose_vat_codes

_PREFIXES: Final = {
    ("BE", Direction.SALES): ("70",),
    ("BE", Direction.PURCHASE): ("61", "60"),
    ("NL", Direction.SALES): ("8",),
    ("NL", Direction.PURCHASE): ("4", "7"),
}
"""How numbers of turnover and purchase accounts begin, the likeliest first."""

_DISCOUNTS: Final = {("BE", Direction.SALES): "708", ("BE", Direction.PURCHASE): "608"}

_SIDES: Final = {Direction.SALES: "sales", Direction.PURCHASE: "purchases"}
_JOURNALS: Final = {Direction.SALES: ("sales", Word.SALES), Direction.PURCHASE: ("purchase", Word.PURCHASES)}
_CATEGORIES: Final = (("AE", Word.CONTRACTOR), ("K", Word.INTRA_EU), ("G", Word.NON_EU), ("E", Word.EXEMPT))


@dataclass(frozen=True, slots=True)
class Proposed:
    """A value, and why this one."""

    setting: str
    """Where it goes, such as `sales.invoice_journal` or `purchases account 21 %`."""
    value: str
    because: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A setting that the lists do not tell."""

    setting: str
    why: str
    command: str
    """What `dagboek settings` takes to set it; `{connection}` stands for the connection, capitals for the value."""
    without: str
    """What happens as long as it is not chosen."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """Settings to begin with, with the reasons, and what a person must choose."""

    settings: ConnectionSettings
    proposed: tuple[Proposed, ...]
    missing: tuple[Missing, ...]


def propose(lists: Lists, country: str, **known: Any) -> Proposals:
    """Proposals from `journals`, `vat_codes` and `ledger_accounts`.

    `country` is the administration's; `known` are fields of ConnectionSettings that need no proposal, such as
    `start_date` and `currency`. Lists that are absent give nothing but missing settings.
    """
    notes = _Notes()
    sales = _side(lists, Direction.SALES, country, notes)
    purchases = _side(lists, Direction.PURCHASE, country, notes)
    settings = ConnectionSettings(country=country, sales=sales, purchases=purchases, **known)
    return Proposals(settings, tuple(notes.proposed), tuple(notes.missing))


@dataclass
class _Notes:
    proposed: list[Proposed] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    def take(self, setting: str, row: Row | None, because: str, why_not: str, without: str) -> str | None:
        """The row's code, noted; or None, noted as missing, with what happens `without`."""
        if row is None:
            value = "JOURNAL" if setting.endswith("_journal") else "ACCOUNT"
            self.missing.append(Missing(setting, why_not, f"set {{connection}} {setting}={value}", without))
            return None
        self.proposed.append(Proposed(setting, row.code, f"{row.name}: {because}" if row.name else because))
        return row.code

    def rule(self, side: str, rule: LedgerRule, row: Row, because: str) -> LedgerRule:
        """The rule, noted."""
        why = f"{row.name}: {because}" if row.name else because
        self.proposed.append(Proposed(f"{side} {rule_words(rule)}", rule.account, why))
        return rule


def _side(lists: Lists, direction: Direction, country: str, notes: _Notes) -> Side:
    name = _SIDES[direction]
    invoice_journal, credit_note_journal = _journals(lists.get("journals", ()), direction, notes)
    codes = []
    for proposal in propose_vat_codes(lists.get("vat_codes", ()), direction, country):
        setting = f"{name} VAT {proposal.case}"
        if proposal.code is None:
            command = f"vat {{connection}} CODE --side {name} {proposal.options}"
            notes.missing.append(Missing(setting, proposal.because, command, "such documents are skipped"))
        else:
            notes.proposed.append(Proposed(setting, proposal.code.code, proposal.because))
            codes.append(proposal.code)
    accounts = _usable(lists.get("ledger_accounts", ()))
    rules = _ledger_rules(accounts, direction, country, notes)
    return Side(
        invoice_journal=invoice_journal,
        credit_note_journal=credit_note_journal,
        vat_codes=tuple(codes),
        ledger_accounts=rules,
        discount_account=_discount_account(accounts, direction, country, notes),
        charge_account=_charge_account(accounts, direction, country, rules, notes),
        rounding_account=_rounding_account(accounts, direction, notes),
    )


# journals


def _journals(rows: Sequence[Row], direction: Direction, notes: _Notes) -> tuple[str | None, str | None]:
    """Journals for invoices and for credit notes. A tool without journals needs none."""
    if not rows:
        return None, None
    kind, word = _JOURNALS[direction]
    active = [row for row in rows if row.active]
    of_side = [row for row in active if row.kind == kind or (row.kind is None and word in words_of(row.name))]
    chosen: list[str | None] = []
    for wanted, setting in ((Kind.INVOICE, "invoice_journal"), (Kind.CREDIT_NOTE, "credit_note_journal")):
        credit = wanted is Kind.CREDIT_NOTE
        found = [row for row in active if row.kind == f"{kind}_{wanted}"]
        because = f"its kind is {kind} {wanted}".replace("_", " ")
        if not found:
            found = [row for row in of_side if (Word.CREDIT_NOTE in words_of(row.name)) is credit]
            because = f"a {kind} journal" + (" whose name says credit notes" if credit else "")
        if not found and len(of_side) == 1:
            found, because = of_side, f"the only {kind} journal"
        why_not = f"no {kind} journal whose name says credit notes" if of_side and credit else f"no {kind} journal"
        without = f"{_SIDES[direction]} {wanted}s are skipped".replace("_", " ")
        row = found[0] if found else None
        chosen.append(notes.take(f"{_SIDES[direction]}.{setting}", row, because, why_not, without))
    return chosen[0], chosen[1]


# ledger accounts


def _usable(rows: Sequence[Row]) -> list[Row]:
    """Active accounts without headings, by number."""
    return sorted(without_headings([row for row in rows if row.active]), key=lambda row: row.code)


def _of_side(rows: Sequence[Row], direction: Direction, country: str) -> list[Row]:
    """Turnover or purchase accounts: by their numbers, the likeliest first, else by name."""
    discounts = _DISCOUNTS.get((country, direction), "-")
    numbered = [
        row
        for prefix in _PREFIXES.get((country, direction), ())
        for row in rows
        if row.code.startswith(prefix) and not row.code.startswith(discounts)
    ]
    side = _JOURNALS[direction][1]
    return numbered or [row for row in rows if side in words_of(row.name) and Word.DISCOUNT not in words_of(row.name)]


def _ledger_rules(accounts: Sequence[Row], direction: Direction, country: str, notes: _Notes) -> tuple[LedgerRule, ...]:
    name = _SIDES[direction]
    rows = _of_side(accounts, direction, country)
    rules: list[LedgerRule] = []
    for rate, row in _by_rate(rows).items():
        rules.append(notes.rule(name, LedgerRule(account=row.code, rate=rate), row, "its name shows the rate"))
    for category, word in _CATEGORIES:
        found = next((row for row in rows if word in words_of(row.name)), None)
        if found is not None:
            rule = LedgerRule(account=found.code, category=category)
            rules.append(notes.rule(name, rule, found, f"its name says {word}"))
    default, because = _default_account(rows, direction)
    if default is not None:
        rules.append(notes.rule(name, LedgerRule(account=default.code), default, because))
    else:
        setting = f"{name} {rule_words(LedgerRule(account=''))}"
        why_not = f"no account for {name} in general"
        command = f"account {{connection}} ACCOUNT --side {name}"
        without = "a document with a line that bears no account and fits no other row is skipped"
        notes.missing.append(Missing(setting, why_not, command, without))
    return tuple(rules)


def _by_rate(rows: Iterable[Row]) -> dict[Decimal, Row]:
    """The first account for each rate that a name shows alone. A foreign rate is no rule."""
    found: dict[Decimal, Row] = {}
    for row in rows:
        rate = rate_in(row.name)
        odd = words_of(row.name) & {Word.FOREIGN_RATE, Word.SPECIAL, Word.INTRA_EU, Word.NON_EU, Word.CONTRACTOR}
        if rate is not None and not odd:
            found.setdefault(rate, row)
    return dict(sorted(found.items(), reverse=True))


def _default_account(rows: Sequence[Row], direction: Direction) -> tuple[Row | None, str]:
    """An account that its name calls general; for sales else the first that says nothing particular.

    Purchases without one get none: what is bought tells the account, and the first in the chart would be wrong.
    """
    particular = {word for _, word in _CATEGORIES} | {Word.FOREIGN_RATE, Word.SPECIAL, Word.DISCOUNT, Word.ROUNDING}
    plain = [row for row in rows if not words_of(row.name) & particular]
    general = next((row for row in plain if Word.GENERAL in words_of(row.name)), None)
    if general is not None:
        return general, "its name says general or sundry"
    if direction is Direction.PURCHASE:
        return None, ""
    return next((row for row in plain if rate_in(row.name) is None), next(iter(plain), None)), "the first plain one"


def _discount_account(accounts: Sequence[Row], direction: Direction, country: str, notes: _Notes) -> str | None:
    """For commercial discounts; financial ones (for paying early) are another account."""
    prefix = _DISCOUNTS.get((country, direction))
    found = [row for row in accounts if prefix and row.code.startswith(prefix)]
    because = f"{prefix} is for discounts in the chart of accounts"
    if not found:
        side, other = (Word.SALES, Word.PURCHASES) if direction is Direction.SALES else (Word.PURCHASES, Word.SALES)
        named = [row for row in accounts if Word.DISCOUNT in words_of(row.name)]
        named = [row for row in named if not words_of(row.name) & {Word.FINANCIAL, other}]
        found = [row for row in named if side in words_of(row.name)] or named
        because = "its name says discounts"
    return notes.take(
        f"{_SIDES[direction]}.discount_account",
        found[0] if found else None,
        because,
        "no account for discounts",
        "documents with a discount are skipped",
    )


def _charge_account(
    accounts: Sequence[Row], direction: Direction, country: str, rules: Sequence[LedgerRule], notes: _Notes
) -> str | None:
    rows = _of_side(accounts, direction, country)
    found = next((row for row in rows if Word.CHARGE in words_of(row.name)), None)
    because = "its name says charges"
    if found is None:
        default = next((rule.account for rule in rules if rule.rate is None and rule.category is None), None)
        found = next((row for row in rows if row.code == default), None)
        because = "no account for charges, so the default of the lines"
    without = "documents with a charge are skipped"
    return notes.take(f"{_SIDES[direction]}.charge_account", found, because, "no account for charges", without)


def _rounding_account(accounts: Sequence[Row], direction: Direction, notes: _Notes) -> str | None:
    """Where there is one for costs (6) and one for income (7), sales take that for income."""
    found = [row for row in accounts if Word.ROUNDING in words_of(row.name)]
    first = "7" if direction is Direction.SALES else "6"
    found.sort(key=lambda row: not row.code.startswith(first))
    return notes.take(
        f"{_SIDES[direction]}.rounding_account",
        found[0] if found else None,
        "its name says rounding",
        "no account whose name says rounding",
        "documents with a rounding are skipped",
    )
