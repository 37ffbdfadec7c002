"""A company is added, and files are sent in by hand: each with its outcome, with and without JavaScript."""

from pathlib import Path

from console.conftest import PHONE, Reading
from console.test_pages import SCREENSHOTS
from dagboek.chaos.ubl import Ubl
from dagboek.web.rights import Role
from playwright.async_api import expect
from web.conftest import Site
from web.test_sent_in import PDF, ubl

SCRIPT = "<img src=x onerror=alert(1)>"


async def test_a_company_and_its_files(site: Site, reading: Reading, tmp_path: Path) -> None:
    async with reading(size=PHONE, script=False) as reader:
        page, _ = await reader.at("/companies")
        await page.get_by_role("link", name="Add a company").click()
        await page.get_by_label("Name").fill("Zandbank NV")
        await page.get_by_label("VAT number").fill("BE0123456700")
        await page.get_by_label("Sent in by API").check()
        await expect(page.get_by_label("Folder on the server")).not_to_be_visible()  # of an operator
        await page.get_by_role("button", name="Add a company").click()
        assert "check digit" in await page.get_by_role("alert").inner_text()
        await page.get_by_label("VAT number").fill("BE0403019261")
        await page.get_by_role("button", name="Add a company").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Zandbank NV BE0403019261", use_inner_text=True)

        good, other, no_ubl = tmp_path / "good.xml", tmp_path / "<b>other.xml", tmp_path / "invoice.pdf"
        good.write_text(Ubl("C-1", supplier_name="Zandbank NV", customer_name=SCRIPT.replace("<", "&lt;")).xml())
        other.write_bytes(ubl("C-2"))
        no_ubl.write_bytes(PDF)
        await page.get_by_label("Files").set_input_files([good, other, no_ubl])
        await page.get_by_role("button", name="Upload").click()
        told = page.get_by_role("region", name="What became of them")
        await expect(told.get_by_role("listitem")).to_have_count(3)
        text = await told.inner_text()
        assert "Not this company's" in text and "U23" in text and "Kept; the next synchronisation" in text
        assert "<b>other.xml" not in text, "a file name that is harmless"
        row = page.get_by_role("row").filter(has_text="C-1")
        assert SCRIPT in await row.inner_text(), "a name is text"
        assert "waits for the next synchronisation" in await row.inner_text()
        await page.get_by_role("button", name="Withdraw C-1").click()
        await expect(page.get_by_role("status").first).to_contain_text("was withdrawn")
        assert "Withdrawn" in await page.get_by_role("row").filter(has_text="C-1").inner_text()
        too_much = tmp_path / "large.xml"
        too_much.write_bytes(b" " * 12_000_000)
        await page.get_by_label("Files").set_input_files([too_much])
        await page.get_by_role("button", name="Upload").click()
        await expect(page.get_by_role("heading", name="Too much at once")).to_be_visible()


async def test_an_operator_adds_a_folder_and_nobody_else_does(site: Site, reading: Reading, tmp_path: Path) -> None:
    async with reading(of=site.south, operator=True) as reader:
        page, _ = await reader.at("/companies/new")
        await page.get_by_label("Name").fill("Duinpan BV")
        await page.get_by_label("A folder on the server").check()
        await page.get_by_label("Folder on the server", exact=True).fill(str(tmp_path))
        await page.get_by_role("button", name="Add a company").click()
        await page.get_by_role("heading", name="Duinpan BV").wait_for()
        await page.wait_for_load_state()  # the heading is there before what follows it
        assert str(tmp_path) in await page.content()
        good, no_ubl = tmp_path / "good.xml", tmp_path / "invoice.pdf"
        good.write_text(Ubl("C-3", supplier_name="Duinpan BV", supplier="BE0404616494").xml())
        no_ubl.write_bytes(PDF)
        await page.get_by_label("Files").set_input_files([good, no_ubl])
        await page.get_by_role("button", name="Upload").click()
        await page.get_by_role("region", name="What became of them").wait_for()
        await reader.accessible()
        if SCREENSHOTS:
            await page.screenshot(path=Path(SCREENSHOTS) / "uploaded-en-desktop.png", full_page=True)
    async with reading(of=site.south, role=Role.BOOKKEEPER) as reader:
        page, _ = await reader.at("/companies/new")
        await page.get_by_label("Name").fill("Strandwal BV")
        await page.get_by_label("Sent in by API").check()
        await page.eval_on_selector("[name=source][value=sent-in]", "one => { one.value = 'folder' }")
        await page.get_by_role("button", name="Add a company").click()
        assert "operator" in await page.get_by_role("alert").inner_text()
    async with reading(of=site.south, role=Role.VIEWER) as reader:
        page, _ = await reader.at(f"/companies/{site.south.id('entity')}")
        await expect(page.get_by_role("button", name="Upload")).to_have_count(0)
        _, status = await reader.at(f"/companies/{site.north.id('entity')}")
        assert status == 404
