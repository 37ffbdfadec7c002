"""A folder of anyone's files, as the demo sorts it: what is odd about one file stops no other."""

import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dagboek.demo.invoices import book_years
from dagboek.demo.sorting import sorted_files
from dagboek_ubl.reader import read_file
from dagboek_ubl.source import UblFolder, UblSettings
from ubl.make_samples import KOFFIE, VUURTOREN, beans
from ubl.write_ubl import Paper, render

TEXT = render(Paper("S-1", "2026-06-01", KOFFIE, VUURTOREN, (beans(4),)))


async def test_links_and_what_cannot_be_read_are_told_as_in_earnest(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside.xml"
    folder.mkdir()
    outside.write_text(TEXT)
    (folder / "good.xml").write_text(TEXT)
    (folder / "inside.xml").symlink_to(folder / "good.xml")
    (folder / "dangling.xml").symlink_to(folder / "nothing.xml")
    (folder / "loop.xml").symlink_to(folder / "other.xml")
    (folder / "other.xml").symlink_to(folder / "loop.xml")
    (folder / "outside.xml").symlink_to(outside)
    (folder / "itself").symlink_to(folder)
    (folder / os.fsdecode(b"caf\xe9.xml")).write_text(TEXT)
    os.mkfifo(folder / "fifo.xml")
    plugins: Any = SimpleNamespace(source=lambda _: UblFolder)
    stage: Any = SimpleNamespace(plugins=plugins, settings=SimpleNamespace(data_dir=tmp_path / "data"))
    (pile,) = await sorted_files(stage, folder, None)

    async def codes(where: Path) -> dict[str, list[str]]:
        fetched = await UblFolder(UblSettings(folder=where), pile.entity).fetch(pile.files)
        return {one.origin_id: [issue.code for issue in one.issues] for one in fetched}

    assert len(pile.files) == 9
    assert await codes(pile.folder) == await codes(folder)


def test_book_years_are_sound_ones(tmp_path: Path) -> None:
    now = datetime.now(UTC).year
    documents = []
    for year in (1900, 2015, now, 2199):
        (tmp_path / "x.xml").write_text(TEXT.replace("2026-06-01", f"{year}-06-01"))
        document = read_file(tmp_path / "x.xml").document
        assert document
        documents.append(document)
    assert book_years(documents) == (2015, now)
    assert book_years(documents[:1]) == book_years([]) == (now, now)
