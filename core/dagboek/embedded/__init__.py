"""A real Kafka and a real PostgreSQL with nothing but Python packages (extra `dagboek[embedded]`)."""

from dagboek.embedded.errors import DataDirInUseError, EmbeddedError
from dagboek.embedded.services import EmbeddedServices, Services, services_for

__all__ = ["DataDirInUseError", "EmbeddedError", "EmbeddedServices", "Services", "services_for"]
