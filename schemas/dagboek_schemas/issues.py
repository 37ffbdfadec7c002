"""What a person must know about an item.

An issue carries a code of the catalogue and the facts of this case; title, cause and remedy in the reader's
language are looked up in the catalogue when it is shown.
"""

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_SECRET = re.compile(r"(?i)(\bbearer\s+|(?:token|password|passwd|secret|api_?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&<>]+")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")


def clean_words(words: str | None, limit: int = 500) -> str | None:
    """A tool's message without control characters and secrets, at most `limit` characters; None for nothing."""
    if not words:
        return None
    text = _JWT.sub("[redacted]", _SECRET.sub(r"\1[redacted]", _CONTROL.sub(" ", words))).strip()
    return (text if len(text) <= limit else text[: limit - 1] + "…") or None


MOST = 1000
"""Characters of a fact at most."""


def _fact(given: Any) -> Any:
    return _CONTROL.sub(" ", given)[:MOST] if isinstance(given, str) else given


def _words(given: Any) -> Any:
    return clean_words(given) if isinstance(given, str) else given


Fact = Annotated[str, BeforeValidator(_fact)]
"""Text of a document or a tool, without what a database or a screen cannot take."""
Words = Annotated[str | None, BeforeValidator(_words)]
"""The tool's own message: cleaned, cut, redacted, whoever made the issue."""


class Severity(StrEnum):
    """What an issue does to its item (product.md section 3: W, E, I, S)."""

    INFORMATION = "information"
    WARNING = "warning"
    ERROR = "error"


class Issue(BaseModel):
    """One issue, as stored beside an item and shown to the tenant's people.

    `facts` fill the placeholders of the catalogue's texts, such as `{account}` or `{file}`. They may hold
    personal data (a name, a VAT number), and so may `tool_words`: neither ever goes on a topic.
    """

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="code of the catalogue, such as B04 or O01")
    severity: Severity = Severity.WARNING
    facts: dict[str, Fact] = Field(default_factory=dict)
    field: str | None = Field(None, description="path of the field, such as lines[3].account")
    rule: str | None = Field(None, description="rule of EN 16931 that is broken, such as BR-CO-15")
    tool_words: Words = Field(None, description="the tool's own message: cleaned, cut, redacted")
    url: str | None = Field(None, description="where a person can look at it")


class PublicIssue(BaseModel):
    """An issue as it goes on a topic: without facts and the tool's words, which may be personal data."""

    model_config = ConfigDict(frozen=True)

    code: str
    severity: Severity
    field: str | None = None
    rule: str | None = None

    @classmethod
    def of(cls, issue: Issue) -> "PublicIssue":
        """The part of `issue` that may leave the database."""
        return cls(code=issue.code, severity=issue.severity, field=issue.field, rule=issue.rule)
