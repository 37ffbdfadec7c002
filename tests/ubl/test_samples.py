"""The sample documents of the package: what is in them, and what is wrong with the broken ones."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from dagboek_schemas.documents import Approval, Direction, Document, Kind
from dagboek_schemas.issues import Severity
from dagboek_sdk.source import EntityRef
from dagboek_ubl import issues
from dagboek_ubl.reader import read_file
from dagboek_ubl.source import UblFolder, UblSettings, entities_in
from stdnum.be import iban, ogm_vcs, vat

SAMPLES = Path(issues.__file__).parent / "samples"
KOFFIE = EntityRef("Noordzee Koffie BV", vat_number="BE 0999.100.196")
CATERING = EntityRef("Noordzee Catering BV", company_number="0999100295")
VERHUUR = EntityRef("Noordzee Verhuur BV", vat_number="BE0999100394")
DRUKKERIJ = EntityRef("Zuiderlicht Drukkerij BV", vat_number="BE0999400106")

BROKEN = {
    "malformed.xml": {("U04", None)},
    "empty.xml": {("U20", None)},
    "entity-bomb.xml": {("U05", None)},
    "outside-dtd.xml": {("U05", None)},
    "wrong-encoding.xml": {("U06", None)},
    "unknown-encoding.xml": {("U06", None)},
    "order.xml": {("U07", None)},
    "line-sum.xml": {("U11", "BR-CO-10"), ("U11", "BR-CO-13")},
    "net-total.xml": {("U11", "BR-CO-13"), ("U11", "BR-CO-15")},
    "vat-total.xml": {("U11", "BR-CO-14"), ("U11", "BR-CO-15")},
    "gross-total.xml": {("U11", "BR-CO-15"), ("U11", "BR-CO-16")},
    "amount-due.xml": {("U11", "BR-CO-16")},
    "vat-per-rate.xml": {("U11", "BR-CO-14"), ("U11", "BR-CO-17")},
    "vat-base.xml": {("U11", "BR-S-08")},
    "no-currency.xml": {("U09", "BR-05")},
    "no-number.xml": {("U09", "BR-02")},
    "no-date.xml": {("U09", "BR-03")},
    "impossible-date.xml": {("U25", None)},
    "no-buyer.xml": {("U09", "BR-07")},
    "no-amount-due.xml": {("U09", "BR-15")},
    "amount-with-comma.xml": {("U10", None)},
    "two-currencies.xml": {("U14", "PEPPOL-EN16931-R051")},
    "unknown-vat-category.xml": {("U13", "BR-CL-17")},
    "other-tax.xml": {("U16", None)},
    "same-party.xml": {("U15", None)},
    "negative-credit-note.xml": {("U17", None)},
}


async def documents(tenant: str, entity: EntityRef) -> dict[str, Document]:
    source = UblFolder(UblSettings(folder=SAMPLES / tenant, approval="from_folder"), entity)
    found = {}
    async for page in source.list(None):
        for fetched in await source.fetch([listed.origin_id for listed in page]):
            assert not fetched.issues
            if fetched.document:
                found[fetched.document.number] = fetched.document
    return found


def test_every_broken_file_is_expected() -> None:
    assert {path.name for path in (SAMPLES / "broken").iterdir()} == BROKEN.keys()


@pytest.mark.parametrize("name", BROKEN)
async def test_broken(name: str) -> None:
    source = UblFolder(UblSettings(folder=SAMPLES / "broken"), KOFFIE)
    (fetched,) = await source.fetch([name])
    assert fetched.document is None
    assert {(issue.code, issue.rule) for issue in fetched.issues} == BROKEN[name]
    assert all(issue.severity is Severity.WARNING and issue.facts["file"] == name for issue in fetched.issues)


async def test_a_broken_file_of_which_the_parties_are_known_is_not_shown_to_others() -> None:
    source = UblFolder(UblSettings(folder=SAMPLES / "broken"), DRUKKERIJ)
    ours, unreadable = await source.fetch(["amount-due.xml", "malformed.xml"])
    assert (ours.document, ours.issues) == (None, ())
    assert unreadable.issues[0].code == "U04"


async def test_ten_consecutive_sales_of_which_the_seventh_has_another_rate() -> None:
    found = await documents("north", KOFFIE)
    for number in range(1, 11):
        document = found[f"2026-{number:04d}"]
        assert document.direction is Direction.SALES and document.kind is Kind.INVOICE
        rates = {line.vat_rate for line in document.lines}
        assert (Decimal(12) in rates) == (number == 7)
        assert rates <= {Decimal(6), Decimal(12), Decimal(21)}
    days = [found[f"2026-{number:04d}"].issue_date for number in range(1, 15)]
    assert days == sorted(days)


async def test_what_the_samples_cover() -> None:
    koffie, catering, rental, south = [
        await documents(*one)
        for one in (("north", KOFFIE), ("north", CATERING), ("north", VERHUUR), ("south", DRUKKERIJ))
    ]
    kinds: dict[tuple[Direction, Kind], int] = defaultdict(int)
    for document in [*koffie.values(), *catering.values(), *south.values()]:
        kinds[document.direction, document.kind] += 1
    assert len(kinds) == 4
    categories = {row.category for document in koffie.values() for row in document.vat_breakdown}
    assert categories == {"S", "AE", "K", "G", "E"}
    assert koffie["2026-0006"].totals.rounding == Decimal("-0.01")
    assert koffie["2026-0008"].totals.prepaid == Decimal(200)
    assert koffie["2026-0014"].exchange_rate == Decimal("1.0625")
    assert koffie["VL260933"].approval is Approval.PENDING
    assert koffie["CAT-26-002"].direction is Direction.PURCHASE
    assert catering["CAT-26-002"].direction is Direction.SALES
    assert catering["CAT-26-C01"].kind is Kind.CREDIT_NOTE
    assert {(one.direction, one.kind) for one in rental.values()} == kinds.keys()
    assert not koffie.keys() & south.keys() and not rental.keys() & (koffie.keys() | catering.keys())


async def test_numbers_that_have_check_digits_have_the_right_ones() -> None:
    for path in SAMPLES.rglob("*.xml"):
        document = read_file(path).document
        if document is None:
            continue
        for party in (document.seller, document.buyer):
            if party.address.country == "BE" and party.vat_number:
                assert vat.is_valid(party.vat_number)
                assert party.company_number == party.vat_number.removeprefix("BE")
        for account in document.payment.accounts:
            assert not account.startswith("BE") or iban.is_valid(account)
        if document.payment.structured_communication:
            assert ogm_vcs.is_valid(document.payment.structured_communication)


async def test_attachment() -> None:
    source = UblFolder(UblSettings(folder=SAMPLES / "north"), KOFFIE)
    (fetched,) = await source.fetch(["sales/2026-0001.xml"])
    assert fetched.document
    (attachment,) = fetched.document.attachments
    assert (attachment.file_name, attachment.media_type) == ("2026-0001.pdf", "application/pdf")
    data = await source.attachment(attachment.ref)
    assert data.startswith(b"%PDF-") and len(data) == attachment.size


def test_suppliers_as_entities() -> None:
    names = [entity.name for entity in entities_in(SAMPLES / "south")]
    assert sorted(names) == ["Papierhandel Denderland NV", "Zuiderlicht Drukkerij BV"]
    assert "Santos Verde Export Ltda" in [entity.name for entity in entities_in(SAMPLES / "north")]


def test_samples_are_as_their_script_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ubl import make_samples

    monkeypatch.setattr(make_samples, "SAMPLES", tmp_path)
    make_samples.main()
    written = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(SAMPLES): path.read_bytes() for path in SAMPLES.rglob("*") if path.is_file()}
    assert written == kept
