"""The contacts of a domain, which all its administrations share: how one is found, made and changed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from . import sample

ADDRESS: Final = ("AddressLine_1", "AddressLine_2", "Postcode", "City", "Country")
"""What a document that names a contact by its code overwrites."""
_IGNORED = re.compile(r"[,.'\"\- ]")


@dataclass(slots=True)
class Contact:
    """A customer or supplier. `fields` are those of the lists, by their names there; what is empty is left out."""

    id: str
    hid: int
    type: str
    """Company or Person."""
    name: str
    code: str
    fields: dict[str, str]
    created: float
    modified: float
    made_by: str
    """The administration whose document made it; empty where it was made on its own."""
    supplier: bool = False
    customer: bool = False
    active: bool = True

    @property
    def country(self) -> str:
        """Its country, empty when it is none that is known."""
        found = self.fields.get("Country", "").upper()
        return found if found in sample.COUNTRIES else ""

    @property
    def vat_number(self) -> str:
        """Its VAT number."""
        return self.fields.get("VATNumber", "")


def plain(name: str) -> str:
    """A name as it is compared: without comma, full stop, quotes, hyphen and space."""
    return _IGNORED.sub("", name).casefold()


@dataclass(slots=True)
class Contacts:
    """All of a domain."""

    by_id: dict[str, Contact] = field(default_factory=dict)
    _codes: dict[str, list[Contact]] = field(default_factory=dict)
    _names: dict[str, list[Contact]] = field(default_factory=dict)
    _numbers: dict[str, Contact] = field(default_factory=dict)

    def with_code(self, code: str) -> Contact | None:
        """The most recent one with a code."""
        found = self._codes.get(code)
        if not found:
            return None
        return found[0] if len(found) == 1 else max(found, key=lambda one: (one.created, one.hid))

    def with_name(self, name: str, type: str | None = None, email: str | None = None) -> Contact | None:
        """The first with a name, of a type where one is asked for, with an address where one has it."""
        found = [one for one in self._names.get(plain(name), ()) if type in (None, one.type)]
        if email:
            found = [one for one in found if email.lower() in _emails(one)] or found
        return found[0] if found else None

    def with_vat_number(self, number: str) -> Contact | None:
        """The first with a VAT number, however it is written."""
        return self._numbers.get(_number(number))

    def add(self, contact: Contact) -> None:
        """Notes a new one."""
        self.by_id[contact.id] = contact
        self._index(contact)

    def change(
        self,
        contact: Contact,
        *,
        at: float,
        name: str = "",
        code: str = "",
        type: str = "",
        fields: dict[str, str] | None = None,
    ) -> None:
        """Another name, code, type or other fields; empty ones change nothing."""
        changed = {key: value for key, value in (fields or {}).items() if value and contact.fields.get(key) != value}
        same = name in ("", contact.name) and code in ("", contact.code) and type in ("", contact.type)
        if same and not changed:
            return
        self._unindex(contact)
        contact.name, contact.code = name or contact.name, code or contact.code
        contact.type = type or contact.type
        contact.fields.update(changed)
        contact.modified = at
        self._index(contact)

    def made_by(self, administration: str) -> Iterable[Contact]:
        """Those that an administration's documents made."""
        return (one for one in self.by_id.values() if one.made_by == administration)

    def next_hid(self) -> int:
        """The next of the numbers that people see."""
        return len(self.by_id) + 1

    def _index(self, contact: Contact) -> None:
        if contact.code:
            self._codes.setdefault(contact.code, []).append(contact)
        self._names.setdefault(plain(contact.name), []).append(contact)
        if contact.vat_number:
            self._numbers.setdefault(_number(contact.vat_number), contact)

    def _unindex(self, contact: Contact) -> None:
        if contact.code:
            self._codes[contact.code].remove(contact)
        self._names[plain(contact.name)].remove(contact)
        if self._numbers.get(_number(contact.vat_number)) is contact:
            del self._numbers[_number(contact.vat_number)]


def _number(written: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", written.upper())


def _emails(contact: Contact) -> set[str]:
    return {contact.fields.get(name, "").lower() for name in ("EMailWork", "EMailHome", "EmailInvoice")} - {""}
