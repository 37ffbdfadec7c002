"""How many calls sales invoices cost in a tool that takes them in batches and counts calls a day.

    uv run python bench/batches.py                                    10,000 sales invoices without files, as JSON
    uv run python bench/batches.py --documents 300 --file-kb 0,50,200     the same, with a file of so many KB in each

One company whose books are in a sandbox of Yuki, with its limit of calls a day; core and one worker are processes of
their own, broker and database too. All that was called is counted, also what connecting and reading lists costs.
`documents_a_call`: how many a call took, at most and in the middle. Times say what one machine does that also runs the
sandbox, and the sandbox takes most of it.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import Ubl, UblLine
from dagboek.cli.children import crew
from dagboek.demo.company import connect, proposed, save
from dagboek.demo.proof import proofs
from dagboek.demo.runs import sync_all
from dagboek.demo.stage import Stage, demo_settings, stage
from dagboek.embedded import Services, services_for
from dagboek.logs import configure
from dagboek.plugins import Plugins
from dagboek.settings import Settings
from dagboek_schemas.statuses import RunStatus
from dagboek_sdk.source import EntityRef
from machine import machine

TOOL = "yuki"
BOOKS = EntityRef("Batch NV", "BE0403019261")
CUSTOMERS = 250
YEARS = (2025, 2027)


def write(folder: Path, documents: int, kilobytes: int) -> None:
    """Invoices of two lines to some hundred customers; files do not compress, as those of invoices do not."""
    chance = random.Random(1)
    for at in range(documents):
        base = 1_000_000 + at % CUSTOMERS
        customer = f"BE0{base:07}{97 - base % 97:02}"
        lines = (UblLine(f"{Decimal(1000 + at) / 10:.2f}"), UblLine("50.00", rate="6"))
        file = (f"{at}.pdf", b"%PDF-1.4\n" + chance.randbytes(kilobytes * 1024)) if kilobytes else None
        one = Ubl(
            f"26{at:06}",
            lines=lines,
            supplier=str(BOOKS.vat_number),
            supplier_name=BOOKS.name,
            customer=customer,
            customer_name=f"Klant {base} NV",
            file=file,
        )
        (folder / f"{one.number}.xml").write_text(one.xml(), encoding="utf-8")


async def measure(where: Stage, documents: int, kilobytes: int, seconds: float) -> dict[str, Any]:
    """One first run of a company with so many invoices."""
    books = where.books[TOOL]
    with tempfile.TemporaryDirectory(prefix="dagboek-bench-") as folder:
        await asyncio.to_thread(write, Path(folder), documents, kilobytes)
        dossier = await books.add_dossier(BOOKS.name, YEARS, BOOKS.vat_number)
        before = len(await _calls(where))
        company = await connect(where, f"Bench {kilobytes}", BOOKS, Path(folder), dossier, tool=TOOL)
        await save(where, company, await proposed(where, company))
        began = time.monotonic()
        (run,) = await sync_all(where, [company], lambda _: None, seconds)
        took = time.monotonic() - began
        calls = (await _calls(where))[before:]
        (proof,) = await proofs(where, [company])
    by_operation = Counter(one["operation"] for one in calls)
    booking = [name for name in by_operation if "Process" in name or "Upload" in name]
    writes = sum(by_operation[name] for name in booking)
    return {
        "documents": documents,
        "file_kb": kilobytes,
        "status": run.summary.status,
        "booked": len(proof.entries),
        "faults": proof.faults,
        "well": run.summary.status is RunStatus.SUCCESS and not proof.faults and len(proof.entries) == documents,
        "calls": len(calls),
        "documents_a_call": round(documents / writes, 1) if writes else None,
        "by_operation": dict(by_operation.most_common()),
        "seconds": round(took, 1),
    }


async def _calls(where: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await where.books[TOOL].look("requests", last=100_000))["requests"]
    return found


async def _all(arguments: argparse.Namespace, settings: Settings, services: Services) -> list[dict[str, Any]]:
    children = crew(1, settings.data_dir / "logs", lambda _: None)
    async with stage(settings, services, Plugins(), lambda _: None, children, (TOOL,), limits=True) as where:
        return [
            await measure(where, arguments.documents, int(size), arguments.seconds)
            for size in arguments.file_kb.split(",")
        ]


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--file-kb", default="0", help="size of the file in each invoice; several with commas between")
    parser.add_argument("--seconds", type=float, default=1800, help="time after which it is given up")
    arguments = parser.parse_args()
    configure("WARNING")
    with tempfile.TemporaryDirectory(prefix="dagboek-bench-") as folder:
        settings = demo_settings(Settings(data_dir=Path(folder)))
        with services_for(settings, lambda _: None) as services:
            rows = asyncio.run(_all(arguments, settings, services))
    print(json.dumps({"machine": machine(), "rows": rows}, indent=1))
    raise SystemExit(0 if all(row["well"] for row in rows) else 1)


if __name__ == "__main__":
    main()
