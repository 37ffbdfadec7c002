"""A file that is opened in a spreadsheet calculates nothing that somebody else wrote."""

import pytest
from dagboek.web.spreadsheet import csv_lines


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", " =1", "\t=1", "\n=1", "\xa0=1", "\uff1d1+1"])
def test_what_would_be_calculated_is_text(text: str) -> None:
    assert csv_lines([["x", text]]).removeprefix("x;").strip('"\r\n').startswith("'")


@pytest.mark.parametrize("text", ["121.00", "-121.00", "Janssens & Co", "", "2026-01-01", "a=b"])
def test_the_rest_is_as_it_is(text: str) -> None:
    assert csv_lines([["x", text]]) == f"x;{text}\r\n"
