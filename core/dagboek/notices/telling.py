"""What a notice says, in the reader's language: the same in bell, page, API and mail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from dagboek_schemas.statuses import Component, RunStatus

from dagboek.connections import State
from dagboek.notices.bell import Kind, Notice
from dagboek.speech import Speech

PARTIES: Final = frozenset({Component.CUSTOMERS, Component.SUPPLIERS})
READ: Final = frozenset({Component.LEDGER_ACCOUNTS, Component.PAYMENT_STATUSES})
"""Components of no documents: they are named where something of them was skipped, or not at all."""
_WORST: Final = (RunStatus.ERROR, RunStatus.WARNING, RunStatus.CANCELLED, RunStatus.SUCCESS)


@dataclass(frozen=True)
class Line:
    """What became of one kind of document, or of one run."""

    label: str
    text: str
    address: str = ""
    """Of its page in the console."""


@dataclass(frozen=True)
class Told:
    """A notice in words."""

    kind: Kind
    title: str
    status: RunStatus
    """The worst of what it tells."""
    summary: str
    kinds: tuple[Line, ...]
    """How many of each kind of document were booked, and skipped."""
    runs: tuple[Line, ...]
    """Of several runs, those to look at."""
    left: int
    """How many more there are to look at than are named."""
    address: str
    """The page that it leads to."""

    @property
    def of_runs(self) -> bool:
        """Whether it tells of runs that somebody started."""
        return self.kind == "runs"


def told(notice: Notice, speech: Speech, tool_title: Callable[[str], str]) -> Told:
    """A notice in words; `tool_title` says what a tool is called."""
    match notice.kind:
        case "runs":
            return _runs(notice, speech, tool_title)
        case "nights":
            return _nights(notice, speech, tool_title)
        case "audit":
            return _audit(notice, speech, tool_title)
        case "webhook":
            return _webhook(notice, speech)


def _runs(notice: Notice, speech: Speech, tool_title: Callable[[str], str]) -> Told:
    facts = notice.facts
    statuses: Mapping[str, int] = facts["statuses"]
    number, worst = sum(statuses.values()), worst_of(statuses)
    runs: list[dict[str, Any]] = facts["runs"]
    word = worst.lower()
    if number == 1:
        title = speech.say(f"notices.run_{word}", entity=runs[0]["entity"])
        summary = f"{tool_title(runs[0]['tool'])} · {speech.say(f'status.run_{word}')}"
        return Told("runs", title, worst, summary, _kinds(facts, speech), (), 0, f"/runs/{runs[0]['id']}")
    attention = number - statuses.get(RunStatus.SUCCESS, 0)
    named = [one for one in runs if one["status"] != RunStatus.SUCCESS]
    return Told(
        kind="runs",
        title=speech.say("notices.runs", number=number),
        status=worst,
        summary=speech.say("notices.attention", number=attention) if attention else speech.say("notices.all_well"),
        kinds=_kinds(facts, speech),
        runs=tuple(_run(one, speech, tool_title) for one in named),
        left=attention - len(named),
        address=f"/notices/{notice.id}",
    )


def _run(run: Mapping[str, Any], speech: Speech, tool_title: Callable[[str], str]) -> Line:
    parts = [tool_title(run["tool"]), speech.say(f"status.run_{run['status'].lower()}"), *_counts(run, speech)]
    return Line(run["entity"], " · ".join(parts), f"/runs/{run['id']}")


def _kinds(facts: Mapping[str, Any], speech: Speech) -> tuple[Line, ...]:
    lines = []
    for component in Component:
        counts = facts["components"].get(component, {"synced": 0, "skipped": 0})
        shown = counts["skipped"] or (counts["synced"] and component not in PARTIES | READ)
        if shown:
            lines.append(Line(speech.word("scope", component), " · ".join(_counts(counts, speech))))
    return tuple(lines)


def _counts(counts: Mapping[str, int], speech: Speech) -> list[str]:
    words = [speech.say("runs.synced", number=counts["synced"])]
    return [*words, speech.say("runs.skipped", number=counts["skipped"])] if counts["skipped"] else words


def _nights(notice: Notice, speech: Speech, tool_title: Callable[[str], str]) -> Told:
    facts = notice.facts
    why, address = "notices.night_not_run", f"/integrations/{facts['connection']}"
    if facts["state"] == State.RECONNECT:
        why = "notices.night_reconnect"
    elif "run" in facts:
        why, address = "notices.night_run", f"/runs/{facts['run']}"
    title = speech.say("notices.nights", entity=facts["entity"], number=facts["failed"])
    return _single("nights", title, RunStatus.ERROR, f"{tool_title(facts['tool'])} · {speech.say(why)}", address)


def _audit(notice: Notice, speech: Speech, tool_title: Callable[[str], str]) -> Told:
    facts = notice.facts
    first, last = (speech.day(date.fromisoformat(facts[name])) for name in ("first", "last"))
    parts = [tool_title(facts["tool"]), speech.say("audits.days", first=first, last=last)]
    status = RunStatus.ERROR
    if facts["state"] == "done":
        problems = facts["problems"]
        parts.append(speech.say("audits.problems", number=problems) if problems else speech.say("audits.well"))
        status = RunStatus.WARNING if problems else RunStatus.SUCCESS
    title = speech.say(f"notices.audit_{facts['state']}", entity=facts["entity"])
    return _single("audit", title, status, " · ".join(parts), f"/audits/{facts['audit']}")


def _webhook(notice: Notice, speech: Speech) -> Told:
    facts = notice.facts
    title = speech.say("notices.webhook_off", name=facts["name"])
    why = speech.say(f"webhooks.off_{facts['reason']}")
    summary = f"{why} {speech.say('webhooks.off_do')}"
    return _single("webhook", title, RunStatus.ERROR, summary, f"/webhooks/{facts['webhook']}")


def _single(kind: Kind, title: str, status: RunStatus, summary: str, address: str) -> Told:
    """Of one thing, without counts."""
    return Told(kind, title, status, summary, kinds=(), runs=(), left=0, address=address)


def worst_of(statuses: Mapping[str, int]) -> RunStatus:
    """The one that says most of how several runs ended."""
    return next((one for one in _WORST if statuses.get(one)), RunStatus.SUCCESS)
