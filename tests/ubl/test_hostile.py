"""Files that mean harm, or that are simply not what their name says: an issue each, and never an exception."""

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from dagboek.plugins import Plugins
from dagboek_sdk.source import EntityRef
from dagboek_ubl import xml
from dagboek_ubl.reader import ReadResult, read_file
from dagboek_ubl.source import UblFolder, UblSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ubl.make_samples import KOFFIE, VUURTOREN, beans
from ubl.write_ubl import Paper, render

Read = Callable[[str | bytes | Paper], ReadResult]
GOOD = Paper("X-1", "2026-06-01", KOFFIE, VUURTOREN, (beans(4),), note="Café à Ostende")
TEXT = render(GOOD)
ENTITY = EntityRef(KOFFIE.name, vat_number=KOFFIE.vat)


def codes(result: ReadResult) -> list[str]:
    assert result.document is None
    return [issue.code for issue in result.issues]


def with_prolog(prolog: str) -> str:
    declaration, _, rest = TEXT.partition("\n")
    return f"{declaration}\n{prolog}\n{rest}"


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE Invoice [<!ENTITY a "b">]>',
        '<!DOCTYPE Invoice SYSTEM "file:///etc/passwd">',
        "<!-- a comment first --><?and an instruction?>\n<!DOCTYPE Invoice []>",
        "<!doctype Invoice>",
        "<!ELEMENT Invoice ANY>",
    ],
)
def test_declarations_are_refused(read: Read, prolog: str) -> None:
    assert codes(read(with_prolog(prolog))) == ["U05"]


def test_declaration_in_another_encoding(read: Read) -> None:
    text = with_prolog('<!DOCTYPE Invoice [<!ENTITY a "b">]>').replace("UTF-8", "UTF-16")
    assert codes(read(text.encode("utf-16"))) == ["U05"]
    assert codes(read(text.encode("utf-16-le"))) == ["U05"]
    assert codes(read(text.partition("\n")[2].encode("utf-16-be"))) == ["U05"]


def test_words_that_look_like_a_declaration_are_text(read: Read) -> None:
    text = TEXT.replace("Café à Ostende", "<![CDATA[<!DOCTYPE html>]]>")
    document = read(text).document
    assert document and document.note == "<!DOCTYPE html>"


def test_entity_that_nobody_declared(read: Read) -> None:
    assert codes(read(TEXT.replace("Café", "&file;"))) == ["U04"]


def test_comments_do_not_cut_values(read: Read) -> None:
    document = read(TEXT.replace(">X-1<", ">X<!-- hidden -->-1<?and?><")).document
    assert document and document.number == "X-1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "iso-8859-1", "cp1252"])
def test_encodings(read: Read, encoding: str) -> None:
    declared = {"utf-8-sig": "UTF-8", "utf-16-le": "UTF-16"}.get(encoding, encoding)
    document = read(TEXT.replace("UTF-8", declared).encode(encoding)).document
    assert document and document.note == "Café à Ostende"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_that_says_nothing_of_itself(read: Read, encoding: str) -> None:
    document = read(TEXT.partition("\n")[2].encode(encoding)).document
    assert document and document.note == "Café à Ostende"


def test_utf8_that_calls_itself_utf16(read: Read) -> None:
    document = read(TEXT.replace("UTF-8", "UTF-16")).document
    assert document and document.note == "Café à Ostende"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("cp1252"),
        TEXT.replace("UTF-8", "utf-7").encode(),
        TEXT.encode("utf-16")[:-1],
        TEXT.replace("UTF-8", "cp1252").encode("cp1252").replace(b"\xe0", b"\x81"),
    ],
    ids=["cp1252 as utf-8", "utf-7", "half a character", "no character of cp1252"],
)
def test_wrong_encodings(read: Read, data: bytes) -> None:
    assert codes(read(data)) == ["U06"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "U20"),
        (b" \n", "U20"),
        (b"\xef\xbb\xbf", "U20"),
        (b"not xml", "U04"),
        (b"%PDF-1.7\n\x00\x01\xff", "U23"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "U22"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "U22"),
        (b"PK\x03\x04\x14\x00", "U24"),
        (TEXT.encode() + b"<more/>", "U04"),
        (TEXT.encode().replace(b"Bistro", b"Bi\x00stro"), "U04"),
        (b"<html><body/></html>", "U07"),
        (b"<Invoice/>", "U07"),
        (b'<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-1"/>', "U07"),
        (b"<a>" * 5000 + b"</a>" * 5000, "U08"),
    ],
)
def test_no_invoice(read: Read, data: bytes, code: str) -> None:
    assert codes(read(data)) == [code]


