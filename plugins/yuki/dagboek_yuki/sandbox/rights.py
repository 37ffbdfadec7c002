"""What an access key must allow before an operation looks at anything: rights per service group, modules, known apps.

None of the texts is known but that of the missing module.
"""

from .access import Session
from .books import Books
from .call import Fault

_OF_SERVICE = {
    "Accounting": "Financial",
    "AccountingInfo": "Financial",
    "Archive": "Archive",
    "Backoffice": "Backoffice",
    "ChangeDigest": "Financial",
    "Contact": "Contacts",
    "Domains": "Domains",
    "FiscalTable": "Financial",
    "Integration": "Financial",
    "Pettycash": "PettyCash",
    "Purchase": "Purchase",
    "Sales": "Sales",
    "Vat": "Financial",
}
_READS_CONTACTS = ("SearchContacts", "GetSuppliersAndCustomers")


def session_of(books: Books, id: str, site: str, now: float) -> Session:
    """The open session with an id; raises Fault."""
    session = books.sessions.find(id, site, now)
    if session is None:
        raise Fault(f"Session '{id}' is not valid or has expired", "Client")
    if not books.domains[session.domain].active:
        raise Fault("Domain has no active database", "Client")
    return session


def check(books: Books, session: Session, service: str, operation: str) -> None:
    """Whether the session may call an operation that is no general one; raises Fault."""
    rights, right = session.key.rights, _OF_SERVICE[service]
    if operation.startswith("Upload"):
        right = "Upload"
    if right not in rights and not (operation in _READS_CONTACTS and "ContactsReadOnly" in rights):
        raise Fault(f"You have no rights to use this web service: {service}", "Client")
    if service == "Sales" and "sales" not in books.domains[session.domain].modules:
        raise Fault("The domain is not licensed for this functionality", "Client")
    if service == "Purchase" and not session.known_app:
        raise Fault("This web service needs a client id and a client secret", "Client")
