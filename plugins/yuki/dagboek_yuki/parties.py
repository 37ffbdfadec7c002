"""Contacts of a domain, and which of them a party may be (api.md section 6, product.md section 1.7).

Yuki counts calls, and a list of contacts is a hundred a call: it is read once and then kept by the process, with what
has changed since on top. In this order a party is known by: our own code, its VAT or company number, its name.

Yuki itself takes a contact by its name where it does not know the code. So of two parties that share a name the second
is told apart by its number in the name, as its invoices would be booked on the first one's contact else.
"""

from asyncio import AbstractEventLoop, Lock, get_running_loop
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

from dagboek_schemas.documents import Party
from dagboek_schemas.identity import normal_number, normal_text
from dagboek_schemas.statuses import Component
from dagboek_sdk import clock
from dagboek_sdk.attempt import Candidate
from dagboek_sdk.mapping import country_of
from lxml.etree import _Element as Element

from dagboek_yuki.client import Services
from dagboek_yuki.ledger import contact_of
from dagboek_yuki.mapping import contact_code, vat_number
from dagboek_yuki.reading import rows, text

KEPT: Final = 12 * 3600.0
"""Seconds after which the whole list is read again: what was deleted shows in no other way."""
FRESH: Final = 300.0
"""Seconds in which nothing is asked."""
OVERLAP: Final = timedelta(days=1)
"""By which changes are asked for from before the last reading: Yuki's clock and zone are its own."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as matching looks at it."""

    id: str
    code: str
    name: str
    vat: str
    company: str
    country: str

    @property
    def numbers(self) -> set[str]:
        """For comparison: Belgian ones without their country, as the company number is the VAT number."""
        return _plain((self.vat, self.company))


@dataclass(slots=True)
class Contacts:
    """All contacts of a domain, and which codes have a name: also those that we gave since."""

    known: dict[str, Contact] = field(default_factory=dict)
    begun: float = 0.0
    """When the list was read whole; 0: not yet."""
    asked: float = 0.0
    codes: dict[str, set[str]] = field(default_factory=dict)
    """By name."""
    readers: set[str] = field(default_factory=set)
    """Keys that may read them, as Yuki has shown: what another's key has read is for none that may not."""
    coded: set[str] = field(default_factory=set)
    """Codes by which Yuki knows a contact, so that it does not look at the name."""
    _lock: Lock = field(default_factory=Lock)

    async def refresh(self, services: Services, key: str) -> None:
        """Reads what is not known yet, or not by this access key; connections that come meanwhile wait for it."""
        reader = sha256(key.encode()).hexdigest()
        async with self._lock:
            now = monotonic()
            if not self.begun or now - self.begun > KEPT:
                self.known = await _pages(services)
                self.begun = self.asked = now
                self.readers = set()
                self.coded = set()  # a code that was deleted or typed over is known no more
            elif now - self.asked > FRESH or reader not in self.readers:
                since = clock.now() - timedelta(seconds=now - self.asked) - OVERLAP
                self.known |= await _pages(services, modifiedAfter=since.replace(tzinfo=None, microsecond=0))
                self.asked = now
            self.readers.add(reader)
            for one in self.known.values():
                self.codes.setdefault(normal_text(one.name), set()).add(one.code)
                self.coded |= {one.code} - {""}

    async def renew(self, services: Services, key: str, codes: Collection[str]) -> None:
        """Before contacts are named by these codes. Nothing is asked while the list is kept and Yuki knows them all:
        then it looks at no name. Another one's contact of the same name may be made at any moment, also by others.
        """
        if monotonic() - self.begun > KEPT or not self.begun or not self.coded.issuperset(codes):
            await self.refresh(services, key)

    def name_for(self, name: str, code: str, number: str) -> str:
        """The name under which Yuki makes a contact with this code, or knows it: with a number behind it where the name
        is another's: one that stands in Yuki, or that this process has named so before.
        """
        codes = self.codes.setdefault(normal_text(name), set())
        others = codes - {code}
        if code not in self.coded and (others & {*self.coded, ""} if code in codes else others):
            return f"{name} ({number or code})"
        codes.add(code)
        return name


