"""Places for items in work: so many of a tool, and of them so many of one tenant.

Who waits gets a place in turn, tenants first and their lanes within that, so that a tenant with a thousand connections
is one tenant. A place that is free is taken without waiting. For one event loop.
"""

import asyncio
from collections import Counter, deque
from uuid import UUID


class Places:
    """`total` places, of which one tenant has `each` at most."""

    def __init__(self, total: int, each: int) -> None:
        self._total = self._free = total
        self._each = each
        self._taken: Counter[UUID] = Counter()
        self._waiting: dict[UUID, deque[asyncio.Future[None]]] = {}
        self._turns: deque[UUID] = deque()
        """Tenants with lanes that wait and places left to them, each once; the first is the next."""

    @property
    def busy(self) -> int:
        """Places that are taken."""
        return self._total - self._free

    async def take(self, tenant: UUID) -> None:
        """Takes a place, or waits for its turn."""
        if self._free and tenant not in self._waiting and self._taken[tenant] < self._each:
            self._free -= 1
            self._taken[tenant] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(tenant, deque())
        waiting.append(turn)
        if len(waiting) == 1 and self._taken[tenant] < self._each:
            self._turns.append(tenant)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(tenant)  # it was given in the same moment
            raise

    def give_back(self, tenant: UUID) -> None:
        """Gives a place back; whoever's turn it is gets it."""
        self._free += 1
        self._taken[tenant] -= 1
        if not self._taken[tenant]:
            del self._taken[tenant]
        if self._taken[tenant] == self._each - 1 and tenant in self._waiting:
            self._turns.append(tenant)  # it had all that it may have
        self._hand_out()

    def _hand_out(self) -> None:
        while self._free and self._turns:
            tenant = self._turns.popleft()
            waiting = self._waiting[tenant]
            turn = waiting.popleft()
            if not turn.cancelled():
                self._free -= 1
                self._taken[tenant] += 1
                turn.set_result(None)
            if not waiting:
                del self._waiting[tenant]
            elif self._taken[tenant] < self._each:
                self._turns.append(tenant)
