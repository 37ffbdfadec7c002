"""From documents and parties to what Yuki is sent. Pure: settings and lists come with the context.

A sale is an invoice of one line per ledger account and VAT type, each with the VAT that the document itself has for it:
quantity 1, or -1 for what lowers what the customer owes, at a price without VAT. So price times quantity, the line's
amount and its VAT say the same, whichever of them Yuki takes for its books.

Yuki has no exchange rates in its documents: a document in another currency is booked at Yuki's own rate.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from dagboek_schemas.documents import Direction, Document, Kind, Party
from dagboek_schemas.identity import normal_number, normal_vat
from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk import mapping
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.attempt import Booking, JournalLine
from dagboek_sdk.errors import Refused
from dagboek_sdk.mapping import ZERO, Part, Split
from dagboek_sdk.settings import Side

from dagboek_yuki import ledger, ubl
from dagboek_yuki.settings import Purchases, YukiSettings
from dagboek_yuki.soap import cleaned
from dagboek_yuki.tables import Tables, VatType

REFERENCE_LIMIT: Final = 60
"""Characters of a number. Yuki's documentation tells no limit; a number that was cut would be another invoice's."""
TEXT_LIMIT: Final = 100
"""Characters of subjects and lines that are sent."""
NAME_LIMIT: Final = 80

SALES_TO_EU: Final = frozenset((7, 19, 20))
"""VAT types of sales within the EU: they need the customer's VAT number (Y07)."""
PER_COUNTRY: Final = frozenset((8, 40))
"""VAT types of which a customer's own country decides the rate: distance selling and OSS."""

PAYMENT_METHODS: Final = {
    "10": "Cash",
    "30": "ElectronicTransfer",
    "31": "ElectronicTransfer",
    "42": "ElectronicTransfer",
    "57": "ElectronicTransfer",
    "58": "ElectronicTransfer",
    "48": "CreditCard",
    "54": "CreditCard",
    "55": "DebitCard",
    "49": "DirectCollection",
    "59": "DirectCollection",
    "68": "Online",
    "97": "ToSettle",
}
"""Payment means (UNCL4461) → Yuki's words. Any other is left out, which Yuki takes for a bank transfer."""
PAID: Final = frozenset(("Cash", "CreditCard", "DebitCard", "iDeal", "Online"))
"""Methods whose sales go to an intermediate account and never show among what is outstanding."""

_EMAIL: Final = re.compile(r"[^\s@,;<>]+@[^\s@,;<>.]+(\.[^\s@,;<>.]+)+")


def map_document(document: Document, context: MappingContext, tables: Tables, yuki: YukiSettings) -> Booking:
    """What is sent, but for the contact's code and the files. Refused with all that is wrong."""
    if document.direction is Direction.SALES:
        return _sale(document, context, tables, yuki)
    if yuki.purchases is Purchases.UPLOAD:
        return _upload(document)
    return _purchase(document, context, tables, yuki)


def map_party(party: Party, context: MappingContext) -> Booking:
    """What UpdateContact is sent, but for id and code. What is not known is left out, so that it stays."""
    address = party.address
    payload = {
        "Type": "2" if _is_company(party) else None,
        "FullName": _cut(party.name, NAME_LIMIT),
        "AddressLine_1": address.street,
        "AddressLine_2": address.additional_street,
        "PostCode": address.postal_code,
        "City": address.city,
        "Country": mapping.country_of(party),
        "PhoneWork": party.phone,
        "EmailWork": _email(party),
        "VATNumber": vat_number(party),
        "CoCNumber": normal_number(party.company_number or ""),
    }
    return Booking(payload={"contact": _filled(payload)}, reference=party.name)


def contact_code(identity: str) -> str:
    """Our code for a contact: digits, out of the party's own identity.

    Contacts belong to a domain and an invoice overwrites the address of the one whose code it bears. A number of the
    link would be another customer's in the next administration of the domain, and after a new installation.
    """
    return f"{int(hashlib.sha256(identity.encode()).hexdigest(), 16) % 10**15:015}"


def reference(document: Document) -> str:
    """The document's number as Yuki is told: letters and signs are kept, blanks are one each."""
    return " ".join(cleaned(document.number).split())


