"""The package `exactonline` (PyPI, OSSO) as it is, through login, refresh and reads. Prints what it saw as JSON.

Run by `test_foreign`, with the folder in which the package is first on the path.
"""

import json
import sys
import time
import urllib.request
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

from exactonline.api import ExactApi
from exactonline.storage import ExactOnlineConfig, MissingSetting


class Storage(ExactOnlineConfig):  # type: ignore[misc]
    """In memory."""

    def __init__(self, values: dict[tuple[str, str], Any]) -> None:
        self.values = values

    def get(self, section: str, option: str) -> Any:
        if (section, option) not in self.values:
            raise MissingSetting(f"{section} {option}")
        return self.values[section, option]

    def set(self, section: str, option: str, value: Any) -> None:
        self.values[section, option] = value


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *given: Any) -> None:
        return None


def _code(url: str) -> str:
    """What the browser brings back."""
    try:
        urllib.request.build_opener(_Stay).open(url)
    except urllib.error.HTTPError as moved:
        return parse_qs(urlsplit(moved.headers["Location"]).query)["code"][0]
    raise AssertionError("nobody was sent back")


def main(origin: str, client_id: str, client_secret: str) -> None:
    """From login to reads."""
    storage = Storage(
        {
            ("server", "auth_url"): f"{origin}/api/oauth2/auth",
            ("server", "rest_url"): f"{origin}/api",
            ("server", "token_url"): f"{origin}/api/oauth2/token",
            ("application", "base_url"): "https://voorbeeld.test/terug",
            ("application", "client_id"): client_id,
            ("application", "client_secret"): client_secret,
        }
    )
    api = ExactApi(storage=storage)
    api.request_token(_code(api.create_auth_request_url()))
    first = storage.get_access_token()
    divisions, current = api.get_divisions()
    api.set_division(current)
    relations = api.relations.all()
    one = api.relations.get(relation_code="7")
    invoice = api.invoices.get(invoice_number="2026/001")
    numbers = api.invoices.map_foreign2exact_invoice_numbers(["2026/001", "none"])
    receivables = api.receivables.filter(duedate__gte=date(2026, 1, 1), relation_id=one["ID"])
    ledger = api.ledgeraccounts.filter(code__in=["700000"])
    codes = api.vatcodes.all()
    # Ten minutes went by, says the clock of the sandbox; this library believes its own.
    urllib.request.urlopen(
        urllib.request.Request(f"{origin}/_sandbox/clock", data=b'{"advance_seconds": 575}', method="POST")
    )
    storage.set_access_expiry(int(time.time()) + 25)
    again = api.relations.all()
    print(
        json.dumps(
            {
                "divisions": {str(code): name for code, name in divisions.items()},
                "relations": len(relations),
                "code": one["Code"],
                "invoice": [invoice["YourRef"], invoice["AmountFC"], len(invoice["SalesEntryLines"])],
                "numbers": numbers,
                "receivables": [row["Amount"] for row in receivables],
                "ledger": [row["Code"] for row in ledger],
                "codes": len(codes),
                "refreshed": storage.get_access_token() != first and len(again) == len(relations),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
