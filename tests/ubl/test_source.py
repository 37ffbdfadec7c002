"""The folder as a source: lists, sides, approvals, and what is told when it cannot be read."""

import asyncio
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from dagboek_schemas.documents import Approval, Direction, Party
from dagboek_sdk import hooks as sdk_hooks
from dagboek_sdk.sides import Side, entity_of, side_of
from dagboek_sdk.source import EntityRef, Fetched, Listed, SourceUnavailable
from dagboek_ubl import hooks
from dagboek_ubl.issues import CATALOGUE
from dagboek_ubl.source import UblFolder, UblSettings, entities_in
from ubl.make_samples import DE_VAART, DRUKKERIJ, KOFFIE, MAASHAVEN, PRIVATE, VUURTOREN, beans
from ubl.write_ubl import Company, Paper, render

SALE = Paper("S-1", "2026-06-01", KOFFIE, VUURTOREN, (beans(4),))
BOUGHT = Paper("P-1", "2026-06-02", VUURTOREN, KOFFIE, (beans(2),))
OTHERS = Paper("O-1", "2026-06-03", VUURTOREN, DRUKKERIJ, (beans(1),))
ENTITY = EntityRef(KOFFIE.name, vat_number=KOFFIE.vat)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, paper in (("sales/s.xml", SALE), ("p.xml", BOUGHT), ("o.XML", OTHERS)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(render(paper))
    return tmp_path


async def listed(folder: Path) -> list[Listed]:
    return [one async for page in UblFolder(UblSettings(folder=folder), ENTITY).list(None) for one in page]


async def fetch(folder: Path, name: str, **settings: object) -> Fetched:
    source = UblFolder({"folder": folder, **settings}, ENTITY)
    (fetched,) = await source.fetch([name])
    return fetched


async def test_list(folder: Path) -> None:
    (folder / ".hidden.xml").write_text("no")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.xml").write_text("no")
    (folder / "notes.txt").write_text("no")
    assert [one.origin_id for one in await listed(folder)] == ["o.XML", "p.xml", "sales/s.xml"]
    assert [one.title for one in await listed(folder)] == ["o.XML", "p.xml", "s.xml"]


async def test_fingerprint_changes_with_content_and_approval_alone(folder: Path) -> None:
    async def fingerprint() -> str:
        return {one.origin_id: one.fingerprint for one in await listed(folder)}["p.xml"]

    first = await fingerprint()
    assert await fingerprint() == first
    os.utime(folder / "p.xml", ns=(0, 1))
    second = await fingerprint()
    (folder / "p.xml.pending").touch()
    third = await fingerprint()
    (folder / "p.xml.pending").rename(folder / "p.xml.approved")
    assert len({first, second, third, await fingerprint()}) == 4


async def test_sides(folder: Path) -> None:
    source = UblFolder(UblSettings(folder=folder), ENTITY)
    others, bought, sale = await source.fetch(["o.XML", "p.xml", "sales/s.xml"])
    assert others == Fetched("o.XML")
    assert bought.document and bought.document.direction is Direction.PURCHASE
    assert sale.document and sale.document.direction is Direction.SALES
    assert (bought.origin_id, sale.origin_id) == ("p.xml", "sales/s.xml")


@pytest.mark.parametrize(
    ("mode", "marks", "expected"),
    [
        ("not_required", (), Approval.NOT_REQUIRED),
        ("not_required", ("pending",), Approval.NOT_REQUIRED),
        ("pending", (), Approval.PENDING),
        ("pending", ("approved",), Approval.APPROVED),
        ("pending", ("refused",), Approval.REFUSED),
        ("from_folder", (), Approval.NOT_REQUIRED),
        ("from_folder", ("pending",), Approval.PENDING),
        ("from_folder", ("approved",), Approval.APPROVED),
        ("from_folder", ("approved", "pending"), Approval.PENDING),
        ("from_folder", ("approved", "refused"), Approval.REFUSED),
    ],
)
async def test_approval(folder: Path, mode: str, marks: tuple[str, ...], expected: Approval) -> None:
    for mark in marks:
        (folder / f"p.xml.{mark}").touch()
        (folder / "sales" / f"s.xml.{mark}").touch()
    bought, sale = await fetch(folder, "p.xml", approval=mode), await fetch(folder, "sales/s.xml", approval=mode)
    assert bought.document and bought.document.approval is expected
    assert sale.document and sale.document.approval is Approval.NOT_REQUIRED


async def test_folder_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, words in ((tmp_path / "nowhere", "it is not there"), (tmp_path / "file", "it is a file")):
        with pytest.raises(SourceUnavailable, match=f"{re.escape(str(path))}: {words}"):
            await listed(path)


async def test_attachments_that_are_gone(folder: Path) -> None:
    source = UblFolder(UblSettings(folder=folder), ENTITY)
    (folder / "bad.xml").write_text("bad")
    for ref in ("p.xml#1", "gone.xml#1", "bad.xml#1", "p.xml", "p.xml#x", "../p.xml#1", "#1", "p.xml#0"):
        with pytest.raises(FileNotFoundError):
            await source.attachment(ref)


async def test_reading_leaves_the_loop_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    ticked = threading.Event()

    def slow(root: Path, name: str) -> Path:
        threads.add(threading.current_thread())
        ticked.wait(60)
        return root / name

    monkeypatch.setattr("dagboek_ubl.source.locate", slow)
    task = asyncio.create_task(fetch(folder, "p.xml"))
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.005)
        ticks += 1
        if ticks == 4:
            ticked.set()
    assert ticks > 3 and threading.main_thread() not in threads