@pytest.mark.parametrize(
    ("data", "language", "words"),
    [
        (b"\xff\xd8\xff\xe1", "en", "document.xml is no XML, but a picture (JPEG)."),
        (b"\x89PNG\r\n\x1a\n", "fr", "document.xml n'est pas du XML, mais une image (PNG)."),
        (b"%PDF-1.7", "nl", "document.xml is geen XML, maar een document om te lezen of af te drukken (PDF)."),
        (
            b"<Invoice",
            "nl",
            "document.xml is beschadigd of onvolledig. Het leesprogramma meldt in het Engels: “Couldn't find end of "
            "Start Tag Invoice line 1, line 1, column 9”.",
        ),
        (
            TEXT.replace("2026-06-01", "2026-02-31").encode(),
            "en",
            "In document.xml, IssueDate is “2026-02-31”; expected is a date that exists, such as 2026-12-31.",
        ),
        (
            TEXT.replace("2026-06-01", "2026-02-31").encode(),
            "fr",
            "Dans document.xml, IssueDate vaut « 2026-02-31 » ; on attend une date qui existe, par exemple 2026-12-31.",
        ),
    ],
)
def test_a_person_reads_what_the_file_is(read: Read, data: bytes, language: str, words: str) -> None:
    (issue,) = read(data).issues
    assert Plugins().catalogue.text(issue, language).cause == words


def test_a_file_a_little_over_the_limit_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.truncate(25 * 1024 * 1024 + 1)
    cause = Plugins().catalogue.text(read_file(path).issues[0], "fr").cause
    assert cause == "large.xml pèse 26 MB, alors que le maximum est de 25 MB."


def test_an_invoice_with_nothing_in_it(read: Read) -> None:
    result = read(b'<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"/>')
    rules = [issue.rule for issue in result.issues]
    assert rules == ["BR-02", "BR-03", "BR-05", "BR-06", "BR-07", "BR-16", "BR-15"]


def test_too_much_markup(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_MARKUP", 1000)
    assert codes(read("<a>" + "<b/>" * 1000 + "</a>")) == ["U08"]
    assert codes(read("<a " + " ".join(f'a{n}=""' for n in range(1001)) + "/>")) == ["U08"]


def test_a_file_of_50_mb_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.write(TEXT.encode())
        file.truncate(50 * 1024 * 1024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = read_file(path)
    assert codes(result) == ["U03"]
    assert result.issues[0].facts | {"file": ""} == {"file": "", "found": "50 MB", "expected": "25 MB"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000  # kilobytes


def test_many_wrong_lines_are_not_as_many_issues(read: Read) -> None:
    line = "<cac:InvoiceLine><cbc:ID>1</cbc:ID></cac:InvoiceLine>"
    numbered = "".join(line.replace(">1<", f">{n}<") for n in range(5000))
    result = read(TEXT.replace("<cac:LegalMonetaryTotal>", numbered + "<cac:LegalMonetaryTotal>"))
    assert result.document is None
    assert 1 <= len(result.issues) <= 50


def test_figures_too_large_to_keep(read: Read) -> None:
    for figure in ("9" * 40, "NaN", "-Infinity", "1E5", "1,000.00", "٤٢", "0x10"):
        assert set(codes(read(TEXT.replace(">58.00<", f">{figure}<")))) == {"U10"}


def test_figures_whose_sum_would_be_too_large_to_keep(read: Read) -> None:
    largest = "9999999999999.9999999999"
    result = read(TEXT.replace(">58.00<", f">{largest}<"))
    assert {issue.code for issue in result.issues} == {"U11", "U36"}
    vat = f'<cac:TaxTotal><cbc:TaxAmount currencyID="USD">{largest}</cbc:TaxAmount></cac:TaxTotal>'
    document = read(TEXT.replace("<cac:LegalMonetaryTotal>", vat + "<cac:LegalMonetaryTotal>")).document
    assert document and document.vat_in_tax_currency == 10**13


def test_issues_stay_short(read: Read) -> None:
    result = read(TEXT.replace('currencyID="EUR"', f'currencyID="{"E" * 1_000_000}"'))
    assert codes(result) == ["U14"]
    assert all(len(fact) <= 200 for fact in result.issues[0].facts.values())
    (issue,) = read(TEXT.replace("Bistro", "Bi\x00stro")).issues
    assert "\n" not in issue.facts["found"]


def test_elements_in_a_value_hide_nothing_of_it(read: Read) -> None:
    document = read(TEXT.replace(">X-1<", ">X<cbc:b>-</cbc:b>1<")).document
    assert document and document.number == "X-1"


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("ID", "<cbc:ID>X-2</cbc:ID>"),
        ("IssueDate", "<cbc:IssueDate>2020-01-01</cbc:IssueDate>"),
        ("DocumentCurrencyCode", "<cbc:DocumentCurrencyCode>USD</cbc:DocumentCurrencyCode>"),
        ("AccountingSupplierParty", "<cac:AccountingSupplierParty/>"),
        ("LegalMonetaryTotal", "<cac:LegalMonetaryTotal/>"),
    ],
)
def test_a_field_that_stands_there_twice(read: Read, name: str, again: str) -> None:
    result = read(TEXT.replace("</Invoice>", f"{again}</Invoice>"))
    assert codes(result) == ["U21"]
    assert result.issues[0].facts == {"file": "document.xml", "field": name, "found": "2"}


async def fetch(folder: Path, *names: str) -> list[list[str]]:
    source = UblFolder(UblSettings(folder=folder), ENTITY)
    return [[issue.code for issue in one.issues] for one in await source.fetch(names)]


async def test_what_is_no_file_of_the_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "secret.xml").write_text(TEXT)
    (folder / "link.xml").symlink_to(outside / "secret.xml")
    (folder / "dangling.xml").symlink_to(folder / "nothing.xml")
    (folder / "loop.xml").symlink_to(folder / "loop.xml")
    (folder / "inside.xml").symlink_to(folder / "good.xml")
    (folder / "good.xml").write_text(TEXT)
    (folder / "linked-folder").symlink_to(outside, target_is_directory=True)
    os.mkfifo(folder / "fifo.xml")
    (folder / "folder.xml").mkdir()
    source = UblFolder(UblSettings(folder=folder), ENTITY)
    listed = [one.origin_id async for page in source.list(None) for one in page]
    assert listed == ["dangling.xml", "fifo.xml", "good.xml", "inside.xml", "link.xml", "linked-folder", "loop.xml"]
    names = (*listed, "folder.xml", "../outside/secret.xml", str(outside / "secret.xml"), "gone.xml", "a\x00b.xml")
    found = dict(zip(names, await fetch(folder, *names), strict=True))
    assert found.pop("good.xml") == found.pop("inside.xml") == []
    assert found.pop("link.xml") == found.pop("linked-folder") == ["U02"]
    assert found.pop("../outside/secret.xml") == found.pop(str(outside / "secret.xml")) == ["U02"]
    assert found.keys() == {"dangling.xml", "fifo.xml", "loop.xml", "folder.xml", "gone.xml", "a\x00b.xml"}
    assert all(codes == ["U01"] for codes in found.values())


