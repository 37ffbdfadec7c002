"""What a person is told of a tool that does not do what it is asked for, as an issue of the catalogue."""

from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk.errors import AccessDenied, Later, LoginBroken, NotReady, Refused, Throttled, ToolError


def issue_of(error: ToolError, tool: str = "") -> Issue:
    """The issue, with the tool's own words. `tool`: what it is called; as "the accounting tool" where it is empty."""
    found = _issue(error, tool)
    return found.model_copy(update={"severity": Severity.ERROR, "tool_words": found.tool_words or error.tool_words})


def _issue(error: ToolError, tool: str) -> Issue:
    if isinstance(error, AccessDenied | LoginBroken | NotReady):
        return error.issue
    if isinstance(error, Refused) and error.issues:
        return error.issues[0]
    if isinstance(error, Later) and error.issue is not None:
        return error.issue
    facts = {
        "tool": tool,
        "until": error.until.isoformat() if isinstance(error, Later) and error.until else "",
        "trouble": getattr(error, "trouble", None) or "",
    }
    return Issue(code="B05" if isinstance(error, Throttled) else "B06", facts=facts)
