"""Acks in order, per partition.

Faust commits past messages that are still in flight as soon as acks arrive with a gap (docs/decisions). So a
message is acked to Faust only when all that came before it on its partition are finished: it never sees a gap
of our making. Only offsets that were really received are tracked, since a log may have gaps of its own.
"""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Message = TypeVar("Message")


class Acks(Generic[Message]):
    """Messages in flight by partition; `ack` is called for each, in order. Not thread-safe: one loop owns it."""

    def __init__(self, ack: Callable[[Message], None]) -> None:
        self._ack = ack
        self._partitions: dict[int, _Partition[Message]] = {}

    def received(self, partition: int, offset: int, message: Message) -> None:
        """A message came in."""
        self._partitions.setdefault(partition, _Partition()).waiting.append((offset, message))

    def finished(self, partition: int, offset: int) -> None:
        """The work for a message is done; acks what is contiguous from the oldest on."""
        found = self._partitions.get(partition)
        if found is None or not found.waiting or offset < found.waiting[0][0]:
            return  # revoked meanwhile, or finished before
        found.done.add(offset)
        while found.waiting and found.waiting[0][0] in found.done:
            oldest, message = found.waiting.popleft()
            found.done.discard(oldest)
            self._ack(message)

    def forget(self, partition: int | None = None) -> None:
        """A partition was revoked (None: all): nothing of it is acked any more."""
        if partition is None:
            self._partitions.clear()
        else:
            self._partitions.pop(partition, None)

    def oldest(self) -> list[tuple[int, int, Message]]:
        """Partition, offset and message of what is to be acked next on each partition."""
        return [(number, *found.waiting[0]) for number, found in self._partitions.items() if found.waiting]

    def in_flight(self) -> int:
        """Messages that are not acked yet."""
        return sum(len(partition.waiting) for partition in self._partitions.values())


class _Partition(Generic[Message]):
    def __init__(self) -> None:
        self.waiting: deque[tuple[int, Message]] = deque()
        self.done: set[int] = set()
