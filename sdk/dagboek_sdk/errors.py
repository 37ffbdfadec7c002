"""Errors of plugins, named after what must happen next. The worker alone decides status (design section 7).

All public exceptions of the SDK are here. `tool_words` is the tool's own message, as it came; it is cleaned,
cut and redacted when the error is made.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from dagboek_schemas.issues import Issue, Severity, clean_words


class ToolError(Exception):
    """Root of what a plugin raises on purpose."""

    def __init__(self, message: str = "", *, tool_words: str | None = None) -> None:
        self.tool_words = clean_words(tool_words)
        super().__init__(message or self.tool_words or type(self).__name__)


class Refused(ToolError):
    """The item cannot be booked as it is: skipped with these issues; the run goes on."""

    def __init__(self, issues: Sequence[Issue] | Issue, *, tool_words: str | None = None) -> None:
        self.issues = (issues,) if isinstance(issues, Issue) else tuple(issues)
        super().__init__(", ".join(issue.code for issue in self.issues), tool_words=tool_words)

    @property
    def told(self) -> list[Issue]:
        """Its issues, with the tool's words where they have none of their own."""
        return [
            one if one.tool_words else one.model_copy(update={"tool_words": self.tool_words}) for one in self.issues
        ]


class NotReady(ToolError):
    """Expected, such as an expense that is not approved yet: information under Success."""

    def __init__(self, issue: Issue) -> None:
        self.issue = issue.model_copy(update={"severity": Severity.INFORMATION})
        super().__init__(issue.code)


class AlreadyThere(ToolError):
    """The tool says that it holds this item already, perhaps under `entry_id`; core compares and adopts."""

    def __init__(self, entry_id: str | None = None, *, tool_words: str | None = None) -> None:
        self.entry_id = entry_id
        super().__init__("the tool holds it already", tool_words=tool_words)


class NumberTaken(ToolError):
    """The number that the attempt offered is taken, or not the next one. `last` is the tool's last number."""

    def __init__(self, last: int | None = None, *, tool_words: str | None = None) -> None:
        self.last = last
        super().__init__("number taken", tool_words=tool_words)


class Later(ToolError):
    """Nothing is wrong with the item; it must wait. Root of Throttled and ToolUnavailable.

    `issue` tells a person what they can do about it, such as closing the journal that they have open.
    """

    until: datetime | None = None
    seconds: float | None = None
    issue: Issue | None = None


class Throttled(Later):
    """A limit is used up until `until` (UTC). `group` names the operations concerned; None: all of them.

    `seconds` is how long that is, where another clock than this process's says when it ends.
    """

    def __init__(
        self,
        until: datetime | None,
        *,
        group: str | None = None,
        tool_words: str | None = None,
        seconds: float | None = None,
    ) -> None:
        super().__init__("limit used up", tool_words=tool_words)
        self.until = until
        self.group = group
        self.seconds = seconds


class Trouble(StrEnum):
    """Why a tool is out of reach. People read it in their language (`trouble` in the catalogue's words)."""

    NAME = "name"
    """Nobody knows the host by its name."""
    CERTIFICATE = "certificate"
    """What answers does not prove who it is."""
    REFUSED = "refused"
    """Nothing takes connections there."""
    NO_WAY = "no_way"
    """The network does not lead there."""
    TIME_OUT = "time_out"
    CUT_OFF = "cut_off"
    """The connection ended before the answer did."""
    OWN_FAULT = "own_fault"
    """A 5xx, or words of the tool to that end."""
    PAGE = "page"
    """Something else than an answer: a maintenance page, or a proxy's."""


class ToolUnavailable(Later):
    """The tool is down, does not answer, or answers with its maintenance page. `trouble` tells a person which."""

    def __init__(
        self,
        message: str = "tool unavailable",
        *,
        until: datetime | None = None,
        issue: Issue | None = None,
        trouble: Trouble | None = None,
        tool_words: str | None = None,
    ) -> None:
        super().__init__(message, tool_words=tool_words)
        self.until = until
        self.issue = issue
        self.trouble = trouble


class AccessDenied(ToolError):
    """A right or a module is missing for `scope`: the component ends as Error, those beside it go on."""

    def __init__(self, scope: str, *, issue: Issue | None = None, tool_words: str | None = None) -> None:
        self.scope = scope
        self.issue = issue or Issue(code="B07", severity=Severity.ERROR, facts={"scope": scope})
        super().__init__(f"no access to {scope}", tool_words=tool_words)


class LoginBroken(ToolError):
    """Credentials or the administration are gone: the run ends and a person must reconnect."""

    def __init__(self, *, issue: Issue | None = None, tool_words: str | None = None) -> None:
        self.issue = issue or Issue(code="B08", severity=Severity.ERROR)
        super().__init__("reconnect", tool_words=tool_words)


class NotProcessed(ToolError):
    """Nothing was written: too late to send, or the connection could not be made. The link becomes free again."""


class TokenRefused(NotProcessed):
    """The tool did not take the token: it has ended or was never one. What came with it was not processed."""


class Uncertain(ToolError):
    """A write was sent and its outcome is not known. Raised by the client; a plugin need not raise it."""

    trouble: Trouble | None = None
    """What kept the answer away, where that is known."""
