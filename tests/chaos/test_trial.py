"""The short form of the proof: `dagboek chaos` as an operator runs it, all kills and all faults."""

from collections.abc import Callable

import pytest
from chaos.trials import chaos
from dagboek_sdk.sandbox.faults import KINDS


@pytest.mark.timeout(420)
@pytest.mark.parametrize(
    ("tools", "documents", "connections", "minutes", "kills", "seed"),
    [
        (["octopus"], 500, 20, 1, 12, 20261125),
        (["octopus"], 100, 5, 0.2, 4, 4),
        (["octopus", "exact"], 300, 12, 0.5, 7, 20261126),
    ],
    ids=["all", "small", "exact mixed in"],
)
def test_nothing_is_lost_and_nothing_is_booked_twice(
    tools: list[str],
    documents: int,
    connections: int,
    minutes: float,
    kills: int,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    told = chaos(
        *(word for tool in tools for word in ("--tool", tool)),
        *("--documents", str(documents)),
        *("--connections", str(connections)),
        *("--minutes", str(minutes)),
        *("--kills", str(kills)),
        *("--seed", str(seed)),
    )
    record_property("report", told)
    assert told["ok"], told
    assert told["asked"] == documents <= told["booked"] + told["waiting_for_a_person"]
    assert told["waiting_for_a_person"] <= documents // 50, told["waiting"]
    assert (told["twice"], told["lost"], told["foreign"], told["disagreements"], told["not_final"]) == (0, 0, 0, 0, 0)
    assert told["finished"] and told["faults_found"] == {}
    assert sum(told["kills"].values()) + told["kills_missed"] == kills
    assert told["tools"] == tools
    assert set(told["faults"]) <= {*KINDS, *(("redirect", "login_page") if "exact" in tools else ())}
    assert told["not_adapted"] > 0 or "exact" not in tools, "Exact's entries are not changed"
    assert f"--seed {seed}" in told["command"]
    if documents >= 300:
        assert len(told["faults"]) > 5 and sum(told["faults"].values()) > 15, (
            "the tool did not misbehave enough for the test to mean something"
        )
        assert {kind.split()[0] for kind in told["kills"]} == {"worker", "core", "kafka", "postgres"}