async def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed.xml").write_text(TEXT)
    (tmp_path / "inner").mkdir()
    scandir, opened = os.scandir, os.open

    def closed_folder(path: Path) -> object:
        if path.name == "inner":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    def closed_file(path: Path, *rest: int) -> int:
        if Path(path).name in ("closed.xml", "inner"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest)

    monkeypatch.setattr(os, "scandir", closed_folder)
    monkeypatch.setattr(os, "open", closed_file)
    source = UblFolder(UblSettings(folder=tmp_path), ENTITY)
    listed = [one.origin_id async for page in source.list(None) for one in page]
    assert listed == ["closed.xml", "inner"]
    for fetched in await source.fetch(listed):
        assert [(issue.code, issue.facts["reason"]) for issue in fetched.issues] == [("U01", "Permission denied")]


async def test_names_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.xml")).write_text(TEXT)
    source = UblFolder(UblSettings(folder=tmp_path), ENTITY)
    (listed,) = [one.origin_id async for page in source.list(None) for one in page]
    listed.encode()
    assert await fetch(tmp_path, listed) == [["U01"]]


async def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_bytes(b"\x00")
    (tmp_path / "good.xml").write_text(TEXT)
    source = UblFolder(UblSettings(folder=tmp_path), ENTITY)
    bad, good = await source.fetch(["bad.xml", "good.xml"])
    assert bad.issues and bad.document is None
    assert good.document and not good.issues


async def test_a_bug_of_ours_is_an_issue_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr("dagboek_ubl.reader.read_payment", boom)
    (tmp_path / "good.xml").write_text(TEXT)
    result = read_file(tmp_path / "good.xml")
    assert codes(result) == ["U19"]
    assert result.issues[0].facts == {"file": "good.xml", "found": "KeyError"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, len(TEXT) - 1),
    length=st.integers(0, 60),
    instead=st.one_of(
        st.text(max_size=20), st.sampled_from(["<cbc:ID/>", "</cac:Party>", "-", "1e999", "&lt;", "2026-02-30"])
    ),
)
def test_no_damage_makes_it_raise(read: Read, start: int, length: int, instead: str) -> None:
    damaged = (TEXT[:start] + instead + TEXT[start + length :]).encode("utf-8", "surrogatepass")
    result = read(damaged)
    assert result.document is not None or result.issues
    assert "U19" not in [issue.code for issue in result.issues]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_no_bytes_make_it_raise(read: Read, data: bytes) -> None:
    assert codes(read(data))
    assert codes(read(b'<?xml version="1.0"?>' + data))
