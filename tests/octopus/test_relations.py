"""Which relation a party is, where a dossier holds several."""

from typing import Any

import pytest
from dagboek_octopus.relations import Directory
from dagboek_schemas.documents import Address, Party

KLANT = Party(name="Klant NV", vat_number="BE0123456749", address=Address(country="BE"))


def relation(number: int, name: str = "Klant NV", vat: str = "BE0123.456.749", **more: Any) -> dict[str, Any]:
    identification = {"externalRelationId": 0, "relationKey": {"id": number}}
    return {"name": name, "vatNr": vat, "active": True, "relationIdentificationServiceData": identification} | more


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ([relation(1, "Other")], [("1", True)]),
        ([relation(1), relation(2, active=False)], [("1", True)]),
        ([relation(1, "Klant Gent"), relation(2, "KLANT  nv")], [("2", True)]),
        ([relation(1, "Klant Gent"), relation(2, "Klant Aalst")], [("1", False), ("2", False)]),
        ([relation(1), relation(2)], [("1", False), ("2", False)]),
        ([relation(1, vat="")], [("1", False)]),
        ([relation(1, vat="BE0999.999.922")], []),
        ([relation(1, "Klant", vat="")], []),
    ],
)
def test_the_active_one_with_the_number_and_then_the_name(
    there: list[dict[str, Any]], found: list[tuple[str, bool]]
) -> None:
    assert [(one.entry_id, one.certain) for one in Directory.of(there).matches(KLANT)] == found
