"""The short form of the proof: `dagboek chaos` as an operator runs it, all kills and all faults."""

import json
from collections.abc import Callable

import pytest
from chaos.trials import chaos
from dagboek_sdk.sandbox.faults import KINDS

OWN_KINDS = {
    "exact": ("redirect", "login_page"),
    "yuki": ("empty_body", "wrong_namespace", "html_fault_after", "html_fault", "bad_gateway", "half_batch"),
}
"""Of faults that one sandbox knows and not all."""


@pytest.mark.timeout(420)
@pytest.mark.parametrize(
    ("tools", "documents", "connections", "minutes", "kills", "seed"),
    [
        (["octopus"], 500, 20, 1, 12, 20261125),
        (["octopus"], 100, 5, 0.2, 4, 4),
        (["octopus", "exact", "yuki"], 300, 15, 0.5, 7, 20261126),
        (["yuki"], 60, 5, 0.2, 4, 5),
    ],
    ids=["all", "small", "three tools mixed", "yuki small"],
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
    assert told["ok"], json.dumps(told, indent=1)
    assert told["asked"] == documents <= told["booked"] + told["waiting_for_a_person"]
    assert told["waiting_for_a_person"] <= documents // 50, told["waiting"]
    assert (told["twice"], told["lost"], told["foreign"], told["disagreements"], told["not_final"]) == (0, 0, 0, 0, 0)
    assert told["finished"] and told["faults_found"] == {}
    assert sum(told["kills"].values()) + told["kills_missed"] == kills
    assert told["tools"] == tools
    assert set(told["faults"]) <= {*KINDS, *(kind for tool in tools for kind in OWN_KINDS.get(tool, ()))}
    assert told["not_adapted"] > 0 or tools == ["octopus"], "entries of the others are not changed"
    assert f"--seed {seed}" in told["command"]
    if documents >= 300:
        assert len(told["faults"]) > 5 and sum(told["faults"].values()) > 15, (
            "the tool did not misbehave enough for the test to mean something"
        )
        assert {kind.split()[0] for kind in told["kills"]} == {"worker", "core", "kafka", "postgres"}
