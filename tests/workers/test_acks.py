"""Acks go out in order, per partition, whatever order the work ends in."""

from collections.abc import Sequence

from dagboek.acks import Acks
from hypothesis import given
from hypothesis import strategies as st


def acks() -> tuple[Acks[str], list[str]]:
    """Acks, and the messages that were acked."""
    acked: list[str] = []
    return Acks(acked.append), acked


def receive(made: Acks[str], offsets: Sequence[int], partition: int = 0) -> None:
    for offset in offsets:
        made.received(partition, offset, f"{partition}/{offset}")


def test_what_is_finished_early_waits_for_the_oldest() -> None:
    made, acked = acks()
    receive(made, [0, 1, 2])

    made.finished(0, 2)
    made.finished(0, 1)
    assert acked == []
    made.finished(0, 0)

    assert acked == ["0/0", "0/1", "0/2"]
    assert made.in_flight() == 0


def test_the_first_offset_need_not_be_nought() -> None:
    """Faust takes anything for contiguous while nothing was committed (reference: faust, case `unit`)."""
    made, acked = acks()
    receive(made, [2585, 2586, 2587])
    made.finished(0, 2586)
    made.finished(0, 2587)
    assert acked == []


def test_gaps_of_the_log_itself_hold_nothing_up() -> None:
    """Offsets that were never received (compaction, transactions) are not waited for."""
    made, acked = acks()
    receive(made, [3, 7, 20])
    for offset in (20, 3, 7):
        made.finished(0, offset)
    assert acked == ["0/3", "0/7", "0/20"]


def test_one_partition_does_not_wait_for_another() -> None:
    made, acked = acks()
    receive(made, [0, 1], partition=0)
    receive(made, [0, 1], partition=1)
    made.finished(1, 0)
    made.finished(0, 1)
    assert acked == ["1/0"]
    assert made.in_flight() == 3


def test_finished_twice_is_finished_once() -> None:
    made, acked = acks()
    receive(made, [0, 1])
    made.finished(0, 0)
    made.finished(0, 0)  # what was let go is finished once more when its call has ended
    made.finished(0, 1)
    made.finished(0, 0)
    assert acked == ["0/0", "0/1"]
    assert made._partitions[0].done == set()


def test_the_oldest_of_each_partition_is_what_is_acked_next() -> None:
    made, _ = acks()
    receive(made, [3, 4], partition=0)
    receive(made, [7], partition=1)
    made.finished(0, 4)
    assert [(partition, offset) for partition, offset, _ in made.oldest()] == [(0, 3), (1, 7)]
    made.finished(0, 3)
    assert [(partition, offset) for partition, offset, _ in made.oldest()] == [(1, 7)]


def test_a_revoked_partition_is_not_acked_any_more() -> None:
    made, acked = acks()
    receive(made, [0, 1], partition=0)
    receive(made, [0], partition=1)
    made.forget(0)
    made.finished(0, 0)
    made.finished(1, 0)
    assert acked == ["1/0"]
    made.forget()
    assert made.in_flight() == 0


def test_what_is_received_again_is_acked_again() -> None:
    made, acked = acks()
    receive(made, [5, 6])
    made.finished(0, 6)
    made.forget()
    receive(made, [5, 6])
    made.finished(0, 5)
    assert acked == ["0/5"]


@st.composite
def work(draw: st.DrawFn) -> tuple[dict[int, list[int]], list[tuple[int, int]]]:
    """Offsets by partition, with gaps, and an order in which the work on them ends."""
    partitions = draw(st.dictionaries(st.integers(0, 3), st.sets(st.integers(0, 60), max_size=20), max_size=3))
    received = {partition: sorted(offsets) for partition, offsets in partitions.items()}
    everything = [(partition, offset) for partition, offsets in received.items() for offset in offsets]
    return received, draw(st.permutations(everything))


@given(work())
def test_never_past_an_unfinished_message(given_work: tuple[dict[int, list[int]], list[tuple[int, int]]]) -> None:
    """At every moment what is acked of a partition is the longest finished beginning of what was received."""
    received, order = given_work
    acked: list[tuple[int, int]] = []
    made: Acks[tuple[int, int]] = Acks(acked.append)
    for partition, offsets in received.items():
        for offset in offsets:
            made.received(partition, offset, (partition, offset))

    for done in range(len(order)):
        made.finished(*order[done])
        finished = set(order[: done + 1])
        for partition, offsets in received.items():
            beginning = []
            for offset in offsets:
                if (partition, offset) not in finished:
                    break
                beginning.append((partition, offset))
            assert [one for one in acked if one[0] == partition] == beginning

    assert len(acked) == len(order)
    assert made.in_flight() == 0
