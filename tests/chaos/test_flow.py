"""Pauses and recoveries, on times that a person can check."""

from dataclasses import replace

from dagboek.chaos.flow import ALONE, Flow, Pause, Struck, recoveries


def flow() -> Flow:
    """Two sets of books: `a` is booked at 1, 2 and 9 s, `b` each second from 1 to 5 s."""
    one = Flow()
    one.asked["a"] = [(0.0, 3)]
    one.booked["a"] = [1.0, 2.0, 9.0]
    one.runs["a"] = [(0.0, 10.0)]
    one.asked["b"] = [(0.0, 5)]
    one.booked["b"] = [1.0, 2.0, 3.0, 4.0, 5.0]
    one.runs["b"] = [(0.0, 5.5)]
    return one


def test_the_longest_pause_of_one_and_of_all() -> None:
    assert flow().longest() == Pause(7.0, "a", 2.0)
    assert flow().together().longest() == Pause(4.0, "all", 5.0), "from 5 to 9 s nothing at all was booked"


def test_time_without_work_or_without_a_run_is_no_pause() -> None:
    one = flow()
    one.runs["a"] = [(0.0, 2.5), (8.0, 10.0)]  # the last document waited for the next run
    assert one.longest().seconds == 1.0
    one = Flow()
    one.asked["a"] = [(0.0, 1), (100.0, 1)]
    one.booked["a"] = [1.0, 103.0]
    one.runs["a"] = [(0.0, 200.0)]
    assert one.longest() == Pause(3.0, "a", 100.0), "nothing was asked for between 1 and 100 s"


def test_recovery_counts_what_began_after_the_kill() -> None:
    one = flow()
    struck = Struck(2.5, "worker 1", "KILL", books=frozenset("a"))
    assert one.after(struck, under_way=0.2) == 6.5
    assert one.after(Struck(2.9, "core", "KILL"), under_way=0.2) == 4.0 - 2.9, "at 3.0 a call ended that was under way"
    assert one.after(Struck(9.5, "core", "KILL"), under_way=0.2) is None, "nothing waited"


def test_recoveries_by_kind() -> None:
    kills = [
        Struck(0.5, "worker 1", "KILL", books=frozenset("b")),
        Struck(2.5, "worker 2", "TERM", books=frozenset("a")),
        Struck(3.5, "kafka", "KILL"),
    ]
    found = recoveries(flow(), kills, under_way=0.1)
    assert (found["worker"].number, found["worker"].median, found["worker"].worst) == (2, 3.5, 6.5)
    assert (found["kafka"].worst, found["all"].number) == (0.5, 3)
    assert ALONE not in found
    alone = recoveries(flow(), kills[:1], under_way=0.1)[ALONE]
    assert (alone.number, alone.worst) == (1, 0.5)
    assert ALONE not in recoveries(flow(), [replace(kills[0], away=9.0)], under_way=0.1)
