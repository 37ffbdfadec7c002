"""`dagboek demo` as a stranger runs it, and that it leaves nothing running."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]


def demo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo; fails when a process that it started is still there afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAGBOEK_")}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dagboek.cli.main", "demo", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            env={**environment, "DAGBOEK_DATA_DIR": str(home), "LANG": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired as late:
        logs = [f"== {path.name}\n{path.read_text()[-4000:]}" for path in sorted((home / "demo" / "logs").glob("*"))]
        raise AssertionError(f"the demo did not end: {late.stdout!r} {late.stderr!r}\n" + "\n".join(logs)) from None
    assert left_running(home) == []
    return done


def left_running(home: Path) -> list[str]:
    """Command lines of processes that work in `home`."""
    found = []
    for process in psutil.process_iter(["cmdline", "pid", "environ"]):
        words = [*(process.info["cmdline"] or []), (process.info["environ"] or {}).get("DAGBOEK_DATA_DIR", "")]
        if process.info["pid"] != os.getpid() and any(str(home) in word for word in words):
            found.append(" ".join(words)[:200])
    return found


def reported(home: Path, folder: Path, report: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """What `demo --invoices FOLDER --report FILE` says of each file."""
    done = demo(home, "--invoices", str(folder), "--report", str(report), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    found = {row["file"]: row for row in rows}
    assert len(found) == len(rows), "a file has two lines"
    return found


def booked_amounts(row: dict[str, Any]) -> dict[str, Any]:
    """Number and amounts of a line of the report; `vat` is base and VAT by rate, without rates of which both are 0."""
    told = row["amounts"]
    rates = {Decimal(one["rate"]): (Decimal(one["base"]), Decimal(one["vat"])) for one in told["vat"]}
    assert len(rates) == len(told["vat"]), f"{row['file']} has a rate twice"
    return {
        "number": row["document_number"],
        "currency": told["currency"],
        "vat": {rate: both for rate, both in rates.items() if any(both)},
        **{name: Decimal(told[name]) for name in ("net", "vat_total", "rounding", "total")},
    }
