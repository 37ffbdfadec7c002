"""Lives through seeds: `PYTHONPATH=tests uv run python -m simulation --seeds 0:1000`.

Ends with status 1 at the first seed in which an invariant breaks, and tells the command that replays it.
"""

import argparse
import gc
import logging
import os
import sys
import time
import traceback
import warnings

if os.environ.get("PYTHONHASHSEED") != "0":  # sets of texts would have another order each time
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, "-m", "simulation", *sys.argv[1:]])

from collections import Counter
from contextlib import nullcontext

from simulation import patches
from simulation.database import Server, server
from simulation.mutations import FOCUS, MUTATIONS
from simulation.world import Focus, World

COUNTED: Counter[str] = Counter()
"""Seeds in which something happened, by what."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", default="0:100", help="one, or first:last, the last not included")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further seed after this time")
    parser.add_argument("--database", help="address of a PostgreSQL to use, as a superuser; one of its own else")
    parser.add_argument("--trace", action="store_true", help="show all that happened")
    parser.add_argument("--count", action="store_true", help="show in how many seeds each kind of trouble came")
    parser.add_argument("--hashes", action="store_true", help="show a hash of what happened in each seed")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first seed that fails")
    parser.add_argument("--without", choices=MUTATIONS, help="switch a safeguard off: an invariant must break")
    parser.add_argument("--focus", choices=FOCUS, help="the faults that this safeguard is there for, above all")
    return parser.parse_args()


def live_through(seed: int, there: Server, given: argparse.Namespace) -> bool:
    """One seed; whether all invariants held."""
    world = World(seed, there, FOCUS.get(given.focus or given.without, Focus()))
    fault: Exception | None = None
    try:
        happened = world.run()
        if given.hashes:
            print(seed, happened)
        COUNTED.update(world.troubles())
    except Exception as trouble:
        fault = trouble
    if given.trace:
        for line in world.trace:
            print(*line)
    if fault is None:
        return True
    if not isinstance(fault, AssertionError):
        traceback.print_exception(fault)
    print(f"seed {seed}: {fault}")
    options = "".join(f" --{name} {getattr(given, name)}" for name in ("focus", "without") if getattr(given, name))
    print(f"replay: PYTHONPATH=tests uv run python -m simulation --seeds {seed}{options} --trace")
    return False


def main() -> int:
    given = arguments()
    first, _, last = given.seeds.partition(":")
    failed = done = 0
    with nullcontext(given.database) if given.database else server() as url:
        there = Server(url)
        patches.install()
        if given.without:
            MUTATIONS[given.without]()
        begun = time.perf_counter()
        for seed in range(int(first), int(last or int(first) + 1)):
            if time.perf_counter() - begun > given.seconds or (failed and not given.go_on):
                break
            failed += not live_through(seed, there, given)
            done += 1
            if done % 50 == 0:
                gc.collect()
                there.make_anew()
        took = time.perf_counter() - begun
        if given.count:
            for kind, seeds in sorted(COUNTED.items()):
                print(f"{seeds:6} {kind}")
        print(f"{done} seeds, {failed} of them failed; {took:.1f} s, {took / max(done, 1) * 1000:.0f} ms each")
        there.close()
    return 1 if failed else 0


if __name__ == "__main__":
    # what killed processes leave behind is none of anybody's business
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    gc.disable()
    status = main()
    sys.stdout.flush()
    sys.exit(status)
