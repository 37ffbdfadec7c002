"""Relations of a division, and which of them a party may be (api.md section 5, product.md section 1.7).

In this order: the external id, which is the relation's own in Exact, the VAT number, the company number, the name as
the connection has it. Several with the same number are a person's business, unless only one has the name too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from dagboek_schemas.documents import Party
from dagboek_schemas.identity import normal_number, normal_text
from dagboek_schemas.statuses import Component
from dagboek_sdk.attempt import Candidate
from dagboek_sdk.mapping import country_of

from dagboek_exact import odata
from dagboek_exact.lists import text
from dagboek_exact.mapping import exact_vat_number
from dagboek_exact.settings import ByName

RESOURCE = "crm/Accounts"
SELECT = "ID,Code,Name,Status,IsSupplier,VATNumber,ChamberOfCommerce,Country,Blocked,Type"
CUSTOMER = "C"
OWN_DIVISION = "D"

Relation = Mapping[str, Any]


def conditions(party: Party, by_name: ByName) -> Iterator[str]:
    """What finds the relations that a party may be. Exact keeps numbers as people typed them."""
    if guid := external_id(party):
        yield f"ID eq {odata.guid(guid)}"
    for number in _vat_numbers(party):
        yield f"VATNumber eq {odata.text(number)}"
    for number in _company_numbers(party):
        yield f"ChamberOfCommerce eq {odata.text(number)}"
    if by_name is not ByName.NEVER:
        yield f"Name eq {odata.text(party.name)}"


def external_id(party: Party) -> str | None:
    """The source's own id of the party, where it is a relation's id in Exact."""
    try:
        return str(UUID((party.source_id or "").strip("{} ")))
    except ValueError:
        return None


def matches(party: Party, relations: Iterable[Relation], by_name: ByName) -> list[Candidate]:
    """Relations that `party` may be; one that is certain, or several to ask about."""
    known = [one for one in relations if text(one.get("Type")) != OWN_DIVISION and one.get("ID")]
    if guid := external_id(party):
        found = [one for one in known if str(one["ID"]).lower() == guid]
        if found:
            return [candidate(found[0], certain=True)]
    for numbers in (_plain(_vat_numbers(party)), _plain(_company_numbers(party))):
        found = [one for one in known if numbers & _numbers(one) and _same_country(one, party)]
        if found:
            return _one_or_all(found, party)
    if by_name is ByName.NEVER:
        return []
    named = [one for one in known if _name(one) == normal_text(party.name) and not _contradicts(one, party)]
    named = _usable(named)
    return [candidate(one, certain=len(named) == 1 and by_name is ByName.TAKE) for one in named]


def candidate(relation: Relation, *, certain: bool) -> Candidate:
    """A relation as core knows it, with the roles that it has."""
    guid = str(relation["ID"])
    roles = {
        Component.CUSTOMERS: text(relation.get("Status")) == CUSTOMER,
        Component.SUPPLIERS: bool(relation.get("IsSupplier")),
    }
    return Candidate(
        entry_id=guid,
        number=text(relation.get("Code")) or guid,
        party_id=guid,
        name=text(relation.get("Name")) or None,
        certain=certain,
        roles=frozenset(role for role, has in roles.items() if has),
    )


def is_same(relation: Relation, account: Mapping[str, Any]) -> bool:
    """Whether a relation that bears our code is the one that `account` (a payload) is about."""
    ours, theirs = _plain([str(account.get("VATNumber") or "")]), _plain([text(relation.get("VATNumber"))])
    if ours and theirs:
        return ours == theirs
    return normal_text(str(account.get("Name") or "")) == _name(relation)


def _one_or_all(found: Sequence[Relation], party: Party) -> list[Candidate]:
    usable = _usable(found)
    if len(usable) > 1:
        named = [one for one in usable if _name(one) == normal_text(party.name)]
        usable = named if len(named) == 1 else usable
    return [candidate(one, certain=len(usable) == 1) for one in usable]


def _usable(found: Sequence[Relation]) -> list[Relation]:
    return [one for one in found if not one.get("Blocked")] or list(found)


def _vat_numbers(party: Party) -> list[str]:
    number = exact_vat_number(party)
    belgian = normal_number(party.company_number or "")
    if not number and country_of(party) == "BE" and belgian.isdecimal() and len(belgian) == 10:
        number = "BE" + belgian  # the company number is the VAT number there
    if not number:
        return []
    plain = normal_number(number)
    return list(dict.fromkeys((number, plain, *_dotted(plain, "BE"))))


def _company_numbers(party: Party) -> list[str]:
    number = normal_number(party.company_number or "")
    vat = normal_number(exact_vat_number(party))
    if not number and vat.startswith("BE"):
        number = vat[2:]
    return list(dict.fromkeys((number, *_dotted(number, "")))) if number else []


def _dotted(number: str, country: str) -> tuple[str, ...]:
    """A Belgian number as Belgians write it: `0123.456.749`."""
    digits = number.removeprefix(country)
    if not (number.startswith(country) and digits.isdecimal() and len(digits) == 10):
        return ()
    return (f"{country}{digits[:4]}.{digits[4:7]}.{digits[7:]}",)


def _plain(numbers: Iterable[str]) -> set[str]:
    """Numbers for comparison: Belgian ones without their country, as the company number is the VAT number."""
    return {normal_number(one).removeprefix("BE") for one in numbers if normal_number(one)}


def _numbers(relation: Relation) -> set[str]:
    return _plain(text(relation.get(name)) for name in ("VATNumber", "ChamberOfCommerce"))


def _same_country(relation: Relation, party: Party) -> bool:
    """Company numbers of two countries may look alike."""
    theirs, ours = text(relation.get("Country")).upper(), country_of(party)
    return not theirs or not ours or theirs == ours


def _contradicts(relation: Relation, party: Party) -> bool:
    ours, theirs = _plain([*_vat_numbers(party), *_company_numbers(party)]), _numbers(relation)
    return bool(ours and theirs and not ours & theirs) or not _same_country(relation, party)


def _name(relation: Relation) -> str:
    return normal_text(text(relation.get("Name")))
