"""The schedule of a trial is a function of its seed, and the command that the report prints gives it again."""

import shlex
from dataclasses import replace

import pytest
import typer
from dagboek.chaos.report import command
from dagboek.chaos.schedule import STRUCK_BATCHED, VICTIMS, Target, Wishes, documents_of, schedule
from dagboek.cli import chaos
from dagboek.settings import Settings
from dagboek_sdk.sandbox.faults import KINDS
from typer.testing import CliRunner

WISHES = Wishes(
    documents=500,
    connections=12,
    minutes=2,
    workers=2,
    seed=7,
    tools=("octopus",),
    kill=tuple(VICTIMS),
    faults=KINDS,
    kills=30,
)


TOOLS = [Target("octopus", ("book",), KINDS)]
OTHER = Target("exact", ("post", "upload"), (*KINDS, "redirect"))


def test_the_same_wishes_give_the_same_schedule_and_another_seed_another_one() -> None:
    one = schedule(WISHES, TOOLS)
    assert one == schedule(WISHES, TOOLS)
    other = schedule(replace(WISHES, seed=8), TOOLS)
    assert (one.lots != other.lots, one.kills != other.kills, one.faults != other.faults) == (True, True, True)


def test_other_kills_and_faults_do_not_mean_other_documents() -> None:
    calm = schedule(replace(WISHES, kill=(), faults=()), TOOLS)
    assert (calm.kills, calm.faults) == ((), ())
    one = schedule(WISHES, TOOLS)
    assert (calm.lots, calm.retries) == (one.lots, one.retries)


@pytest.mark.parametrize("seed", range(20))
def test_everything_that_was_wished_for_is_in_it(seed: int) -> None:
    wishes = replace(WISHES, seed=seed)
    one = schedule(wishes, TOOLS)
    assert sum(lot.last - lot.first for lot in one.lots) == wishes.documents
    for connection in range(wishes.connections):
        places = [n for lot in one.lots if lot.connection == connection for n in range(lot.first, lot.last)]
        assert places == list(range(documents_of(wishes, connection))), "each comes once, in order"
    assert all(place < lot.first for lot in one.lots for place in lot.changed), "only what was there is changed"
    assert all(lot.at < wishes.seconds for lot in one.lots)
    assert one.signals == wishes.kills
    killed = {kill.process for kill in one.kills}
    assert killed <= {"worker 1", "worker 2", "core", "kafka", "postgres"}
    assert killed >= {"core", "kafka", "postgres"}
    assert {fault.kind for fault in one.faults} == set(KINDS)
    struck = sum(fault.probability for fault in one.faults if fault.operation == "book")
    assert 0.03 < struck < 0.2, "a small share of the calls"


def test_each_tool_is_misled_in_ways_of_its_own() -> None:
    wishes = replace(WISHES, tools=("octopus", "exact"), faults=(*KINDS, "redirect"))
    alone, both = schedule(wishes, TOOLS), schedule(wishes, [*TOOLS, OTHER])
    assert [fault for fault in both.faults if fault.tool == "octopus"] == [*alone.faults]
    other = [fault for fault in both.faults if fault.tool == "exact"]
    assert {fault.kind for fault in other} == set(OTHER.faults)
    assert {fault.operation for fault in other} == {"post", "upload", "*"}
    often = schedule(wishes, [*TOOLS, replace(OTHER, struck=STRUCK_BATCHED)]).faults
    assert [round(fault.probability / one.probability) for fault, one in zip(often, both.faults, strict=True)] == (
        [1] * len(alone.faults) + [4] * len(other)
    ), "a tool that takes many documents in a call has few calls"
    assert {fault.seed for fault in other}.isdisjoint(fault.seed for fault in alone.faults)


def test_only_what_may_be_killed_is() -> None:
    one = schedule(replace(WISHES, kill=("core",)), TOOLS)
    assert {kill.process for kill in one.kills} == {"core"}


def test_the_command_that_replays_a_trial_asks_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[Wishes] = []

    def perform(wishes: Wishes, *_: object, **__: object) -> int:
        again.append(wishes)
        return 0

    monkeypatch.setattr(chaos, "_perform", perform)
    monkeypatch.setattr(chaos, "load_settings", Settings)
    app = typer.Typer()
    app.callback()(lambda: None)
    chaos.register(app)
    others = (
        replace(WISHES, kill=(), faults=(), minutes=0.1),
        replace(WISHES, kill=("core",), tools=("octopus", "exact")),
    )
    for wishes in (WISHES, *others):
        program, *words = shlex.split(command(wishes))
        assert program == "dagboek"
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert again[-1] == wishes
