"""Seller and buyer of a UBL document (BG-4, BG-7)."""

import re

from dagboek_schemas.documents import Address, Party

from dagboek_ubl.findings import Element, attribute, leaf, own_text, part, parts, text, texts
from dagboek_ubl.vat import is_vat

_COUNTRY = re.compile(r"[A-Z]{2}")
_REGISTERS = {"0208", "9956", "0106", "0190", "0007", "0192", "0184", "0002", "0009", "NL:KVK", "NL:OIN"}


def read_party(element: Element | None) -> Party | None:
    """The party within AccountingSupplierParty or AccountingCustomerParty; None when it has no name at all."""
    found = part(element, "Party")
    if element is None or found is None:
        return None
    legal = part(found, "PartyLegalEntity")
    trade = text(found, "PartyName", "Name")
    name = text(legal, "RegistrationName") or trade or _person(found)
    if name is None:
        return None
    number, scheme = _identifier(legal, "CompanyID")
    if number is None:
        number, scheme = _registered(found)
    endpoint, endpoint_scheme = _identifier(found, "EndpointID")
    contact = part(found, "Contact")
    return Party(
        name=name,
        trade_name=trade,
        vat_number=_vat_number(found),
        company_number=number,
        company_number_scheme=scheme,
        endpoint=endpoint,
        endpoint_scheme=endpoint_scheme,
        address=_address(_first(part(found, "PostalAddress"), part(legal, "RegistrationAddress"))),
        email=text(contact, "ElectronicMail"),
        phone=text(contact, "Telephone"),
        contact=text(contact, "Name"),
    )


def _identifier(element: Element | None, name: str) -> tuple[str | None, str | None]:
    found = leaf(element, name)
    value = own_text(found)
    if found is None or value is None:
        return None, None
    return value, attribute(found, "schemeID")


def _registered(party: Element) -> tuple[str | None, str | None]:
    """A company number that stands among the other identifications (BT-29, BT-46)."""
    for identification in parts(party, "PartyIdentification"):
        value, scheme = _identifier(identification, "ID")
        if value and scheme in _REGISTERS:
            return value, scheme
    return None, None


def _vat_number(party: Element) -> str | None:
    for scheme in parts(party, "PartyTaxScheme"):
        if (number := text(scheme, "CompanyID")) and is_vat(part(scheme, "TaxScheme")):
            return number
    return None


def _person(party: Element) -> str | None:
    person = part(party, "Person")
    names = (text(person, name) for name in ("FirstName", "MiddleName", "FamilyName"))
    return " ".join(filter(None, names)) or None


def _address(element: Element | None) -> Address:
    if element is None:
        return Address()
    street = " ".join(filter(None, (text(element, "StreetName"), text(element, "BuildingNumber"))))
    further = [text(element, "AdditionalStreetName"), *_lines(element)]
    country = (text(element, "Country", "IdentificationCode") or "").upper()
    return Address(
        street=street or None,
        additional_street=", ".join(filter(None, further)) or None,
        city=text(element, "CityName"),
        postal_code=text(element, "PostalZone"),
        country=country if _COUNTRY.fullmatch(country) else None,
    )


def _first(*found: Element | None) -> Element | None:
    return next((one for one in found if one is not None), None)


def _lines(address: Element) -> list[str]:
    return [line for row in parts(address, "AddressLine") for line in texts(row, "Line")]
