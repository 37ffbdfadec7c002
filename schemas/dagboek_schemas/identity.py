"""Identity of documents and parties (design section 2).

An identity is a hash, so that it may stand on a topic without being personal data, and stays the same over
all sources, connections and reinstalled integrations.
"""

import hashlib
import re
import unicodedata
from datetime import date

from dagboek_schemas.documents import Direction, Document, Party

_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Z]")
_OLD_BELGIAN = re.compile(r"^BE(\d{9})$")
_BELGIAN = re.compile(r"(BE)?\d{9,10}")
_BELGIAN_SCHEMES = ("0208", "9925")
"""Codes of the EAS list: the company register, and the VAT number as an electronic address."""
_VAT_PREFIXES = {"GR": "EL"}


def normal_number(number: str) -> str:
    """A registration number without blanks, dots and dashes, in capitals: `BE 0123.456.749` → `BE0123456749`."""
    return _NOT_ALPHANUMERIC.sub("", number.upper())


def normal_text(text: str) -> str:
    """Text for comparison: Unicode NFKC, one blank between words, folded case."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def fiscal_year(day: date, first_month: int = 1) -> int:
    """The fiscal year that `day` falls in, named after the calendar year in which it starts."""
    return day.year if day.month >= first_month else day.year - 1


def normal_vat(number: str, country: str | None) -> str:
    """A VAT number with its country: one without is taken for a number of `country`, the party's own.

    Belgian numbers from before 2005 had nine digits and got a zero in front.
    """
    plain = normal_number(number)
    if plain and country and not plain[:2].isalpha():
        plain = _VAT_PREFIXES.get(country, country) + plain
    return _OLD_BELGIAN.sub(r"BE0\1", plain)


def legal_identity(party: Party) -> str:
    """VAT number, else company number, else electronic address, else source id, else name and postcode.

    The Belgian company number is the VAT number without BE: one party, whichever of the two a source has.
    """
    country = party.address.country
    if vat := normal_vat(party.vat_number or "", country) or _belgian(party):
        return "vat:" + vat
    if number := normal_number(party.company_number or ""):
        return f"company:{country or ''}:{number}"
    if endpoint := normal_number(party.endpoint or ""):
        return f"endpoint:{party.endpoint_scheme or ''}:{endpoint}"
    if party.source_id:
        return "source:" + party.source_id
    return f"name:{normal_text(party.name)}:{normal_text(party.address.postal_code or '')}"


def _belgian(party: Party) -> str | None:
    """The VAT number that a Belgian company number or electronic address stands for; None for any other."""
    for number, scheme, belgian in (
        (party.company_number, party.company_number_scheme, party.address.country == "BE"),
        (party.endpoint, party.endpoint_scheme, False),
    ):
        plain = normal_number(number or "")
        known = scheme in _BELGIAN_SCHEMES or (belgian and scheme is None)
        if known and _BELGIAN.fullmatch(plain):
            return normal_vat(plain, "BE")
    return None


def party_identity(party: Party) -> str:
    """Identity of a party within an administration; its role is no part of it."""
    return "p1:" + _digest(legal_identity(party))


def document_identity(document: Document, tenant: str, entity: str, first_month: int = 1) -> str:
    """Identity of a document over all sources.

    `entity` is the VAT or company number of the entity whose books are kept, so that the identity outlives
    the row of the entity. A sale is numbered by the entity, a purchase by its supplier: there the supplier is
    part of the identity.
    """
    supplier = legal_identity(document.seller) if document.direction is Direction.PURCHASE else ""
    return "d1:" + _digest(
        tenant,
        normal_number(entity),
        document.direction,
        document.kind,
        supplier,
        normal_text(document.number),
        str(fiscal_year(document.issue_date, first_month)),
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]
