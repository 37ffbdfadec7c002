"""An upgrade that computes revisions anew changes no document: what is compared is what the link's version says."""

from typing import Any
from uuid import uuid4

import pytest
from dagboek_schemas import revision
from dagboek_schemas.documents import Document, Party
from dagboek_schemas.statuses import Component, ItemKind, ItemState
from dagboek_sdk.samples import document as sample
from dagboek_workers.deciding import same_revision
from dagboek_workers.window import ItemSeen


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older release computed revisions from the number, or the name, alone."""
    monkeypatch.setitem(revision._DOCUMENT, "rev0", lambda document: [document.number])
    monkeypatch.setitem(revision._PARTY, "rev0", lambda party: [party.name])


def item(what: Document | Party) -> ItemSeen:
    party = isinstance(what, Party)
    now = revision.party_revision(what) if isinstance(what, Party) else revision.document_revision(what)
    given: dict[str, Any] = dict.fromkeys(ItemSeen.__dataclass_fields__)
    return ItemSeen(
        **given
        | {
            "component": Component.CUSTOMERS if party else Component.SALES_INVOICES,
            "kind": ItemKind.PARTY if party else ItemKind.DOCUMENT,
            "state": ItemState.PLANNED,
            "source_id": uuid4(),
            "revision": now,
            "body": what.model_dump_json().encode(),
        }
    )


def test_the_same_version_is_compared_as_it_is() -> None:
    document = sample()

    assert same_revision(item(document), revision.document_revision(document))
    assert not same_revision(item(document), "rev1:other")
    assert not same_revision(item(document), None)


@pytest.mark.usefixtures("older")
def test_an_older_version_is_computed_again() -> None:
    document = sample()
    party = document.buyer

    assert same_revision(item(document), revision.document_revision(document, "rev0"))
    assert not same_revision(
        item(document.model_copy(update={"number": "other"})), revision.document_revision(document, "rev0")
    )
    assert same_revision(item(party), revision.party_revision(party, "rev0"))
    assert not same_revision(item(party.model_copy(update={"name": "other"})), revision.party_revision(party, "rev0"))


def test_a_newer_version_says_nothing_of_a_change() -> None:
    """After a roll-back: nothing may be reported as changed, and nothing sent, for a version nobody here knows."""
    assert same_revision(item(sample()), "rev9:3f")