def vat_number(party: Party) -> str:
    """The number with its country and without punctuation."""
    return normal_vat(party.vat_number or "", mapping.country_of(party))


def product(account: str, vat: VatType) -> str:
    """The name of the product that a line bears.

    Yuki makes a product of every line and knows it again by this name; one that is there keeps its ledger account,
    whatever the line says. So what decides about the account is in the name, and nothing else: the words of the line
    are in the line. A person who gives the product another account in Yuki moves all that follows there, as is meant.
    """
    return f"Dagboek {account} {vat.code}"


# sales


def _sale(document: Document, context: MappingContext, tables: Tables, yuki: YukiSettings) -> Booking:
    issues: list[Issue] = []
    number = _reference(document, issues)
    split = mapping.tried(lambda: mapping.split(document, context.settings), issues)
    if mapping.country_of(document.buyer) is None:
        issues.append(Issue(code="Y08", facts={"name": document.buyer.name}, field="buyer.address.country"))
    types = _types(document, split, context.settings.side(document.direction), tables, issues) if split else []
    if issues or split is None:
        raise Refused(issues)
    sign = -1 if document.kind is Kind.CREDIT_NOTE else 1
    invoice = {
        "Reference": number,
        "Subject": _cut(f"{number} {document.buyer.name}", TEXT_LIMIT),
        "PaymentMethod": payment_method(document),
        "PaymentID": document.payment.structured_communication,
        "PurchaseOrderNumber": _cut(document.order_reference, TEXT_LIMIT),
        "Process": "true",  # a draft has no number, and may be sent twice
        "EmailToCustomer": "false",
        "SentToPeppol": "false",
        "Date": document.issue_date.isoformat(),
        "DueDate": _due(document),
        "Currency": document.currency,
        "Contact": _contact(document.buyer),
        "InvoiceLines": {"InvoiceLine": [_line(*each, sign) for each in zip(split.parts, types, strict=True)]},
    }
    return Booking(
        payload={"sale": _filled(invoice)},
        lines=_journal_lines(document, split, sign, yuki),
        reference=number,
        day=document.issue_date,
        gross=split.effect,
        currency=document.currency,
        remarks=tuple(_remarks(split)),
    )


def _line(part: Part, vat: VatType, sign: int) -> dict[str, Any]:
    amount = sign * part.base
    return _filled(
        {
            "Description": _cut(part.text, TEXT_LIMIT) or product(part.account, vat),
            "ProductQuantity": "-1" if amount < 0 else "1",
            "LineAmount": _money(amount),
            "LineVATAmount": _money(sign * part.vat_amount),
            "Product": _filled(
                {
                    "Description": product(part.account, vat),
                    "SalesPrice": _money(abs(part.base)),
                    "VATPercentage": f"{vat.percentage:.2f}",
                    "VATIncluded": "false",
                    "VATType": str(vat.type),
                    "VATDescription": vat.description if vat.type in PER_COUNTRY else None,
                    "GLAccountCode": part.account,
                }
            ),
        }
    )


def _contact(party: Party) -> dict[str, Any]:
    address = party.address
    return _filled(
        {
            "FullName": _cut(party.name, NAME_LIMIT),
            "CountryCode": mapping.country_of(party),
            "City": address.city,
            "Zipcode": address.postal_code,
            "AddressLine_1": address.street,
            "AddressLine_2": address.additional_street,
            "EmailAddress": _email(party),
            "CoCNumber": normal_number(party.company_number or ""),
            "VATNumber": vat_number(party),
            "ContactType": "Company" if _is_company(party) else None,
            "PhoneHome": party.phone,
        }
    )


def payment_method(document: Document) -> str | None:
    """Yuki's word for how it is, or was, paid."""
    return PAYMENT_METHODS.get(document.payment.means_code or "")


