"""How long work tells what it does."""

from collections.abc import Callable

Progress = Callable[[str], None]
"""Is called with one sentence for a person."""
