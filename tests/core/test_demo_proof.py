"""The demo's proof finds the entry of each document that the push record says is booked."""

from decimal import Decimal
from typing import Any

from dagboek.demo.books import Balance, Entry
from dagboek.demo.proof import Proof, _own

ZERO = Decimal(0)


def entry(name: str, number: str, reference: str) -> Entry:
    more: Any = {"net": ZERO, "vat": (), "vat_total": ZERO, "total": ZERO, "balanced": True, "origin": "api"}
    return Entry(name, "V", number, reference, "Klant", "EUR", lines=(), **more)


def test_an_entry_is_found_by_the_tools_id_else_by_the_number_that_both_use() -> None:
    entries = [entry("2026/V1/7", "7", "A1"), entry("2026/V1/8", "8", "A2"), entry("guid", "A3", "A3")]
    assert _own("1/2026/V1/7", "7", entries) == "2026/V1/7"
    assert _own("guid", None, entries) == "guid"
    assert _own("sales/A3", "A3", entries) == "guid"
    assert _own("1/2026/V1/9", "8", entries) == "1/2026/V1/9", "another document bears that number"


def test_what_was_booked_twice_is_a_fault_also_under_its_own_number() -> None:
    twice = (entry("one", "A3", "A3"), entry("two", "A3", "A3"))
    company: Any = type("Company", (), {"entity": type("Entity", (), {"name": "Acme"})})
    proof = Proof(company, Balance("1", ZERO, ZERO), twice, (_own("sales/A3", "A3", twice),))
    assert proof.faults == ["Acme: two is there and nobody asked for it"]
