"""A server that behaves as the Exact Online REST API, keeps books, and can be told to misbehave."""

from typing import Any

from dagboek_sdk.sandbox import RunningSandbox


async def start_sandbox(host: str = "127.0.0.1", port: int = 0, **options: Any) -> RunningSandbox:
    """A sandbox that listens."""
    raise NotImplementedError(f"the sandbox of Exact Online at {host}:{port} with {sorted(options)}")
