"""What is served against the reference: resources, fields, types, methods. Where the reference is not at hand, there is
nothing to compare with."""

import json
from pathlib import Path
from typing import Any

import pytest
from dagboek_exact.sandbox.catalogue import ME, RESOURCES
from dagboek_exact.sandbox.edm import EDM_NAMES
from dagboek_exact.sandbox.resources import Resource

_PLACES = [place / "reference/exact/meta-data.json" for place in (Path("/work/shared"), Path(__file__).parents[3])]
_FILE = next((place for place in _PLACES if place.is_file()), None)
_COLLIDED = {
    "hrm/Divisions": "system/Divisions",
    "bulk/CRM/Accounts": "crm/Accounts",
    "bulk/Financial/GLAccounts": "financial/GLAccounts",
    "bulk/Documents/Documents": "documents/Documents",
}
"""Pages that the reference lost, since two had one name: they have the fields of another."""


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """Resources by their address below the division."""
    if _FILE is None:
        pytest.skip("the reference is not at hand")
    pages = json.loads(_FILE.read_text()).values()
    return {page["uri"].removeprefix("/api/v1/").removeprefix("{division}/"): page for page in pages}


@pytest.mark.parametrize("resource", [*RESOURCES.values(), ME], ids=lambda resource: resource.path)
def test_what_is_served_exists_with_its_types_and_methods(reference: dict[str, Any], resource: Resource) -> None:
    page = reference[_COLLIDED.get(resource.path, resource.path)]
    methods = {name.upper() for name, there in page["supportedMethods"].items() if there}
    assert set(resource.methods) <= methods
    types = {each["name"]: each["type"] for each in page["properties"]}
    for name, kind in resource.fields.items():
        assert types[name] == (kind.removeprefix(">") if kind.startswith(">") else f"Edm.{EDM_NAMES[kind]}"), name
    hidden = {each["name"] for each in page["properties"] if each["hidden"]}
    assert not hidden & set(resource.fields)


def test_what_may_be_written_may_be_written_there(reference: dict[str, Any]) -> None:
    for path, resource in RESOURCES.items():
        for method, names in (("post", resource.for_new), ("put", resource.for_change)):
            if method.upper() in resource.methods:
                allowed = {one["name"] for one in reference[path]["properties"] if one["supportedMethods"][method]}
                assert names <= allowed, path
