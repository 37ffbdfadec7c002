"""Each safeguard switched off: an invariant breaks within a bounded number of seeds, and the test says which."""

import re

import pytest
from simulation.conftest import simulate

SEEDS = 300
"""More than any of them needs."""

ACKED = {"nothing is acked before it is done", "a result is delivered before its event is acked"}
TOLD = {"every outcome is told", "the end of a run is told after its items"}

BREAKS = {
    "intent": {"one entry per document", "each is final", "nothing is sent without an intent"},
    "compare-and-set": {"one entry per document"},
    "send-deadline": {"one entry per document"},
    "in-order-ack": {"in order per administration", *ACKED},
    "settling": {"one entry per document"},
    "result-before-ack": ACKED,
    "reported-mark": {"a result is delivered before its event is acked", *TOLD},
    "generation": {"in order per administration", "one entry per document"},
    "batch-outcome": {"one entry per document"},
    "batch-call": {"one entry per document"},
    "batch-halving": {"nothing is lost", "each is final"},
    "batch-delivery": ACKED,
    "accepted-end": {"every outcome is told", "results agree with the books"},
    "window-order": {"in order per administration"},
}
"""What each of them keeps, one of which is seen first."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("safeguard", sorted(BREAKS))
async def test_an_invariant_breaks_without(safeguard: str, simulated_database: str) -> None:
    status, said = await simulate(simulated_database, "--seeds", f"0:{SEEDS}", "--without", safeguard)

    print(said)
    assert status == 1, f"{SEEDS} seeds and nothing broke without {safeguard}: {said}"
    found = re.search(r"^seed \d+: ([^:]+): ", said, re.M)
    assert found is not None, said
    assert found.group(1) in BREAKS[safeguard]
