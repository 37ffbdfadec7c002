"""Files inside a document reach the books with its entry, also when the worker dies in the middle of a booking."""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import Ubl
from end_to_end.harness import GUARD, Installation, write_files

PAPER = b"%PDF-1.7 our own"


def files(sandbox: Any) -> dict[str, list[tuple[str, str]]]:
    """Names and digests of the files of each entry, by the number of the document."""
    return {
        entry["comment"]: [(file["name"], file["sha256"]) for file in entry["attachments"]]
        for entry in sandbox.books.entries(1001)
    }


async def test_a_file_goes_with_the_booking_also_where_it_is_sent_once_more(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/001", file=("paper.pdf", PAPER)), Ubl("2026/002")])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    dagboek.core()
    run_id = await dagboek.start_run(connection)
    # the customer is the first intent, the document with the file the second
    worker = dagboek.worker(DAGBOEK_FAULT_POINT="after_intent:2")
    assert await asyncio.to_thread(worker.wait, GUARD) == -9
    assert files(sandbox) == {}
    dagboek.worker()

    run = await dagboek.ended(run_id)

    assert run["status"] == "Success"
    assert files(sandbox) == {"2026/001": [("paper.pdf", sha256(PAPER).hexdigest())], "2026/002": []}
