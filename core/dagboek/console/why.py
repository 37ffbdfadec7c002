"""Why something is not done, in the reader's language."""

from collections.abc import Callable
from datetime import datetime

from dagboek_schemas.issues import Issue

from dagboek.catalogue import Catalogue
from dagboek.reasons import Reason
from dagboek.speech import Speech
from dagboek.web.problems import Problem

Called = Callable[[str], str]
"""What people call the field at a path."""


def why(speech: Speech, catalogue: Catalogue, problem: Problem, called: Called | None = None) -> list[str]:
    """Each thing that is in the way of it."""
    if isinstance(problem.why, Issue):
        return [_told(speech, catalogue, problem.why)]
    return [said(speech, one, called) for one in problem.why]


def said(speech: Speech, reason: Reason, called: Called | None = None) -> str:
    """One reason; the English text where nobody has words for it."""
    words = reason.words.get(speech.language) or _words(speech, reason)
    name = called(reason.place) if called and reason.place else ""
    if name:
        return f"{name}{speech.say('common.colon')} {words}"
    return words[:1].upper() + words[1:]


def _words(speech: Speech, reason: Reason) -> str:
    key = f"reasons.{reason.key}"
    if not speech.knows(key):
        return reason.text
    return speech.say(key, text=reason.text, **{name: _fact(speech, name, of) for name, of in reason.facts.items()})


def _fact(speech: Speech, name: str, value: object) -> object:
    if isinstance(value, datetime):
        return speech.moment(value)
    key = f"reasons.{name}_{value}"
    return speech.say(key) if speech.knows(key) else value


def _told(speech: Speech, catalogue: Catalogue, issue: Issue) -> str:
    text = catalogue.text(issue, speech.language)
    words = f" {speech.say('common.tool_words')}{speech.say('common.colon')} {issue.tool_words}"
    return f"{text.title}. {text.cause} {text.remedy}{words if issue.tool_words else ''}"
