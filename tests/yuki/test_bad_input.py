"""Bad input of documents, through the whole plugin: what is booked all the same, and what is said of the rest."""

from typing import Any

import pytest
from dagboek.catalogue import LANGUAGES
from dagboek.plugins import Plugins
from dagboek_schemas.documents import Document
from dagboek_schemas.identity import party_identity
from dagboek_schemas.statuses import Component
from dagboek_sdk import clock
from dagboek_sdk.attempt import Attempt, Booked
from dagboek_sdk.errors import AccessDenied, AlreadyThere, LoginBroken, Refused, ToolError, Uncertain
from dagboek_sdk.samples import THEIRS, document, line
from dagboek_yuki import mapping
from dagboek_yuki.plugin import YukiPlugin
from yuki_books import BOOKS, House, attempt, context

FORBIDDEN = "Advies\x0b\x1f \ud800uur\ufffe\x00"


def sale(plugin: YukiPlugin, one: Document) -> Attempt:
    booking = plugin.map_document(one, Component.SALES_INVOICES, context(BOOKS))
    made = attempt(
        booking, component=Component.SALES_INVOICES, party_entry=mapping.contact_code(party_identity(THEIRS))
    )
    return made.start(clock.boot_time())


async def entries(house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await house.get("entries", dossier=house.administration)
    return found


def told(issue: Any) -> None:
    """It has words in every language, with every fact filled in."""
    for language in LANGUAGES:
        text = Plugins().catalogue.text(issue, language)
        assert "?" not in text.title + text.cause + text.remedy, (language, text)


async def test_characters_that_xml_forbids_become_blanks_and_the_invoice_is_booked(house: House) -> None:
    plugin = await house.plugin()
    one = line("100").model_copy(update={"name": FORBIDDEN, "description": FORBIDDEN})
    typed = document(one, number="2026-1", other=THEIRS.model_copy(update={"name": FORBIDDEN}), note=FORBIDDEN)
    assert isinstance(await plugin.push(sale(plugin, typed)), Booked)
    (entry,) = await entries(house)
    assert entry["total"] == "121.00"


@pytest.mark.parametrize("kind", ["html_fault_after", "empty_body", "wrong_namespace"])
async def test_a_write_whose_answer_is_none_is_looked_up_and_booked_once(house: House, kind: str) -> None:
    plugin = await house.plugin()
    made = [sale(plugin, document(line("100"), number=f"2026-{number}")) for number in range(3)]
    await house.tell("faults", kind=kind, operation="Sales.*", times=1)
    with pytest.raises(Uncertain):
        await plugin.push_batch(made)
    found = await plugin.resolve(made)
    assert [found[one.link_id].candidates[0].number for one in made] == ["2026-0", "2026-1", "2026-2"]  # type: ignore[union-attr]
    assert len(await entries(house)) == 3


async def test_a_number_that_is_taken_is_said_to_be_there(house: House) -> None:
    plugin = await house.plugin()
    first = sale(plugin, document(line("100"), number="2026-7"))
    await plugin.push(first)
    with pytest.raises(AlreadyThere):
        await plugin.push(sale(plugin, document(line("55"), number="2026-7")))


@pytest.mark.parametrize(
    "words", ["The domain is not licensed for this functionality", "De module Facturen is niet geactiveerd"]
)
async def test_a_module_that_is_not_active_ends_sales_with_words(house: House, words: str) -> None:
    plugin = await house.plugin()
    await house.tell("faults", kind="refuse", operation="Sales.*", body=words)
    with pytest.raises(AccessDenied) as denied:
        await plugin.push(sale(plugin, document(line("100"), number="2026-1")))
    assert denied.value.issue.code in ("Y02", "Y10")
    assert denied.value.tool_words == words
    told(denied.value.issue)


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        ("Invalid access key", LoginBroken, "Y20"),
        ("The 'Date' element is invalid - The value 'x' is invalid according to its datatype", Refused, "Y91"),
        ("Iets wat niemand kent", Refused, "Y90"),
    ],
)
async def test_a_fault_is_told_in_every_language(house: House, words: str, kind: type[ToolError], code: str) -> None:
    plugin = await house.plugin()
    await house.tell("faults", kind="refuse", operation="Sales.*", body=words)
    with pytest.raises(kind) as raised:
        await plugin.push(sale(plugin, document(line("100"), number="2026-1")))
    error = raised.value
    issue = error.issues[0] if isinstance(error, Refused) else error.issue  # type: ignore[attr-defined]
    assert issue.code == code
    told(issue)
