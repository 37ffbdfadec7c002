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


def normal_number(number: str) -> str:
    """A registration number without blanks, dots and dashes, in capitals: `BE 0123.456.749` → `BE0123456749`."""
    return _NOT_ALPHANUMERIC.sub("", number.upper())


def normal_text(text: str) -> str:
    """Text for comparison: Unicode NFKC, one blank between words, folded case."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def fiscal_year(day: date, first_month: int = 1) -> int:
    """The fiscal year that `day` falls in, named after the calendar year in which it starts."""
    return day.year if day.month >= first_month else day.year - 1


def legal_identity(party: Party) -> str:
    """VAT number, else company number, else electronic address, else source id, else name and postcode."""
    if party.vat_number and normal_number(party.vat_number):
        return "vat:" + normal_number(party.vat_number)
    if party.company_number and normal_number(party.company_number):
        return f"company:{party.address.country or ''}:{normal_number(party.company_number)}"
    if party.endpoint:
        return f"endpoint:{party.endpoint_scheme or ''}:{normal_number(party.endpoint)}"
    if party.source_id:
        return "source:" + party.source_id
    return f"name:{normal_text(party.name)}:{normal_text(party.address.postal_code or '')}"


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
