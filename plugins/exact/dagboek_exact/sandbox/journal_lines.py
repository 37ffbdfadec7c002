"""The journal lines of an entry: which account is debited and which credited."""

from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from .amounts import in_own
from .division import Division
from .edm import ZERO, Row, cents
from .sides import Side


class Posting(NamedTuple):
    """A journal line; positive is debit. `amount` in the company's currency, `document_amount` in the entry's."""

    line: int
    account: UUID
    amount: Decimal
    document_amount: Decimal
    party: UUID | None = None
    vat_code: str | None = None
    cost_centre: str | None = None
    cost_unit: str | None = None


def postings_of(division: Division, side: Side, entry: Row, lines: list[Row], party: Row) -> list[Posting]:
    """All journal lines; the third party's comes first and is the sum of the others."""
    others: list[Posting] = []
    for line in lines:
        others += _of_line(division, side, entry, line)
    if entry["difference"]:
        account = division.gl_account(division.defaults["differences"])
        assert account is not None
        amount = entry["difference"] * -side.direction
        others.append(Posting(0, account["ID"], in_own(amount, entry["Rate"]), amount))
    total = -sum((each.amount for each in others), ZERO)
    document = -sum((each.document_amount for each in others), ZERO)
    return [Posting(0, _own_account(division, side, entry, party), total, document, party["ID"]), *others]


def _own_account(division: Division, side: Side, entry: Row, party: Row) -> UUID:
    if party.get(side.fixed_account):
        return UUID(str(party[side.fixed_account]))
    journal = division.by_code("journals", entry["Journal"])
    if journal and journal.get("GLAccount"):
        return UUID(str(journal["GLAccount"]))
    account = division.gl_account(division.defaults[side.default_account])
    assert account is not None
    return UUID(str(account["ID"]))


def _of_line(division: Division, side: Side, entry: Row, line: Row) -> list[Posting]:
    rate, place, sign = entry["Rate"], line["LineNumber"], -side.direction
    account = division.tables["gl_accounts"][line["GLAccount"]]
    vat = line["VATAmountFC"]
    base = line["VATBaseAmountFC"] * sign
    lost = _not_deductible(side, line, account)
    found = [
        Posting(
            place,
            account["ID"],
            in_own(base + lost, rate),
            base + lost,
            None,
            line["VATCode"],
            line.get("CostCenter"),
            line.get("CostUnit"),
        )
    ]
    if not vat or (line["charged"] and side.name == "sales"):
        return found
    to_pay, to_claim = _vat_accounts(division, line)
    own, other = (to_pay, to_claim) if side.name == "sales" else (to_claim, to_pay)
    amounts = [(own, vat * sign - lost)] + ([(other, -vat)] if line["charged"] else [])
    found += [
        Posting(place, key, in_own(amount, rate), amount, None, line["VATCode"]) for key, amount in amounts if amount
    ]
    return found


def _not_deductible(side: Side, line: Row, account: Row) -> Decimal:
    """VAT of a purchase that is a cost."""
    if side.name == "sales":
        return ZERO
    share = line.get("VATNonDeductiblePercentage")
    share = account.get("VATNonDeductiblePercentage") if share is None else share
    return cents(line["VATAmountFC"] * (share or Decimal(0)))


def _vat_accounts(division: Division, line: Row) -> tuple[UUID, UUID]:
    """Where VAT to pay and VAT to claim go."""
    code = division.by_code("vat_codes", line["VATCode"]) if line["VATCode"] else None
    found = []
    for field, default in (("GLToPay", "to_pay"), ("GLToClaim", "to_claim")):
        account = division.gl_account(division.defaults[default])
        assert account is not None
        found.append(UUID(str((code and code.get(field)) or account["ID"])))
    return found[0], found[1]
