"""Issues in the reader's language: texts of the catalogue, filled with the facts of the case."""

from collections.abc import Mapping
from typing import Any

from dagboek_schemas.issues import Issue

from dagboek.catalogue import RenderedIssue
from dagboek.plugins import Plugins


class Wording:
    """Texts of issues in one language."""

    def __init__(self, plugins: Plugins, language: str) -> None:
        self.language = language
        self._catalogue = plugins.catalogue

    def issue(self, stored: Mapping[str, Any] | Issue) -> Issue:
        """An issue as it is stored in a row."""
        return stored if isinstance(stored, Issue) else Issue.model_validate(stored)

    def of(self, issue: Issue) -> RenderedIssue:
        """Title, cause and remedy of `issue`."""
        return self._catalogue.text(issue, self.language)

    def json(self, issue: Issue) -> dict[str, Any]:
        """An issue for programs, with its texts."""
        text = self.of(issue)
        shown = issue.model_dump(mode="json", exclude_none=True)
        return {**shown, "title": text.title, "cause": text.cause, "remedy": text.remedy}
