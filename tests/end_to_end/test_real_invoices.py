"""All files of ../shared/data/ubl through the demo: each has its verdict, its reason, and its amounts in the books."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import real_invoices
from end_to_end.demo_command import booked_amounts, reported

pytestmark = real_invoices.needed

MISSING = {
    "missing-number": "BR-02",
    "missing-issue_date": "BR-03",
    "missing-currency": "BR-05",
    "missing-supplier": "BR-06",
    "missing-customer": "BR-07",
    "missing-payable_amount": "BR-15",
    "missing-lines": "BR-16",
}
"""EN 16931's rule for what the facts call missing."""
FIGURES = re.compile(r"(-?[\d.]+)(?: expected)?, file says (-?[\d.]+)$")


def test_every_file_has_the_verdict_and_the_amounts_of_the_facts(home: Path, tmp_path: Path) -> None:
    facts, sound = real_invoices.facts(), real_invoices.sound()

    rows = reported(home, real_invoices.FOLDER, tmp_path / "report.jsonl")

    assert rows.keys() == facts.keys()
    verdicts = {name: "booked" if name in sound else "skipped" for name in facts}
    assert {name: row["outcome"] for name, row in rows.items()} == verdicts
    assert {name: booked_amounts(rows[name]) for name in sound} == {name: real_invoices.due(name) for name in sound}
    wrong = {name: misnamed(rows[name], facts[name]) for name in facts if name not in sound}
    assert {name: why for name, why in wrong.items() if why} == {}


def misnamed(row: dict[str, Any], fact: dict[str, Any]) -> list[str]:
    """What the issues of a refused file do not say, or say without ground. What is mere information refuses nothing."""
    expected = {MISSING.get(error["check"], error["check"]): error["detail"] for error in fact["errors"]}
    also = set(fact["origin"]["schematron"]["cen"]["fatal"])
    if not fact["line_arithmetic_consistent"]:
        also.add("PEPPOL-EN16931-R120")
    told = {issue.get("rule", issue["code"]): issue for issue in row["issues"] if issue["severity"] != "information"}
    wrong = [f"{rule} is not named" for rule in expected if rule not in told]
    wrong += [f"{rule} is not broken" for rule in told if rule not in expected and rule not in also]
    wrong += [f"{rule} has no remedy" for rule, issue in told.items() if not issue["remedy"]]
    wrong += [f"{name} is told" for name in ("amounts", "booking_number") if row[name] is not None]
    for rule in expected.keys() & told.keys():
        figures = FIGURES.search(expected[rule])
        facts = told[rule]["facts"]
        if figures and [Decimal(facts[name]) for name in ("expected", "found")] != [*map(Decimal, figures.groups())]:
            wrong.append(f"{rule} tells {facts}, not {expected[rule]}")
    return wrong
