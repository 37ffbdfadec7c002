"""Issues as the API tells them: with their texts, in the reader's language."""

from typing import Annotated, Literal
from uuid import UUID

from dagboek_schemas.issues import Issue, Severity
from fastapi import Depends, Header, Query
from pydantic import BaseModel, Field

from dagboek.catalogue import LANGUAGES, Catalogue
from dagboek.web.caller import Anyone

Language = Literal["nl", "fr", "en"]


class IssueShown(BaseModel):
    """What a person must know about an item: what, why, how to put it right."""

    code: str = Field(description="of the catalogue, such as B04")
    severity: Severity
    title: str
    cause: str
    remedy: str
    link: str | None = Field(None, description="where it is put right, or can be looked at")
    field: str | None = Field(None, description="such as `lines[3].account`")
    rule: str | None = Field(None, description="rule of EN 16931 that is broken")
    tool_words: str | None = Field(None, description="the accounting tool's own message")


class Texts:
    """Words for issues, in one language."""

    def __init__(
        self,
        caller: Anyone,
        language: Annotated[Language | None, Query(description="of the texts; that of the user where absent")] = None,
        accept_language: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> None:
        accepted = (accept_language or "")[:2].lower()
        self.language = language or (accepted if caller.person is None and accepted in LANGUAGES else caller.language)
        self._catalogue: Catalogue = caller.web.catalogue

    def of(self, issue: Issue, within: UUID | None = None) -> IssueShown:
        """An issue with its texts. `within`: the connection that it came up in, whose settings put it right."""
        if within is not None:
            issue = issue.model_copy(update={"facts": {**issue.facts, "connection": str(within)}})
        text = self._catalogue.text(issue, self.language)
        return IssueShown(
            code=issue.code,
            severity=issue.severity,
            title=text.title,
            cause=text.cause,
            remedy=text.remedy,
            link=text.link,
            field=issue.field,
            rule=issue.rule,
            tool_words=issue.tool_words,
        )


Words = Annotated[Texts, Depends()]
