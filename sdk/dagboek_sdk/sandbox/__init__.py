"""A sandbox server as `dagboek sandbox NAME` and the demo see it: any server that behaves as the tool does.

The modules beside this page are what such servers have in common: a clock that can be moved, faults that can be
switched on, the calls that came, what becomes of a call that a fault strikes, the calls below `/_sandbox`, and the file
that brings the books back. They know nothing of any tool.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol


class RunningSandbox(Protocol):
    """A started sandbox."""

    @property
    def base_url(self) -> str:
        """The address that a plugin's base address setting takes."""

    @property
    def credentials(self) -> dict[str, Any]:
        """Sample credentials, as settings of the plugin."""

    async def stop(self) -> None:
        """Stops serving."""


@dataclass(frozen=True, slots=True)
class SandboxCommand:
    """How to start the sandbox of a tool."""

    name: str
    start: Callable[..., Awaitable[RunningSandbox]]
    """Called with `host=` and `port=` (0: a free one)."""
