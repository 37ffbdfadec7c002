"""The package `python-exact-online` (PyPI) as it is, through login, refresh and reads. Prints what it saw as JSON.

Run by `test_foreign`, with the folder in which the package is first on the path. Its addresses are settings of a
module.
"""

import json
import os
import sys
from typing import Any
from urllib.parse import urlsplit

import requests

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # this machine alone


def main(origin: str, client_id: str, client_secret: str) -> None:
    """From login to reads."""
    from exactonline import config

    config.BASE_URL = f"{origin}/api/v1"
    config.AUTH_URL = f"{origin}/api/oauth2/auth"
    config.ACCESS_TOKEN_URL = f"{origin}/api/oauth2/token"
    from exactonline.api import ExactOnlineAPI
    from exactonline.models.accounts import Account

    api = ExactOnlineAPI(client_id, client_secret)
    callback = "https://voorbeeld.test/terug"
    asked = requests.get(api.authHandler.getAuthURL(callback), allow_redirects=False, timeout=60)
    first = api.authHandler.retrieveToken(asked.headers["Location"])
    relations = api.accounts.list(filter={"IsSupplier": "true"})
    journals = api.journals.list(filter={"IsBlocked": "false"})
    known: Any = relations.items()[0]
    one = api.accounts.get(known.ID)
    entries = api.salesEntries.filter("YourRef", "'2026/001'")
    entry = api.salesEntries.get(entries.items()[0].EntryID)
    code = api.vatCodes.get(api.vatCodes.list(filter={"Code": "V21"}).items()[0].ID)
    made = api.accounts.create(Account(Name="Nieuw", Status="C"))
    refused = api.accounts.create(Account(Name="Nieuw", Email="nobody"))
    requests.post(f"{origin}/_sandbox/clock", json={"advance_seconds": 575}, timeout=60)
    api.authHandler.expiresOn = 0
    again = api.accounts.list(filter={"IsSupplier": "true"})
    print(
        json.dumps(
            {
                "division": api.division,
                "relations": len(relations.items()),
                "journals": len(journals.items()),
                "name": one.Name == known.Name,
                "entry": [entry.AmountFC, str(entry.EntryDate), len(entry.SalesEntryLines.items())],
                "percentage": code.VATPercentages.items()[0].Percentage,
                "made": made.Code.strip(),
                "refused": [refused.error.http_status, refused.error.message],
                "refreshed": api.authHandler.token != first and len(again.items()) == len(relations.items()),
                "callback": urlsplit(asked.headers["Location"]).netloc,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
