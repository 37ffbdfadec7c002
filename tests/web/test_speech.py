"""What pages say, beyond texts that are taken as they are."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from dagboek.console.profile import browser
from dagboek.speech import Speech

NL, FR = (Speech(one, ZoneInfo("Europe/Brussels")) for one in ("nl", "fr"))


def test_where_a_line_came_from_is_told_in_the_readers_language() -> None:
    assert (
        NL.because("ledger account by default; VAT code for E 0 %")
        == "rekening voor alle andere; btw-code voor vrijgesteld (E) 0 %"
    )
    assert FR.because("ledger account for 12 %; VAT code for S 12 %").endswith(
        "12 %\u00a0; code TVA pour taux normal (S) 12 %"
    )
    assert FR.because("the other party") == "l'autre partie"
    assert NL.because("a plugin's own words; VAT") == "a plugin's own words; btw"


def test_what_a_person_decided_is_told_in_the_readers_language() -> None:
    assert FR.noted("marked as booked 17 by anna@a.example") == "Marqué comme comptabilisé sous 17, par anna@a.example"
    assert NL.noted("link reset by a person") == "Koppeling losgemaakt door iemand"
    assert NL.noted("something else") == "something else"


def test_no_line_begins_with_a_mark_of_french() -> None:
    assert FR.say("common.remedy") == "Solution\u00a0:"
    assert FR.say("integrations.nothing_found", search="x : y").startswith(
        "Aucune intégration trouvée pour «\u00a0x : y\u00a0»"
    )


def test_a_rate_is_written_as_its_readers_write_it() -> None:
    assert FR.rate(Decimal("5.5")) == "5,5\xa0%"
    assert NL.rate(Decimal("21.000")) == "21%"


def test_what_took_no_second_took_some_time() -> None:
    assert NL.duration(0.3) == "minder dan 1 s"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari, iPhone"),
        ("a program of ours", "a program of ours"),
        ("", "?"),
    ],
)
def test_a_browser_is_called_what_people_call_it(told: str, name: str) -> None:
    assert browser(told) == name