async def test_pages_hold_many_files_and_keep_their_order(tmp_path: Path) -> None:
    for number in range(1050):
        (tmp_path / f"{number:04d}.xml").touch()
    pages = [page async for page in UblFolder(UblSettings(folder=tmp_path), ENTITY).list(None)]
    assert [len(page) for page in pages] == [1000, 50]
    names = [one.origin_id for page in pages for one in page]
    assert names == sorted(names)


def test_settings_are_checked() -> None:
    for wrong in (
        {},
        {"folder": "x", "approval": "maybe"},
        {"folder": "x", "foldr": 1},
        {"folder": "x", "max_megabytes": 0},
    ):
        with pytest.raises(ValueError):
            UblSettings.model_validate(wrong)


# Who the entity is


def party(company: Company, **more: str | None) -> Party:
    return Party.model_validate(
        {
            "name": company.name,
            "vat_number": company.vat,
            "company_number": company.number,
            "company_number_scheme": company.scheme,
            "address": {"country": company.country},
            **more,
        }
    )


SELLER, BUYER = party(KOFFIE), party(MAASHAVEN)


@pytest.mark.parametrize(
    "entity",
    [
        EntityRef("?", vat_number="BE0999100196"),
        EntityRef("?", vat_number="be 0999.100.196"),
        EntityRef("?", vat_number="0999.100.196"),
        EntityRef("?", company_number="0999.100.196"),
        EntityRef("?", company_number="999100196"),
        EntityRef(" noordzee  KOFFIE bv", country="BE"),
    ],
)
def test_the_seller_in_many_spellings(entity: EntityRef) -> None:
    assert side_of(entity, SELLER, BUYER) == (Side.SELLER, False)


@pytest.mark.parametrize(
    "seller",
    [
        party(KOFFIE, company_number=None),
        party(KOFFIE, vat_number=None),
        party(KOFFIE, vat_number=None, company_number="BE0999100196", company_number_scheme="9925"),
        party(KOFFIE, vat_number=None, company_number=None, endpoint="0999100196", endpoint_scheme="0208"),
        party(KOFFIE, vat_number=None, company_number=None, endpoint="BE0999100196", endpoint_scheme="9925"),
        party(KOFFIE, vat_number=None, company_number=None, endpoint="0999100196", endpoint_scheme="9956"),
        party(KOFFIE, vat_number=None, company_number=None, endpoint="5400000000007", endpoint_scheme="0088"),
        party(KOFFIE, vat_number=None, company_number=None),
    ],
)
def test_the_seller_known_by_any_of_its_numbers(seller: Party) -> None:
    assert side_of(ENTITY, seller, BUYER) == (Side.SELLER, False)


