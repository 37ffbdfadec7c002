"""Octopus' limits: calls a day of each kind of call (api.md sections 4 and 6).

The documentation does not say whether they count per dossier or per user; reports are known to count per dossier,
so all but the list of dossiers are taken to. Nor does it say what comes back when one is passed: we stop before.
"""

from urllib.parse import urlsplit

from dagboek_sdk.limits import Limit, Window

LOGIN = "login"
DOSSIERS = "dossiers.list"
OPEN_DOSSIER = "dossiers.open"
BOOK_YEARS = "book_years"
JOURNALS = "journals"
BUY_JOURNAL = "journals.A"
SELL_JOURNAL = "journals.V"
ACCOUNTS = "accounts"
VAT_CODES = "vat_codes"
COST_CENTRES = "cost_centres"
CURRENCIES = "currencies"
RELATIONS_MODIFIED = "relations.modified"
RELATION_SEARCH = "relations.search"
RELATION_WRITE = "relations.write"
BOOKING_CREATE = "bookings.create"
BOOKING_UPDATE = "bookings.update"
BOOKING_READ = "bookings.read"
BOOKINGS_MODIFIED = "bookings.modified"
OPEN_CLIENTS = "reports.clients.open"
OPEN_SUPPLIERS = "reports.suppliers.open"
BALANCINGS = "balancings.modified"

_A_DAY = {
    # group: (calls a day, of which kept back for settling)
    OPEN_DOSSIER: (150, 0),
    BOOK_YEARS: (24, 0),
    JOURNALS: (24, 8),
    BUY_JOURNAL: (24, 12),
    SELL_JOURNAL: (24, 12),
    ACCOUNTS: (2, 0),
    VAT_CODES: (2, 0),
    COST_CENTRES: (2, 0),
    CURRENCIES: (2, 0),
    RELATIONS_MODIFIED: (48, 0),
    RELATION_SEARCH: (400, 60),
    RELATION_WRITE: (400, 10),
    BOOKING_CREATE: (400, 10),
    BOOKING_UPDATE: (10, 0),
    BOOKING_READ: (10, 8),
    BOOKINGS_MODIFIED: (48, 24),
    OPEN_CLIENTS: (24, 0),
    OPEN_SUPPLIERS: (24, 0),
    BALANCINGS: (48, 0),
}

TIME_ZONE = "Europe/Brussels"


def limits(base_url: str, user: str, dossier: str) -> list[Limit]:
    """The limits of one dossier at one address; those who share it share the count."""
    host = urlsplit(base_url).netloc
    key = f"octopus:{host}:dossier:{dossier}"
    rows = [
        Limit(key, group, amount, Window.DAY, reserve=reserve, time_zone=TIME_ZONE)
        for group, (amount, reserve) in _A_DAY.items()
    ]
    return [Limit(f"octopus:{host}:user:{user}", DOSSIERS, 150, Window.DAY, time_zone=TIME_ZONE), *rows]
