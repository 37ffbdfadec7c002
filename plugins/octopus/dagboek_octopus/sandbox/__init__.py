"""A server that behaves as the Octopus REST API, keeps books, and can be told to misbehave."""

from .booking import Rules
from .server import SAMPLE_CREDENTIALS, Sandbox, start_sandbox

__all__ = ["SAMPLE_CREDENTIALS", "Rules", "Sandbox", "start_sandbox"]
