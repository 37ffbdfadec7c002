"""The Contact service: pages of a domain's contacts, and UpdateContact."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from lxml import etree

from .answers import add
from .books import Change, Json, Turn
from .call import Call, Operation
from .contacts import Contact
from .schema import Item, Shape, one_of, read, text

RESPONSE: Final = "urn:xmlns:http://www.theyukicompany.com:contactResponse"
PAGE: Final = 100

_SHOWN: Final = (
    "AddressLine_1", "AddressLine_2", "Postcode", "City", "MailAddressLine_1", "MailAddressLine_2", "MailPostcode",
    "MailCity", "Country", "PhoneHome", "PhoneWork", "MobileHome", "MobileWork", "EMailHome", "EMailWork", "Website",
    "VATNumber", "CoCNumber", "IncomeTaxNumber",
)  # fmt: skip

_EXACT: Final[dict[str, Callable[[Contact], str]]] = {
    "Code": lambda one: one.code,
    "CoCNumber": lambda one: one.fields.get("CoCNumber", ""),
    "VATNumber": lambda one: one.vat_number,
    "BankAccount": lambda one: one.fields.get("BankAccount", ""),
    "ID": lambda one: one.id,
    "HID": lambda one: str(one.hid),
    "ContactType": lambda one: one.type,
}
_PARTS: Final[dict[str, Callable[[Contact], str]]] = {
    "Name": lambda one: one.name,
    "City": lambda one: one.fields.get("City", ""),
    "Postcode": lambda one: one.fields.get("Postcode", ""),
    "Tag": lambda one: "",
    "Email": lambda one: " ".join(one.fields.get(key, "") for key in ("EMailWork", "EMailHome", "EmailInvoice")),
    "Website": lambda one: one.fields.get("Website", ""),
    "Phone": lambda one: " ".join(one.fields.get(key, "") for key in ("PhoneWork", "PhoneHome", "MobileHome")),
    "All": lambda one: " ".join((one.name, one.code, *one.fields.values())),
}
_ORDERS: Final[dict[str, tuple[Callable[[Contact], Any], bool]]] = {
    "Name": (lambda one: one.name.casefold(), False),
    "LastName": (lambda one: one.fields.get("LastName", one.name).casefold(), False),
    "CreatedAsc": (lambda one: one.created, False),
    "CreatedDesc": (lambda one: one.created, True),
    "ModifiedAsc": (lambda one: one.modified, False),
    "ModifiedDesc": (lambda one: one.modified, True),
    "HID": (lambda one: one.hid, False),
}


def search(call: Call) -> etree._Element:
    """SearchContacts: a hundred a page, pages from 1; without a value everything is found."""
    return _page(call, [one for one in call.domain_asked().contacts.by_id.values() if _found(call, one)])


def suppliers_and_customers(call: Call) -> etree._Element:
    """GetSuppliersAndCustomers: the same, of one kind, with what each is."""
    kind = call.params["contactType"]
    wanted: dict[str, Callable[[Contact], bool]] = {
        "Customer": lambda one: one.customer,
        "Supplier": lambda one: one.supplier,
        "Both": lambda one: one.customer or one.supplier,
        "None": lambda one: not (one.customer or one.supplier),
    }
    rows = [one for one in call.domain_asked().contacts.by_id.values() if wanted[kind](one) and _found(call, one)]
    return _page(call, rows, kinds=True)


def _found(call: Call, contact: Contact) -> bool:
    active = call.params["active"]
    if active != "Both" and contact.active != (active == "Active"):
        return False
    after: datetime | None = call.params["modifiedAfter"]
    if after is not None and after.year > 1 and call.books.local(contact.modified) <= after:
        return False
    option, value = call.params["searchOption"], call.text("searchValue").strip().casefold()
    if not value:
        return True
    if option in _EXACT:
        return _EXACT[option](contact).casefold() == value
    return value in _PARTS[option](contact).casefold()


def _page(call: Call, rows: list[Contact], *, kinds: bool = False) -> etree._Element:
    key, down = _ORDERS[call.params["sortOrder"]]
    rows = sorted(rows, key=key, reverse=down)
    first = (max(call.params["pageNumber"], 1) - 1) * PAGE
    root = etree.Element("Contacts")
    for one in rows[first : first + PAGE]:
        values = {
            "Type": one.type,
            "HID": one.hid,
            "Code": one.code,
            "Name": one.name,
            **{name: one.fields.get(name, "") for name in _SHOWN},
            "Created": american(call.books.local(one.created)),
            "Modified": american(call.books.local(one.modified)),
            "MainContactPerson": "",
            "Tags": "",
            "BackofficeStatus": "",
        }
        if kinds:
            values |= {"IsSupplier": one.supplier, "IsCustomer": one.customer}
        add(etree.SubElement(root, "Contact", ID=one.id), values)
    return root


def american(moment: datetime) -> str:
    """As contacts show times: 4/10/2019 3:50:52 PM."""
    return f"{moment.month}/{moment.day}/{moment.year} {moment.hour % 12 or 12}:{moment:%M:%S %p}"


# --- changing ---------------------------------------------------------------------------------------------------------

_NAMES: Final = (
    "Code", "FirstName", "MiddleName", "LastName", "FullName", "AddressLine_1", "AddressLine_2", "PostCode", "City",
    "MailAddressLine_1", "MailAddressLine_2", "MailPostCode", "MailCity", "WorkAddressLine_1", "WorkAddressLine_2",
    "WorkPostCode", "WorkCity", "Country", "PhoneHome", "PhoneWork", "MobileHome", "MobileWork", "EmailHome",
    "EmailWork", "VATNumber", "CoCNumber",
)  # fmt: skip
_DOCUMENT: Final = Shape(Item("ID", text()), Item("Type", one_of("0", "2")), *(Item(name, text()) for name in _NAMES))
"""In the order in which the reference names them, which may not be that of the XSD."""
_FIELDS: Final = {
    "PostCode": "Postcode",
    "MailPostCode": "MailPostcode",
    "WorkPostCode": "WorkPostcode",
    "EmailHome": "EMailHome",
    "EmailWork": "EMailWork",
}


def update(call: Call) -> etree._Element:
    """UpdateContact: changes one contact, or makes it; the answer says in words what came of it."""
    domain, document = call.domain_asked(), call.params.get("xmlDoc")
    allowed = call.books.rules.contact_namespaces
    given = (etree.QName(document).namespace or "") if document is not None else ""
    contact = read(document, "Contact", given if given in allowed else allowed[0], _DOCUMENT)
    words = call.apply("update_contact", None, {"domain": domain.id, "contact": contact})
    made = etree.fromstring(f'<ContactResponse xmlns="{RESPONSE}"><TimeStamp/><Succeeded/></ContactResponse>')
    made[0].text, made[1].text = call.now.date().isoformat(), words
    return made


def update_contact(turn: Turn, body: Json) -> str:
    """By id, else by code, else by type and name, else a new one."""
    contacts, given = turn.books.domain(body["domain"]).contacts, body["contact"]
    kind = "" if "Type" not in given else "Company" if given["Type"] == "2" else "Person"
    name = given.get("FullName") or " ".join(
        given[part] for part in ("FirstName", "MiddleName", "LastName") if part in given
    )
    fields = {
        _FIELDS.get(key, key): value for key, value in given.items() if key not in ("ID", "Type", "Code", "FullName")
    }
    code = given.get("Code", "")
    if "ID" in given:
        found = contacts.by_id.get(given["ID"].strip("{}").lower())
        if found is None:
            return f"Contact {given['ID']} does not exist"
    else:
        found = contacts.with_code(code) if code else None
        if found is None and name:
            found = contacts.with_name(name, kind or None, given.get("EmailWork") or given.get("EmailHome"))
            if found is not None and code and not _takes(turn, found):
                found = None
    if found is not None:
        contacts.change(found, at=turn.at, name=name, code=code, type=kind, fields=fields)
    elif not name:
        return "A new contact needs a name"
    else:
        found = Contact(
            id=turn.guid(),
            hid=contacts.next_hid(),
            type=kind or "Company",
            name=name,
            code=code,
            fields=fields,
            created=turn.at,
            modified=turn.at,
            made_by="",
        )
        contacts.add(found)
    return f"Succesfully updated Contact {found.id}"


def _takes(turn: Turn, found: Contact) -> bool:
    """Whether a contact of the same name is meant by a code that nobody has; see `Rules.unknown_code`."""
    rule = turn.books.rules.unknown_code
    return rule == "name" or (rule == "nameless" and not found.code)


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("Contact", "SearchContacts"): search,
    ("Contact", "GetSuppliersAndCustomers"): suppliers_and_customers,
    ("Contact", "UpdateContact"): update,
}
CHANGES: dict[str, Change] = {"update_contact": update_contact}
