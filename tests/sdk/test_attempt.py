"""The send deadline of an attempt, and what a plugin says of how it can be settled."""

from types import SimpleNamespace

import pytest
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import About, AccountingPlugin, Settling
from dagboek_sdk.attempt import SEND_WINDOW, Attempt, Booking, Op
from dagboek_sdk.settings import ConnectionSettings


def attempt() -> Attempt:
    return Attempt(1, 1, 1, Op.CREATE, "d1:1", ItemKind.DOCUMENT, Component.SALES_INVOICES, Booking({}))


def now() -> float:
    return clock.boot_time()


def test_an_attempt_may_start_only_within_its_send_window() -> None:
    assert not attempt().may_start
    assert attempt().start(now()).may_start
    assert attempt().start(now() - SEND_WINDOW + 1).may_start
    assert not attempt().start(now() - SEND_WINDOW).may_start


def test_a_new_attempt_was_neither_sent_nor_answered() -> None:
    fresh = attempt()
    assert (fresh.sent, fresh.verdict, fresh.answer_ok) == (False, None, False)


def test_the_settle_time_covers_all_that_may_still_happen_to_a_request() -> None:
    """A request may start at the end of the send window, take a whole call, and be seen with the tool's lag."""
    about = About(
        name="x",
        title="X",
        countries=frozenset(),
        components=(),
        settings=ConnectionSettings,
        call_deadline=20.0,
        settle_lag=60.0,
    )
    assert about.settle_seconds == SEND_WINDOW + 20.0 + 60.0


@pytest.mark.parametrize(("said", "seconds"), [(None, 80.0), (600.0, 600.0)])
def test_asking_about_many_attempts_may_take_longer_than_a_call(said: float | None, seconds: float) -> None:
    tool = SimpleNamespace(about=SimpleNamespace(resolve_deadline=said), call_deadline=20.0)
    assert AccountingPlugin.resolve_deadline.fget(tool) == seconds  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settling", "repeatable"),
    [(Settling.NUMBER, True), (Settling.KEY, True), (Settling.LOOK_UP, False), (Settling.NONE, False)],
)
def test_only_what_a_tool_takes_once_may_be_sent_again_unasked(settling: Settling, repeatable: bool) -> None:
    assert settling.repeatable is repeatable


def test_a_component_may_be_settled_in_a_way_of_its_own() -> None:
    """Such as uploads that the tool books later, beside invoices that bear a number."""
    about = About(
        name="x",
        title="X",
        countries=frozenset(),
        components=(),
        settings=ConnectionSettings,
        settling=Settling.NUMBER,
        component_settling={Component.PURCHASE_INVOICES: Settling.LOOK_UP},
        party_settling=Settling.KEY,
    )
    assert about.settling_of(ItemKind.DOCUMENT, Component.PURCHASE_INVOICES) is Settling.LOOK_UP
    assert about.settling_of(ItemKind.DOCUMENT, Component.SALES_INVOICES) is Settling.NUMBER
    assert about.settling_of(ItemKind.DOCUMENT, None) is Settling.NUMBER
    assert about.settling_of(ItemKind.PARTY, Component.CUSTOMERS) is Settling.KEY


def test_a_plugin_that_says_nothing_of_settling_is_taken_for_one_that_cannot() -> None:
    about = About(name="x", title="X", countries=frozenset(), components=(), settings=ConnectionSettings)
    assert about.settling is Settling.NONE
    assert about.party_settling is Settling.NONE
