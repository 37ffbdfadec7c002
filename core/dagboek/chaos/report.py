"""What a trial came to: for people a page, for programs JSON, and the command that does it again."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from dagboek.chaos.audit import Audit
from dagboek.chaos.flow import Flow, Pause, Recovery, Struck, recoveries
from dagboek.chaos.schedule import Schedule, Wishes
from dagboek.cli import tables

_WORDS = {
    "twice": "booked twice",
    "lost": "lost",
    "foreign": "booked, and nobody asked for it",
    "parties": "relations that were made twice",
    "amounts": "booked with another amount than was asked for last",
    "order": "journals in another order than that of the documents",
    "gaps": "journals with a gap in their numbers",
    "database": "told otherwise by the database",
    "not_final": "without an end",
    "untold": "not on the results topic",
    "told_wrong": "told wrongly on the results topic",
}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is to be said of one trial."""

    seed: int
    command: str
    tools: Sequence[str]
    ok: bool
    seconds: float
    finished: bool
    """False: the waiting was given up, as nothing moved any more."""
    asked: int
    booked: int
    twice: int
    lost: int
    waiting_for_a_person: int
    not_adapted: int
    """Changed after booking, which a person was told, as the tool's entries are not changed."""
    foreign: int
    disagreements: int
    """Of the results topic with the books and with the database."""
    not_final: int
    faults_found: Mapping[str, Sequence[str]]
    """The first of what is wrong, by kind."""
    waiting: Sequence[str]
    """The first of what waits for a person, with the reasons."""
    longest_pause: Mapping[str, Any]
    """Seconds in which nothing at all was booked, while something waited; and how long after the start it began."""
    longest_pause_of_one: Mapping[str, Any]
    """The same of any one set of books."""
    recovery: Mapping[str, Recovery]
    timeline: Sequence[Mapping[str, Any]]
    """Each kill: seconds since the start, process, signal, and seconds to the next booking."""
    kills: Mapping[str, int]
    kills_in_bursts: int
    kills_missed: int
    faults: Mapping[str, int]
    runs: Mapping[str, int]
    reconnected: int
    ended_by_themselves: Sequence[str]
    slow_to_end: Sequence[str]

    def json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def report(
    wishes: Wishes,
    plan: Schedule,
    found: Audit,
    flow: Flow,
    *,
    kills: Sequence[Struck],
    missed: int,
    slow: Sequence[str],
    faults: Mapping[str, int],
    runs: Mapping[str, int],
    reconnected: int,
    ended: Sequence[str],
    finished: bool,
    begun: float,
    seconds: float,
) -> Report:
    """Sums up."""
    wrong = found.faults()
    return Report(
        seed=wishes.seed,
        command=command(wishes),
        tools=wishes.tools,
        ok=not wrong and finished,
        seconds=round(seconds, 1),
        finished=finished,
        asked=found.asked,
        booked=found.booked,
        twice=len(found.twice),
        lost=len(found.lost),
        waiting_for_a_person=len(found.waiting),
        not_adapted=len(found.not_adapted),
        foreign=len(found.foreign),
        disagreements=len(found.untold) + len(found.told_wrong),
        not_final=len(found.not_final),
        faults_found=wrong,
        waiting=found.waiting[:20],
        longest_pause=_pause(flow.together().longest(), begun),
        longest_pause_of_one=_pause(flow.longest(), begun),
        recovery=recoveries(flow, kills, plan.latency),
        timeline=[
            {
                "at": round(one.at - begun, 1),
                "process": one.process,
                "signal": one.signal,
                "recovered": None if (after := flow.after(one, plan.latency)) is None else round(after, 1),
            }
            for one in kills
        ],
        kills=dict(sorted(Counter(f"{one.process.split()[0]} {one.signal}" for one in kills).items())),
        kills_in_bursts=sum(one.burst for one in kills),
        kills_missed=missed,
        faults={kind: number for kind, number in sorted(faults.items()) if number},
        runs=dict(sorted(runs.items())),
        reconnected=reconnected,
        ended_by_themselves=ended,
        slow_to_end=slow,
    )


