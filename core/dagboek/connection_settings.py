"""Whether the settings of a connection fit the tool's look-up lists, and whether anything is missing still."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dagboek_sdk.accounting import About, Lists, Row
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side

from dagboek.reasons import Reason

_SIDES = (("sales", "sales"), ("purchases", "purchase"))
"""Name of the settings, and the word for it in the kinds of journals and VAT codes."""

_ACCOUNTS = ("discount_account", "charge_account", "rounding_account", "prepaid_account")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one setting, for people, and its path: `sales.invoice_journal`."""

    field: str
    message: str
    key: str
    facts: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def reason(self) -> Reason:
        """The same, for a page in the reader's language."""
        return Reason(self.message, self.key, self.facts, self.field)

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def rule_words(rule: LedgerRule) -> str:
    """What a row of the ledger accounts is called: `account 21 %`, `account AE`, `account for all other lines`."""
    rate = f"{rule.rate.normalize():f} %" if rule.rate is not None else ""
    return "account " + (" ".join(word for word in (rule.category or "", rate) if word) or "for all other lines")


def without_headings(accounts: Sequence[Row]) -> list[Row]:
    """Accounts that take bookings: headings have shorter numbers than the others."""
    usual = Counter(len(row.code) for row in accounts).most_common(1)
    return [row for row in accounts if len(row.code) >= usual[0][0]]


def faults(settings: ConnectionSettings, lists: Lists, about: About) -> list[Problem]:
    """Settings that the tool would refuse. A list that the tool does not give is not checked against."""
    return [
        *_general(settings, lists),
        *(fault for name, word in _SIDES for fault in _side(name, word, getattr(settings, name), lists, about)),
    ]


def unfinished(settings: ConnectionSettings, about: About) -> list[Problem]:
    """What must be set before the first run. A side without any journal is not synchronised, and may stay so."""
    if not about.has_journals:
        return []
    chosen = [(name, side) for name, side in (("sales", settings.sales), ("purchases", settings.purchases))]
    chosen = [(name, side) for name, side in chosen if side.invoice_journal or side.credit_note_journal]
    if not chosen:
        return [Problem("sales.invoice_journal", "choose the journals of sales, of purchases, or of both", "journals")]
    return [
        Problem(f"{name}.{field}", "choose a journal; without one these documents are skipped", "journal")
        for name, side in chosen
        for field in ("invoice_journal", "credit_note_journal")
        if not getattr(side, field)
    ]


def _general(settings: ConnectionSettings, lists: Lists) -> Iterator[Problem]:
    if len(settings.country) != 2 or not settings.country.isalpha() or not settings.country.isupper():
        yield Problem(
            "country", f"{settings.country!r} is no country code of two capital letters, such as BE", "country"
        )
    for currency, rate in settings.exchange_rates.items():
        if rate <= 0:
            yield Problem(f"exchange_rates.{currency}", "an exchange rate must be more than zero", "exchange_rate")
    for at, term in enumerate(settings.payment_terms):
        yield from _known(f"payment_terms[{at}]", "payment term", term.code, lists.get("payment_terms"))


def _side(name: str, word: str, side: Side, lists: Lists, about: About) -> Iterator[Problem]:
    for kind in ("invoice", "credit_note"):
        code = getattr(side, f"{kind}_journal")
        if code and not about.has_journals:
            yield Problem(
                f"{name}.{kind}_journal",
                f"{about.title} has no journals to choose; leave it out",
                "no_journals",
                {"tool": about.title},
            )
        elif code:
            kinds = {word, f"{word}_{kind}"}
            yield from _known(f"{name}.{kind}_journal", "journal", code, lists.get("journals"), kinds)
    accounts = lists.get("ledger_accounts")
    for field in _ACCOUNTS:
        if account := getattr(side, field):
            yield from _known(f"{name}.{field}", "ledger account", account, accounts)
    for at, rule in enumerate(side.ledger_accounts):
        yield from _known(f"{name}.ledger_accounts[{at}]", "ledger account", rule.account, accounts)
    for at, row in enumerate(side.vat_codes):
        kinds = {word, f"{word}_invoice", f"{word}_credit_note"}
        yield from _known(f"{name}.vat_codes[{at}]", "VAT code", row.code, lists.get("vat_codes"), kinds)
    yield from _twice(f"{name}.ledger_accounts", [(rule.rate, rule.category) for rule in side.ledger_accounts])
    yield from _twice(f"{name}.vat_codes", [row.key for row in side.vat_codes])


def _known(
    field: str, what: str, code: str, rows: tuple[Row, ...] | None, kinds: set[str] | None = None
) -> Iterator[Problem]:
    """Nothing when `code` is among the rows, in use, and of one of `kinds`; a row without kind is of any."""
    if rows is None:
        return
    fitting = [row for row in rows if kinds is None or row.kind is None or row.kind in kinds]
    same = [row for row in rows if row.code == code]
    if not same:
        choices = _choices(fitting if kinds is not None else _nearest(without_headings(fitting), code))
        text = f"the tool has no {what} {code}; it has {choices}. Add it there, or choose another"
        yield Problem(field, text, "not_in_tool", {"what": _key(what), "code": code})
    elif not (right := [row for row in fitting if row.code == code]):
        text = f"{what} {code} ({same[0].name}) is for {same[0].kind}; choose one of {_choices(fitting)}"
        yield Problem(field, text, "other_kind", {"what": _key(what), "code": code, "name": same[0].name})
    elif not any(row.active for row in right):
        text = f"{what} {code} ({right[0].name}) is closed or inactive in the tool; choose another"
        yield Problem(field, text, "closed_in_tool", {"what": _key(what), "code": code, "name": right[0].name})


def _key(what: str) -> str:
    return what.lower().replace(" ", "_")


def _nearest(rows: Sequence[Row], code: str) -> list[Row]:
    """Those whose numbers begin as `code` does come first."""
    return sorted(rows, key=lambda row: -next(at for at in range(len(code), -1, -1) if row.code[:at] == code[:at]))


def _choices(rows: Iterable[Row], shown: int = 8) -> str:
    codes = list(dict.fromkeys(row.code for row in rows if row.active))
    return (", ".join(codes[:shown]) + (f" and {len(codes) - shown} more" if len(codes) > shown else "")) or "none"


def _twice(field: str, keys: list[object]) -> Iterator[Problem]:
    for at, key in enumerate(keys):
        if key in keys[:at]:
            yield Problem(
                f"{field}[{at}]", f"says again what row {keys.index(key)} says; keep one of them", "row_twice"
            )