def _types(document: Document, split: Split, side: Side, tables: Tables, issues: list[Issue]) -> list[VatType]:
    """The VAT type of each part; what Yuki would refuse of account and type is an issue, each thing once."""
    seen: set[tuple[str, str]] = set()

    def say(code: str, part: Part, thing: str, **facts: str) -> None:
        if (code, thing) not in seen:
            seen.add((code, thing))
            issues.append(Issue(code=code, field=part.field, facts={**facts, "words": ""}))

    found = []
    for part in split.parts:
        _check_account(part, tables, say)
        vat = _type(document, part, side, tables, say)
        if vat is not None:
            _check_type(document, part, vat, say)
            found.append(vat)
    return found


def _check_account(part: Part, tables: Tables, say: Callable[..., None]) -> None:
    """An account that Yuki does not have would make a product that stays on the default account for ever."""
    if not tables.accounts:
        return
    account = tables.accounts.get(part.account)
    if account is None:
        say("Y25", part, part.account, account=part.account)
    elif not account.active:
        say("Y03", part, part.account, account=f"{account.code} {account.name}".strip())


def _type(document: Document, part: Part, side: Side, tables: Tables, say: Callable[..., None]) -> VatType | None:
    """Yuki has no line without a VAT type: rounding, which has no VAT, takes that of the zero rate, else of exempt."""
    code = part.vat.code if part.vat else _without_vat(document, side)
    if code is None:
        say("B01", part, "O", category="O", rate="0", region="", vat_name="", kind=document.kind)
        return None
    vat = tables.vat_type(code)
    if vat is None:
        say("Y05", part, code, percentage="", type=code, date=document.issue_date.isoformat())
    return vat


def _without_vat(document: Document, side: Side) -> str | None:
    credit = mapping.is_credit(document)
    for category in ("Z", "E"):
        with suppress(Refused):
            return mapping.vat_code(side, category, ZERO, credit=credit).code
    return None


def _check_type(document: Document, part: Part, vat: VatType, say: Callable[..., None]) -> None:
    sale, customer = document.direction is Direction.SALES, mapping.country_of(document.buyer)
    facts = {
        "percentage": f"{vat.percentage:f}",
        "type": f"{vat.type} {vat.description}".strip(),
        "date": document.issue_date.isoformat(),
    }
    elsewhere = sale and vat.type in PER_COUNTRY and vat.country not in ("", customer)
    if elsewhere or not vat.holds(document.issue_date):
        say("Y05", part, vat.code, **facts)
    if sale and vat.type in SALES_TO_EU and not vat_number(document.buyer):
        say("Y07", part, document.buyer.name, name=document.buyer.name)
    if part.vat_amount and (not vat.percentage or part.base * part.vat_amount <= 0):
        say("Y41", part, part.field, vat=f"{part.vat_amount:f}", base=f"{part.base:f}", **facts)


def _remarks(split: Split) -> Iterable[Issue]:
    """Cost centres have no place in Yuki's invoices."""
    for part in split.parts:
        if part.cost_centre or part.cost_unit:
            facts = {"centre": part.cost_centre or part.cost_unit or ""}
            yield Issue(code="Y43", severity=Severity.INFORMATION, field=part.field, facts=facts)
            return


def _journal_lines(document: Document, split: Split, sign: int, yuki: YukiSettings) -> tuple[JournalLine, ...]:
    """The entry as it will stand: the other party, the parts and their VAT, of which Yuki chooses the account."""
    sales = document.direction is Direction.SALES
    side, owed = sign * (-1 if sales else 1), split.effect if sales else -split.effect
    party = ledger.account(yuki, document.direction)
    lines = [JournalLine.of(party, owed, text=document.other_party.name, because="the other party")]
    for part in split.parts:
        code = part.vat.code if part.vat else None
        lines.append(JournalLine.of(part.account, side * part.base, code, part.text, part.because))
        if part.vat_amount:
            lines.append(
                JournalLine.of("", side * part.vat_amount, code, because="VAT, on the account that Yuki has for it")
            )
    return tuple(lines)


# purchases


def _upload(document: Document) -> Booking:
    """The document as a file, which Yuki or the accountant books: accounts and VAT types are theirs to choose."""
    issues: list[Issue] = []
    number = _reference(document, issues)
    if issues:
        raise Refused(issues)
    effect = _effect(document)
    return Booking(
        payload={
            "upload": {
                "document": ubl.written(document),
                "currency": document.currency,
                "amount": _money(effect),
                "name": document.seller.name,
            }
        },
        reference=number,
        day=document.issue_date,
        gross=effect,
        currency=document.currency,
    )