_contacts: WeakKeyDictionary[AbstractEventLoop, dict[tuple[str, str], Contacts]] = WeakKeyDictionary()
"""By address and domain."""


def contacts(address: str, domain: str) -> Contacts:
    """What this process knows of a domain."""
    return _contacts.setdefault(get_running_loop(), {}).setdefault((address, domain), Contacts())


async def _pages(services: Services, **given: Any) -> dict[str, Contact]:
    """All pages, until one is empty: also of contacts that are no customers or suppliers yet."""
    found: dict[str, Contact] = {}
    page = 1
    while True:
        result = await services.call(
            "Contact",
            "SearchContacts",
            searchOption="All",
            searchValue="",
            sortOrder="CreatedAsc",
            active="Both",
            pageNumber=page,
            **given,
        )
        new = {one.id: one for one in map(_contact, rows(result, "Contact")) if one.id}
        if not new.keys() - found.keys():  # also a page that comes again, where the number is passed over
            return found
        found |= new
        page += 1


def _contact(row: Element) -> Contact:
    return Contact(
        id=text(row, "@ID").lower(),
        code=text(row, "Code"),
        name=text(row, "Name"),
        vat=text(row, "VATNumber"),
        company=text(row, "CoCNumber"),
        country=text(row, "Country").upper(),
    )


def matches(
    parties: Mapping[str, Party], known: Contacts, codes_needed: frozenset[Component]
) -> dict[str, list[Candidate]]:
    """Contacts that each party may be, by identity: one that is certain, or several to ask about.

    `codes_needed`: roles for which a contact must have a code, as invoices name it by that.
    """
    by_code = {one.code: one for one in known.known.values() if one.code}
    by_number: dict[str, list[Contact]] = {}
    by_name: dict[str, list[Contact]] = {}
    for one in known.known.values():
        by_name.setdefault(normal_text(one.name), []).append(one)
        for number in one.numbers:
            by_number.setdefault(number, []).append(one)
    found = {}
    for identity, party in parties.items():
        certain, others = _match(identity, party, by_code, by_number, by_name)
        found[identity] = [_candidate(one, certain, codes_needed) for one in others]
    return found


def _match(
    identity: str,
    party: Party,
    by_code: Mapping[str, Contact],
    by_number: Mapping[str, Sequence[Contact]],
    by_name: Mapping[str, Sequence[Contact]],
) -> tuple[bool, list[Contact]]:
    """Whether the contacts are certain, and which."""
    if ours := by_code.get(contact_code(identity)):
        return True, [ours]
    name = normal_text(party.name)
    numbers = _plain((vat_number(party), party.company_number or ""))
    same = {one.id: one for number in numbers for one in by_number.get(number, ()) if _same_country(one, party)}
    if same:
        named = [one for one in same.values() if normal_text(one.name) == name]
        chosen = named if len(same) > 1 and len(named) == 1 else list(same.values())
        return len(chosen) == 1, chosen
    named = [one for one in by_name.get(name, ()) if not _is_anothers(one, numbers, party)]
    return len(named) == 1, named


def _is_anothers(contact: Contact, numbers: set[str], party: Party) -> bool:
    """Whether a contact of the same name has other numbers, another country, or a code that we made for another."""
    ours = len(contact.code) == len(contact_code("")) and contact.code.isdecimal()
    return ours or bool(numbers and contact.numbers) or not _same_country(contact, party)


def _candidate(contact: Contact, certain: bool, codes_needed: frozenset[Component]) -> Candidate:
    """A contact without code is given one where that is needed: it lacks the role until then."""
    known_as = contact_of(contact.code, contact.id)
    roles = None if contact.code else frozenset((Component.CUSTOMERS, Component.SUPPLIERS)) - codes_needed
    return Candidate(
        entry_id=known_as,
        number=contact.code or contact.name,
        party_id=known_as,
        name=contact.name or None,
        certain=certain,
        roles=roles,
    )


def _same_country(contact: Contact, party: Party) -> bool:
    ours = country_of(party)
    return not contact.country or not ours or contact.country == ours


def _plain(numbers: Iterable[str]) -> set[str]:
    return {plain for one in numbers if (plain := normal_number(one).removeprefix("BE"))}
