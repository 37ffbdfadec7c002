"""Dagboek beside the loops that one would write by hand, in one run: same broker, same tool, same documents.

    uv run python bench/compare.py                         all tables; hours on an idle machine, minutes with --quick
    uv run python bench/compare.py --table whale           one of them: latency, whale, recovery, unchanged
    uv run python bench/compare.py --latencies 50 --connections 100,1000 --rounds 3
    uv run python bench/compare.py --quick --json          tiny numbers, which show that it works and nothing else

Broker and database are embedded, or those of DAGBOEK_KAFKA_BOOTSTRAP and DAGBOEK_DATABASE_URL. What the columns mean
is in docs/performance.md. Times of bookings are the tool's own, CPU and memory are those of /proc.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagboek.embedded import services_for
from dagboek.logs import configure
from dagboek.settings import Settings
from machine import machine
from sides import NAMES, Tool
from tables import QUICK, TABLES, Bench, Row, Sizes


async def run(
    arguments: argparse.Namespace, sizes: Sizes, told: Callable[[str, Row], None]
) -> tuple[dict[str, list[Row]], list[str]]:
    """The tables that are asked for, and what could not be measured; `told` hears of every row as it comes."""
    found: dict[str, list[Row]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="dagboek-bench-") as folder,
        services_for(Settings(data_dir=Path(folder))) as services,
    ):
        tool = Tool()
        try:
            bench = Bench(services.kafka_bootstrap, services.database_url, tool, sizes, tuple(arguments.sides))
            for name in arguments.table or TABLES:
                found[name] = []
                async for row in TABLES[name](bench):
                    found[name].append(row)
                    told(name, row)
        finally:
            await tool.close()
    return found, bench.troubles


class Markdown:
    """Prints rows as they come, with a head whenever another table begins."""

    def __init__(self) -> None:
        self._table = ""
        self._columns: tuple[str, ...] = ()

    def __call__(self, table: str, row: Row) -> None:
        if table != self._table or len(row) > len(self._columns):
            self._table, self._columns = table, tuple(row)
            print(f"\n{table}\n\n| " + " | ".join(row) + " |\n|" + " ---: |" * len(row))
        print("| " + " | ".join(_shown(row.get(name)) for name in self._columns) + " |", flush=True)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    return str(value)


def _sizes(arguments: argparse.Namespace) -> Sizes:
    chosen = vars(QUICK if arguments.quick else Sizes())
    given = {name: vars(arguments)[name] for name in chosen if vars(arguments).get(name) is not None}
    return Sizes(**{**chosen, **given})


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(","))


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="append", choices=tuple(TABLES), help="may be given more than once")
    parser.add_argument("--sides", type=lambda text: text.split(","), default=NAMES, help=f"of {','.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="tiny numbers")
    parser.add_argument("--json", action="store_true")
    for name, default in vars(Sizes()).items():
        kind = _numbers if isinstance(default, tuple) else type(default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"default {default}")
    arguments = parser.parse_args()
    if unknown := set(arguments.sides) - set(NAMES):
        parser.error(f"--sides {','.join(unknown)}: there are {', '.join(NAMES)}")
    configure("WARNING")
    load = os.getloadavg()[0]
    head = f"{machine()}; load {load:.1f} before"
    if not arguments.json:
        print(head)
    if load > 0.5:
        print(f"The machine is busy (load {load:.1f}): these figures say little.", file=sys.stderr)
    told = (lambda *_: None) if arguments.json else Markdown()
    tables, troubles = asyncio.run(run(arguments, _sizes(arguments), told))
    if arguments.json:
        print(json.dumps({"machine": head, "tables": tables, "not_measured": troubles}))
    if troubles:
        sys.exit(1)


if __name__ == "__main__":
    main()