def _pause(longest: Pause, begun: float) -> dict[str, Any]:
    return {"seconds": round(longest.seconds, 2), "at": round(longest.since - begun, 1), "books": longest.books}


def command(wishes: Wishes) -> str:
    """What replays a trial: the same schedule of documents, kills and faults."""
    words = [
        ("documents", wishes.documents),
        ("connections", wishes.connections),
        ("minutes", f"{wishes.minutes:g}"),
        ("workers", wishes.workers),
        ("seed", wishes.seed),
        *(("tool", tool) for tool in wishes.tools),
        ("kill", ",".join(wishes.kill) or "none"),
        ("kills", wishes.kills),
        ("faults", ",".join(wishes.faults) or "none"),
    ]
    return "dagboek chaos " + " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in words)


def show(out: Console, told: Report) -> None:
    """The report for people."""
    verdict = (
        Text("Nothing lost, nothing twice.", style="bold green")
        if told.ok
        else Text("Something is wrong. Do it again with the command below.", style="bold red")
    )
    out.print(verdict)
    _numbers(out, told)
    for kind, rows in told.faults_found.items():
        out.print(Text(f"\n{_WORDS[kind].capitalize()}:", style="bold red"))
        for row in rows:
            out.print(tables.cell(f"  {row}"))
    for head, rows in (
        ("Waiting for a person", told.waiting),
        ("Processes that ended by themselves", told.ended_by_themselves),
        ("Processes that did not end upon TERM, and were killed", told.slow_to_end),
    ):
        if rows:
            out.print(Text(f"\n{head}:", style="yellow"))
            for row in rows:
                out.print(tables.cell(f"  {row}"))
    out.print(Text("\nThe same again:", style="bold"))
    out.print(tables.cell(f"  {told.command}"), soft_wrap=True)


def _numbers(out: Console, told: Report) -> None:
    shown = tables.table("documents", "", right=("",))
    for name, number, bad in (
        ("asked for", told.asked, False),
        ("booked", told.booked, told.booked + told.waiting_for_a_person < told.asked),
        ("booked twice", told.twice, told.twice > 0),
        ("lost", told.lost, told.lost > 0),
        ("waiting for a person", told.waiting_for_a_person, False),
        ("changed after booking, told and not adapted", told.not_adapted, False),
        ("foreign entries", told.foreign, told.foreign > 0),
        ("results topic disagrees", told.disagreements, told.disagreements > 0),
        ("without an end", told.not_final, told.not_final > 0),
    ):
        shown.add_row(name, Text(str(number), style="bold red" if bad else ""))
    out.print(shown)
    flow = tables.table("seconds", "kills", "median", "worst", right=("kills", "median", "worst"))
    pauses = {"of all": told.longest_pause, "of one administration": told.longest_pause_of_one}
    for words, pause in pauses.items():
        flow.add_row(f"longest pause {words}, {pause['at']:.0f} s after the start", "", "", f"{pause['seconds']:.1f}")
    for kind, one in told.recovery.items():
        if one.median is not None and one.worst is not None:
            flow.add_row(
                f"others booked again after a kill: {kind}", str(one.number), f"{one.median:.1f}", f"{one.worst:.1f}"
            )
    out.print(flow)
    rest = tables.table("what was done", "", right=("",))
    for name, number in told.kills.items():
        rest.add_row(f"killed: {name}", str(number))
    rest.add_row("kills in bursts", str(told.kills_in_bursts))
    for name, number in told.faults.items():
        rest.add_row(f"fault: {name}", str(number))
    for name, number in told.runs.items():
        rest.add_row(f"runs that ended as {name}", str(number))
    rest.add_row("logins made good by hand", str(told.reconnected))
    rest.add_row("duration", tables.duration(told.seconds))
    rest.add_row("seed", str(told.seed))
    out.print(rest)