@pytest.mark.parametrize(
    ("entity", "side"),
    [
        (EntityRef("?", vat_number="NL999000111B01", country="NL"), Side.BUYER),
        (EntityRef("?", vat_number="NL9990.00.111.B.01", country="NL"), Side.BUYER),
        (EntityRef("?", vat_number="999000111B01", country="NL"), Side.BUYER),
        (EntityRef("?", vat_number="NL999000111B02", country="NL"), Side.NEITHER),
        (EntityRef("?", company_number="99900011", country="NL"), Side.BUYER),
        (EntityRef("?", company_number="99900011", country="DK"), Side.NEITHER),
        (EntityRef(MAASHAVEN.name, vat_number="NL999002107B01", country="NL"), Side.NEITHER),
        (EntityRef("Iemand anders"), Side.NEITHER),
    ],
)
def test_dutch_numbers_and_strangers(entity: EntityRef, side: Side) -> None:
    assert side_of(entity, SELLER, BUYER) == (side, False)


def test_both_sides() -> None:
    assert side_of(ENTITY, SELLER, SELLER) == (Side.BOTH, False)
    renamed = party(KOFFIE, name="Iemand anders")
    assert side_of(ENTITY, SELLER, renamed) == (Side.SELLER, True)
    assert side_of(ENTITY, renamed, SELLER) == (Side.BUYER, True)
    assert side_of(EntityRef("Een derde naam", vat_number=KOFFIE.vat), SELLER, renamed) == (Side.BOTH, False)


async def test_same_number_told_apart_by_name_is_a_remark(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(render(replace(SALE, buyer=replace(KOFFIE, name="Iemand anders"))))
    fetched = await fetch(tmp_path, "x.xml")
    assert fetched.document and [issue.code for issue in fetched.issues] == ["U38"]


@pytest.mark.parametrize("company", [KOFFIE, MAASHAVEN, DE_VAART, PRIVATE])
def test_entity_of_a_party_is_that_party(company: Company) -> None:
    entity = entity_of(party(company))
    assert side_of(entity, party(company), party(VUURTOREN)) == (Side.SELLER, False)
    assert entity.country == company.country


def test_entities_in_a_folder(tmp_path: Path) -> None:
    nameless = Company(KOFFIE.name, "BE")
    for number, seller in enumerate((nameless, KOFFIE, VUURTOREN, PRIVATE, KOFFIE)):
        paper = Paper(f"E-{number}", "2026-06-01", seller, DRUKKERIJ, (beans(1),))
        (tmp_path / f"{number}.xml").write_text(render(paper))
    (tmp_path / "bad.xml").write_text("bad")
    assert [entity.name for entity in entities_in(tmp_path)] == [KOFFIE.name, VUURTOREN.name, PRIVATE.name]


async def test_issuers_and_their_files(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (folder / "bad.xml").write_text("bad")
    outside = tmp_path_factory.mktemp("outside") / "x.xml"
    outside.write_text(render(SALE))
    (folder / "link.xml").symlink_to(outside)
    found = [(entity and entity.name, files) for entity, files in await UblFolder({"folder": folder}, ENTITY).issuers()]
    assert found == [
        (VUURTOREN.name, ["o.XML", "p.xml"]),
        (KOFFIE.name, ["sales/s.xml"]),
        (None, ["bad.xml", "link.xml"]),
    ]
    with pytest.raises(SourceUnavailable):
        await UblFolder({"folder": folder / "nowhere"}, ENTITY).issuers()


# What is registered


def test_hooks() -> None:
    assert hooks.dagboek_sources() == (UblFolder,)
    assert UblFolder.about.name == "ubl" and UblFolder.about.settings is UblSettings
    assert hooks.dagboek_issue_catalogue() == CATALOGUE
    assert isinstance(CATALOGUE[0], sdk_hooks.CatalogueEntry)


def test_catalogue_texts_are_whole() -> None:
    assert len({entry.code for entry in CATALOGUE}) == len(CATALOGUE)
    for entry in CATALOGUE:
        assert entry.code.startswith("U") and set(entry.texts) == {"nl", "fr", "en"}
        used = [set(re.findall(r"{(\w+)}", f"{text.cause} {text.remedy}")) for text in entry.texts.values()]
        assert used[0] == used[1] == used[2]
        assert "file" in used[0] and used[0] <= {"file", "field", "rule", "expected", "found", "reason"}
        for text in entry.texts.values():
            assert text.title and text.cause.endswith(".") and text.remedy.endswith(".")
