"""The project's own samples through the demo: amounts worked out by hand from their lines, reasons by rule."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from dagboek_ubl import issues
from end_to_end.demo_command import booked_amounts, reported
from end_to_end.harness import Installation, settings_of
from ubl.test_samples import BROKEN
from ubl.write_ubl import Company, D, Extra, Paper, Row, render

SAMPLES = Path(issues.__file__).parent / "samples"
SALES, BOUGHT = "north/sales", "north/purchases"
KOFFIE = "BE0999100196"

EXPECTED = {
    f"{SALES}/2026-0001.xml": "85.00 + 17.85 = 102.85 EUR; 21 %: 85.00 -> 17.85",
    f"{SALES}/2026-0002.xml": "580.00 + 34.80 = 614.80 EUR; 6 %: 580.00 -> 34.80",
    f"{SALES}/2026-0003.xml": "393.00 + 56.43 = 449.43 EUR; 6 %: 174.00 -> 10.44; 21 %: 219.00 -> 45.99",
    # 1,450.00 and a discount of 72.50
    f"{SALES}/2026-0004.xml": "1377.50 + 289.28 = 1666.78 EUR; 21 %: 1377.50 -> 289.28",
    # a charge of 12.00 at another rate than the goods'
    f"{SALES}/2026-0005.xml": "302.00 + 19.92 = 321.92 EUR; 6 %: 290.00 -> 17.40; 21 %: 12.00 -> 2.52",
    f"{SALES}/2026-0006.xml": "16.94 + 1.02 - 0.01 = 17.95 EUR; 6 %: 16.94 -> 1.02",
    f"{SALES}/2026-0007.xml": "726.00 + 100.62 = 826.62 EUR; 12 %: 576.00 -> 69.12; 21 %: 150.00 -> 31.50",
    # 200.00 were paid in advance, and are owed all the same
    f"{SALES}/2026-0008.xml": "480.00 + 100.80 = 580.80 EUR; 21 %: 480.00 -> 100.80",
    f"{SALES}/2026-0009.xml": "375.00 + 22.50 = 397.50 EUR; 6 %: 375.00 -> 22.50",
    f"{SALES}/2026-0010.xml": "142.50 + 29.93 = 172.43 EUR; 21 %: 142.50 -> 29.93",
    # reverse charge, within the EU, export, export in francs
    f"{SALES}/2026-0011.xml": "2400.00 + 0.00 = 2400.00 EUR; 0 %: 2400.00 -> 0.00",
    f"{SALES}/2026-0012.xml": "1320.00 + 0.00 = 1320.00 EUR; 0 %: 1320.00 -> 0.00",
    f"{SALES}/2026-0013.xml": "834.00 + 0.00 = 834.00 EUR; 0 %: 834.00 -> 0.00",
    f"{SALES}/2026-0014.xml": "647.50 + 0.00 = 647.50 CHF; 0 %: 647.50 -> 0.00",
    f"{SALES}/2026-C001.xml": "-85.00 + -17.85 = -102.85 EUR; 21 %: -85.00 -> -17.85",
    f"{SALES}/2026-C002.xml": "-29.00 + -1.74 = -30.74 EUR; 6 %: -29.00 -> -1.74",
    f"{SALES}/CAT-26-001.xml": "640.00 + 134.40 = 774.40 EUR; 21 %: 640.00 -> 134.40",
    f"{SALES}/CAT-26-002.xml": "576.00 + 120.96 = 696.96 EUR; 21 %: 576.00 -> 120.96",
    f"{SALES}/CAT-26-C01.xml": "-60.00 + -12.60 = -72.60 EUR; 21 %: -60.00 -> -12.60",
    f"{SALES}/VH26-0001.xml": "735.00 + 154.35 = 889.35 EUR; 21 %: 735.00 -> 154.35",
    # 180.00 less 18.00, and twelve times 7.35
    f"{SALES}/VH26-0002.xml": "250.20 + 39.31 = 289.51 EUR; 6 %: 88.20 -> 5.29; 21 %: 162.00 -> 34.02",
    f"{SALES}/VH26-0003.xml": "1125.00 + 0.00 = 1125.00 EUR; 0 %: 1125.00 -> 0.00",
    f"{SALES}/VH26-0004.xml": "132.20 + 27.76 - -0.03 = 159.99 EUR; 21 %: 132.20 -> 27.76",
    f"{SALES}/VH26-0005.xml": "860.00 + 0.00 = 860.00 EUR; 0 %: 860.00 -> 0.00",
    f"{SALES}/VH26-C01.xml": "-245.00 + -51.45 = -296.45 EUR; 21 %: -245.00 -> -51.45",
    f"{BOUGHT}/GB-26-0417.xml": "3124.00 + 187.44 = 3311.44 EUR; 6 %: 3124.00 -> 187.44",
    f"{BOUGHT}/9000123456.xml": "445.17 + 93.49 = 538.66 EUR; 21 %: 445.17 -> 93.49",
    f"{BOUGHT}/MH-2026-88.xml": "1775.00 + 0.00 = 1775.00 EUR; 0 %: 1775.00 -> 0.00",
    f"{BOUGHT}/SV-0071-26.xml": "2320.00 + 0.00 = 2320.00 USD; 0 %: 2320.00 -> 0.00",
    f"{BOUGHT}/N-2026-014.xml": "275.00 + 0.00 = 275.00 EUR; 0 %: 275.00 -> 0.00",
    # three times 118.00, and a discount of 14.16 on the line
    f"{BOUGHT}/VL260933.xml": "339.84 + 71.37 = 411.21 EUR; 21 %: 339.84 -> 71.37",
    f"{BOUGHT}/GB-26-C012.xml": "-312.40 + -18.74 = -331.14 EUR; 6 %: -312.40 -> -18.74",
    f"{BOUGHT}/P-260218.xml": "362.25 + 76.07 = 438.32 EUR; 21 %: 362.25 -> 76.07",
    f"{BOUGHT}/DR26-5512.xml": "684.20 + 0.00 = 684.20 EUR; 0 %: 684.20 -> 0.00",
    f"{BOUGHT}/P-260218C.xml": "-19.90 + -4.18 = -24.08 EUR; 21 %: -19.90 -> -4.18",
    "south/ZD26-101.xml": "189.00 + 39.69 = 228.69 EUR; 21 %: 189.00 -> 39.69",
    "south/ZD26-102.xml": "1494.00 + 117.99 = 1611.99 EUR; 6 %: 1305.00 -> 78.30; 21 %: 189.00 -> 39.69",
    "south/ZD26-103.xml": "4200.00 + 0.00 = 4200.00 EUR; 0 %: 4200.00 -> 0.00",
    "south/ZD26-C01.xml": "-189.00 + -39.69 = -228.69 EUR; 21 %: -189.00 -> -39.69",
    # 1,284.60, a discount of 25.69 and a charge of 35.00
    "south/PD-77812.xml": "1293.91 + 271.72 = 1565.63 EUR; 21 %: 1293.91 -> 271.72",
    "south/PD-C0093.xml": "-64.23 + -13.49 = -77.72 EUR; 21 %: -64.23 -> -13.49",
}

SELLER = Company("Proefhuis NV", "BE", "BE0400378485", "0400378485", "0208")
BUYER = Company("Bakkerij De Klaver BV", "BE", "BE0404616494", "0404616494", "0208")
EXEMPT = {"E": ("VATEX-EU-132", "Vrijgesteld"), "O": ("VATEX-EU-O", "Buiten de btw"), "AE": ("VATEX-EU-AE", "Verlegd")}


def paper(number: str, *rows: Row, **more: Any) -> Paper:
    """A document that is not among the samples."""
    return Paper(number, "2026-05-04", SELLER, BUYER, rows, reasons=EXEMPT, **more)


def row(amount: str, rate: int | None = 21, category: str = "S") -> Row:
    return Row("Proef", price=D(amount), rate=None if rate is None else D(rate), category=category)


MADE = [
    (
        paper("ZERO", row("40.00", 0, "Z"), row("60.00")),
        "100.00 + 12.60 = 112.60 EUR; 0 %: 40.00 -> 0.00; 21 %: 60.00 -> 12.60",
    ),
    (paper("OUTSIDE", row("75.00", None, "O")), "75.00 + 0.00 = 75.00 EUR; 0 %: 75.00 -> 0.00"),
    # VAT of the sum, not the sum of the VAT of lines: 0.21 at 21 % is 0.0441
    (paper("SMALL", row("0.07"), row("0.07"), row("0.07")), "0.21 + 0.04 = 0.25 EUR; 21 %: 0.21 -> 0.04"),
    # 100.00 - 10.00 at 21 %, 50.00 + 5.00 at 6 %, 25.00 exempt; 20.00 were paid back already
    (
        paper(
            "EVERYTHING",
            row("100.00"),
            row("50.00", 6),
            row("25.00", 0, "E"),
            extras=(Extra(False, D("10.00")), Extra(True, D("5.00"), rate=D(6))),
            prepaid=D("20.00"),
            rounding=D("0.02"),
            credit=True,
        ),
        "-170.00 + -22.20 - 0.02 = -192.22 EUR; 0 %: -25.00 -> 0.00; 6 %: -55.00 -> -3.30; 21 %: -90.00 -> -18.90",
    ),
    (paper("REVERSE", row("500.00", 0, "AE"), credit=True), "-500.00 + 0.00 = -500.00 EUR; 0 %: -500.00 -> 0.00"),
    (paper("NEGATIVE", row("-80.00")), "-80.00 + -16.80 = -96.80 EUR; 21 %: -80.00 -> -16.80"),
    (paper("KRONOR", row("1000.00"), currency="SEK"), "1000.00 + 210.00 = 1210.00 SEK; 21 %: 1000.00 -> 210.00"),
]
"""What the samples lack."""


def test_every_sample_is_booked_with_its_amounts_or_skipped_for_its_reason(home: Path, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "made").mkdir()
    for document, _ in MADE:
        (folder / "made" / f"{document.number}.xml").write_text(render(document))
    forint = paper("FORINT", row("1000.00"), currency="HUF")
    (folder / "made" / "FORINT.xml").write_text(render(forint))

    rows = reported(home, folder, tmp_path / "report.jsonl", "--rate", "SEK=0.0912")

    broken = {name: rows.pop(f"broken/{name}") for name in BROKEN}
    foreign = rows.pop("made/FORINT.xml")
    assert {file: shown(one) for file, one in rows.items()} == {
        **EXPECTED,
        **{f"made/{document.number}.xml": amounts for document, amounts in MADE},
    }
    negative = {file: one["journal"] for file, one in rows.items() if one["amounts"]["total"].startswith("-")}
    assert {file for file, journal in negative.items() if journal != "V2"} == {"made/NEGATIVE.xml"}
    found = {name: {(one["code"], one.get("rule")) for one in told["issues"]} for name, told in broken.items()}
    assert found == BROKEN
    assert (foreign["outcome"], foreign["issue_codes"]) == ("skipped", ["R01"])
    for one in (*broken.values(), foreign):
        assert (one["outcome"], one["amounts"], one["booking_number"]) == ("skipped", None, None)
        assert all(issue["cause"] and issue["remedy"] for issue in one["issues"])


def test_one_companys_samples_are_its_sales_and_its_purchases(home: Path, tmp_path: Path) -> None:
    rows = reported(home, copied(tmp_path), tmp_path / "report.jsonl", "--entity", KOFFIE)

    booked = {file: one for file, one in rows.items() if one["outcome"] == "booked"}
    rental = {f"{BOUGHT}/{number}.xml" for number in ("P-260218", "DR26-5512", "P-260218C")}
    ours = {file for file in EXPECTED if file.startswith(("north/sales/2026", BOUGHT))} - rental
    ours.add(f"{SALES}/CAT-26-002.xml")
    pending = f"{BOUGHT}/VL260933.xml"
    assert (rows[pending]["state"], rows[pending]["issue_codes"]) == ("not_ready", ["B10"])
    assert booked.keys() == ours - {pending}
    for file, one in booked.items():
        bought = file.startswith(BOUGHT) or "CAT" in file
        assert one["journal"] == ("A" if bought else "V") + ("2" if one["amounts"]["total"].startswith("-") else "1")
        # the code for goods from the EU bears the rate that the buyer owes himself
        owed_here = file == f"{BOUGHT}/MH-2026-88.xml"
        assert shown(one) == EXPECTED[file].replace("; 0 %", "; 21 %" if owed_here else "; 0 %")


async def test_foreign_amounts_are_booked_at_the_documents_rate_else_at_the_tables(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    """And at none at all where nobody tells one."""
    seller = Company("Noordzee Koffie BV", "BE", "BE0403019261", "0403019261", "0208")
    folder = tmp_path / "ubl"
    folder.mkdir()
    for number, currency, rate in (("DOC", "CHF", "1.0625"), ("TABLE", "SEK", None), ("NONE", "DKK", None)):
        made = replace(paper(number, row("600.00")), seller=seller, currency=currency, tax_currency="EUR")
        (folder / f"{number}.xml").write_text(render(replace(made, rate=D(rate) if rate else None)))
    rates = {"CHF": D("2"), "SEK": D("0.0912")}
    settings = settings_of().model_copy(update={"exchange_rates": rates})
    connection = await house.connection(sandbox, tenant="Munten", folder=folder, settings=settings)

    run = await house.sync(connection)

    assert await house.states(run["id"]) == {"DOC": "synced", "TABLE": "synced", "NONE": "skipped R01"}
    lines = {
        entry["comment"]: sorted(
            (line["account"], line["debit"] - line["credit"], line["document_debit"] - line["document_credit"])
            for line in entry["lines"]
        )
        for entry in sandbox.books.entries(1001)
    }
    assert lines == {
        # 726.00 francs at 1.0625, 600.00 and 126.00 of them
        "DOC": [
            (400000, D("771.38"), D("726.00")),
            (451000, D("-133.88"), D("-126.00")),
            (700000, D("-637.50"), D("-600.00")),
        ],
        # 726.00 kronor at 0.0912
        "TABLE": [
            (400000, D("66.21"), D("726.00")),
            (451000, D("-11.49"), D("-126.00")),
            (700000, D("-54.72"), D("-600.00")),
        ],
    }


def copied(tmp_path: Path) -> Path:
    """The samples in a folder of the test's own."""
    return Path(shutil.copytree(SAMPLES, tmp_path / "mine"))


def shown(row: dict[str, Any]) -> str:
    """A line of the report as `EXPECTED` has it."""
    if row["amounts"] is None:
        return f"{row['outcome']}: {row['issue_codes']}"
    told = booked_amounts(row)
    rounding = f" - {-told['rounding']}" if told["rounding"] else ""
    rates = [f"; {rate} %: {base} -> {vat}" for rate, (base, vat) in sorted(told["vat"].items())]
    return f"{told['net']} + {told['vat_total']}{rounding} = {told['total']} {told['currency']}{''.join(rates)}"
