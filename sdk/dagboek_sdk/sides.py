"""Which side of a document the entity is on.

Numbers decide where both have a number of the same kind (VAT of a country, company number of a country). Belgium
writes one number in two ways, so both are one kind. Where no kind is shared, the exact name decides.
"""

import re
from enum import StrEnum

from dagboek_schemas.documents import Party
from dagboek_schemas.identity import normal_number, normal_text

from dagboek_sdk.source import EntityRef

Numbers = dict[str, set[str]]
"""Numbers by kind, such as `{"vat:NL": {"NL001234567B01"}}`."""

_PREFIXED = re.compile(r"[A-Z]{2}[0-9A-Z]*\d[0-9A-Z]*")
_VAT_SUFFIX = re.compile(r"(?<=\d)(?:MVA|TVA|MWST|IVA)$")
_SCHEME_COUNTRY = {"0208": "BE", "9956": "BE", "0106": "NL", "NL:KVK": "NL", "0190": "NL-OIN", "NL:OIN": "NL-OIN"} | {
    "0007": "SE",
    "0192": "NO",
    "0184": "DK",
    "0002": "FR",
    "0009": "FR-SIRET",
}
_VAT_SCHEMES = {"9925": "BE", "BE:VAT": "BE", "9944": "NL", "NL:VAT": "NL"}
_NO_REGISTRATION = {"0088", "EM", "0193"}


class Side(StrEnum):
    """Where the entity stands."""

    SELLER = "seller"
    BUYER = "buyer"
    BOTH = "both"
    NEITHER = "neither"


def side_of(entity: EntityRef, seller: Party, buyer: Party) -> tuple[Side, bool]:
    """The entity's side, and whether its name alone told two parties with its number apart."""
    is_seller, is_buyer = is_entity(entity, seller), is_entity(entity, buyer)
    if is_seller and is_buyer:
        named_seller, named_buyer = _named(entity, seller), _named(entity, buyer)
        if named_seller == named_buyer:
            return Side.BOTH, False
        return (Side.SELLER if named_seller else Side.BUYER), True
    if is_seller or is_buyer:
        return (Side.SELLER if is_seller else Side.BUYER), False
    return Side.NEITHER, False


def is_entity(entity: EntityRef, party: Party) -> bool:
    """Whether `party` is the entity."""
    ours, theirs = entity_numbers(entity), party_numbers(party)
    shared = ours.keys() & theirs.keys()
    if shared:
        return any(ours[kind] & theirs[kind] for kind in shared)
    return _named(entity, party)


def marks(party: Party) -> set[str]:
    """What an entity must have one of to be `party`: its numbers, its name. For looking up among many."""
    numbers = {f"{kind} {number}" for kind, all_ in party_numbers(party).items() for number in all_}
    return numbers | {"name " + normal_text(party.name)}


def entity_of(party: Party) -> EntityRef:
    """The entity that `party` is, if it is taken for one."""
    number = party.company_number
    if number is None and party.endpoint and party.endpoint_scheme in _SCHEME_COUNTRY:
        number = party.endpoint
    country = _SCHEME_COUNTRY.get(party.company_number_scheme or party.endpoint_scheme or "", "")[:2]
    return EntityRef(
        name=party.name,
        vat_number=party.vat_number,
        company_number=number,
        country=party.address.country or country or "BE",
    )


def entity_numbers(entity: EntityRef) -> Numbers:
    """Numbers of an entity by kind."""
    numbers: Numbers = {}
    if entity.vat_number:
        _add_vat(numbers, entity.vat_number, entity.country)
    if entity.company_number:
        _add_company(numbers, entity.company_number, entity.country)
    return numbers


def party_numbers(party: Party) -> Numbers:
    """Numbers of a party by kind; of its electronic addresses those that are registration numbers."""
    numbers: Numbers = {}
    country = party.address.country
    if party.vat_number:
        _add_vat(numbers, party.vat_number, country)
    for number, scheme in (
        (party.company_number, party.company_number_scheme),
        (party.endpoint, party.endpoint_scheme),
    ):
        if not number or scheme in _NO_REGISTRATION:
            continue
        if scheme in _VAT_SCHEMES:
            _add_vat(numbers, number, _VAT_SCHEMES[scheme])
        elif scheme in _SCHEME_COUNTRY:
            _add_company(numbers, number, _SCHEME_COUNTRY[scheme])
        elif number is party.company_number:
            _add_company(numbers, number, country)
    return numbers


def _add_vat(numbers: Numbers, number: str, country: str | None) -> None:
    plain = _VAT_SUFFIX.sub("", normal_number(number))
    if not _PREFIXED.fullmatch(plain):
        plain = (country or "") + plain
    if plain.startswith("BE"):
        numbers.setdefault("BE", set()).add(plain[2:].zfill(10))
    elif plain:
        numbers.setdefault("vat:" + plain[:2], set()).add(plain)


def _add_company(numbers: Numbers, number: str, country: str | None) -> None:
    plain = normal_number(number)
    if country == "BE" or (country is None and re.fullmatch(r"BE[01]?\d{9}", plain)):
        numbers.setdefault("BE", set()).add(plain.removeprefix("BE").zfill(10))
    elif plain:
        numbers.setdefault(f"company:{country or ''}", set()).add(plain)


def _named(entity: EntityRef, party: Party) -> bool:
    return normal_text(entity.name) == normal_text(party.name)
