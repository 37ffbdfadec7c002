"""Settings for anyone's documents: every VAT category and rate that occurs gets a code, so that it can be booked.

Only the demo does this. In earnest a rate that is not linked is an issue, and a person decides.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from dagboek_schemas.documents import Direction, Document
from dagboek_sdk import mapping
from dagboek_sdk.accounting import Lists, Row
from dagboek_sdk.errors import Refused
from dagboek_sdk.settings import ConnectionSettings, Side, VatCode, VatKey

_SIDES: Final = {Direction.SALES: ("sales", "sales"), Direction.PURCHASE: ("purchases", "purchase")}
_TYPES: Final = {Direction.SALES: 2, Direction.PURCHASE: 1}
_ROUNDS: Final = 20


def missing_codes(documents: Iterable[Document], lists: Lists) -> list[dict[str, object]]:
    """VAT codes that the books lack for rates that occur, as rows for the sandbox."""
    rows: dict[str, dict[str, object]] = {}
    for document in documents:
        kind = _SIDES[document.direction][1]
        known = {row.rate for row in lists.get("vat_codes", ()) if row.kind == kind}
        for rate in (one for one in _rates(document) if one not in known):
            code = f"{kind[0].upper()}{rate.normalize():f}".replace(".", "")[:6]
            rows[code] = {
                "code": code,
                "description": f"{rate.normalize():f} %",
                "basePercentage": float(rate),
                "type": _TYPES[document.direction],
                "defaultSellBookingAccountNr": 700000,
            }
    return list(rows.values())


def _rates(document: Document) -> set[Decimal]:
    rates = {line.vat_rate for line in document.lines} | {row.rate for row in document.vat_breakdown}
    rates |= {row.vat_rate for row in document.allowances_charges}
    return {rate for rate in rates if rate is not None and 0 < rate <= 100}


def fitted(settings: ConnectionSettings, documents: Sequence[Document], lists: Lists) -> ConnectionSettings:
    """`settings` with a VAT code for whatever occurs in `documents` and is not linked yet."""
    for document in documents:
        for _ in range(_ROUNDS):
            added = _unlinked(settings, document, lists)
            if not added:
                break
            name = _SIDES[document.direction][0]
            side: Side = getattr(settings, name)
            side = side.model_copy(update={"vat_codes": (*side.vat_codes, *added)})
            settings = settings.model_copy(update={name: side})
    return settings


def _unlinked(settings: ConnectionSettings, document: Document, lists: Lists) -> list[VatCode]:
    try:
        mapping.split(document, settings)
    except Refused as refused:
        facts = [issue.facts for issue in refused.issues if issue.code == "B01"]
    else:
        return []
    rows: dict[VatKey, VatCode] = {}
    for fact in facts:
        key = VatKey(category=fact["category"], rate=Decimal(fact["rate"] or 0))
        code = _code_for(key, settings.side(document.direction), _SIDES[document.direction][1], lists)
        if code is not None:
            rows[key] = VatCode(key=key, code=code)
    known = {row.key for row in settings.side(document.direction).vat_codes}
    return [row for key, row in rows.items() if key not in known]


def _code_for(key: VatKey, side: Side, kind: str, lists: Lists) -> str | None:
    """A code of the same category from another region, else one of the same rate."""
    same = [row.code for row in side.vat_codes if row.key.category == key.category and row.key.rate == key.rate]
    same = [code for code in same if code in {row.code for row in _plain(lists, kind)}]
    if same:
        return same[0]
    fitting = [row for row in _plain(lists, kind) if (row.rate or Decimal(0)) == key.rate]
    linked = {row.code for row in side.vat_codes if row.key.category in ("S", "Z")}
    return next((row.code for row in fitting if row.code in linked), fitting[0].code if fitting else None)


def _plain(lists: Lists, kind: str) -> list[Row]:
    return [row for row in lists.get("vat_codes", ()) if row.kind == kind and row.active]
