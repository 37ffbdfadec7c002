"""Names of the Kafka topics. The key of every record is the id of the administration."""

from enum import StrEnum


class Topic(StrEnum):
    """The five topics, without their prefix (design section 4)."""

    COMMANDS = "sync.commands"
    DOCUMENTS = "sync.documents"
    RESULTS = "sync.results"
    WARNINGS = "sync.warnings"
    DEADLETTERS = "sync.deadletters"

    def named(self, prefix: str) -> str:
        """Full name under `prefix`, such as `dagboek.sync.results`."""
        return f"{prefix}.{self.value}"

    @property
    def retention_days(self) -> int:
        """Days that a record is kept, unless an operator sets the topic otherwise."""
        return _RETENTION_DAYS[self]


_RETENTION_DAYS = {
    Topic.COMMANDS: 7,
    Topic.DOCUMENTS: 7,
    Topic.RESULTS: 30,
    Topic.WARNINGS: 30,
    Topic.DEADLETTERS: 90,
}