def _purchase(document: Document, context: MappingContext, tables: Tables, yuki: YukiSettings) -> Booking:
    issues: list[Issue] = []
    number = _reference(document, issues)
    split = mapping.tried(lambda: mapping.split(document, context.settings), issues)
    types = _types(document, split, context.settings.side(document.direction), tables, issues) if split else []
    if issues or split is None:
        raise Refused(issues)
    sign = -1 if document.kind is Kind.CREDIT_NOTE else 1
    lines = [
        _filled(
            {
                "Description": _cut(part.text, TEXT_LIMIT),
                "LineAmount": _money(sign * part.base),
                "LineVATPercentage": f"{vat.percentage:.2f}",
                "LineVATType": str(vat.type),
                "GLAccountCode": part.account,
            }
        )
        for part, vat in zip(split.parts, types, strict=True)
    ]
    invoice = {
        "Process": "true",
        "Reference": number,
        "Date": document.issue_date.isoformat(),
        "DueDate": _due(document),
        "InvoiceAmount": _money(split.effect),
        "InvoiceVATAmount": _money(sign * split.vat),
        "Currency": document.currency,
        "Contact": _contact(document.seller),
        "InvoiceLines": {"InvoiceLine": lines},
    }
    return Booking(
        payload={"purchase": _filled(invoice)},
        lines=_journal_lines(document, split, sign, yuki),
        reference=number,
        day=document.issue_date,
        gross=split.effect,
        currency=document.currency,
        remarks=tuple(_remarks(split)),
    )


# parts of the above


def _reference(document: Document, issues: list[Issue]) -> str:
    """Yuki keeps a number as text, letters and signs too; what it cannot keep as it is, is refused (Y09, Y40)."""
    number = reference(document)
    if not number or len(number) > REFERENCE_LIMIT or cleaned(document.number) != document.number:
        facts = {"number": number, "most": str(REFERENCE_LIMIT)}
        issues.append(Issue(code="Y40", facts=facts, field="number"))
    return number


def _effect(document: Document) -> Decimal:
    """What the document does to what the other party is owed, in cents."""
    owed = mapping.cents(document.totals.payable + document.totals.prepaid)
    return -abs(owed) if mapping.is_credit(document) else abs(owed)


def _money(amount: Decimal) -> str:
    """In cents, and without the sign of a negative nothing."""
    return f"{amount + 0:.2f}"


def _due(document: Document) -> str | None:
    due = document.due_date
    return due.isoformat() if due and due >= document.issue_date else None


def _email(party: Party) -> str | None:
    """An address that is none is left out: a booking does not need it."""
    found = (party.email or "").strip()
    return found if _EMAIL.fullmatch(found) else None


def _is_company(party: Party) -> bool:
    return bool(party.vat_number or party.company_number or party.endpoint)


def _cut(text: str | None, most: int) -> str:
    return " ".join(cleaned(text or "").split())[:most].strip()


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def facts(booking: Booking) -> dict[str, str]:
    """What an invoice consists of, for an issue of Yuki's own that does not say which part it means."""
    invoice = booking.payload.get("sale") or booking.payload.get("purchase") or {}
    lines = invoice.get("InvoiceLines", {}).get("InvoiceLine", [])
    products = [line.get("Product", line) for line in lines]
    rates = [product.get("VATPercentage") or product.get("LineVATPercentage") for product in products]
    types = [product.get("VATType") or product.get("LineVATType") for product in products]
    contact = invoice.get("Contact", {})
    return {
        "number": booking.reference or "",
        "date": booking.day.isoformat() if booking.day else "",
        "currency": booking.currency or "",
        "name": str(contact.get("FullName", "")),
        "vat_number": str(contact.get("VATNumber", "")),
        "country": str(contact.get("CountryCode", "")),
        "account": _named(product.get("GLAccountCode") for product in products),
        "percentage": _named(rates),
        "type": _named(types),
    }


def _named(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value))
