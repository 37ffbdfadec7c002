"""`python -m dagboek.catalogue [FOLDER]`: writes the pages of common issues into FOLDER (docs/guides)."""

import sys
from pathlib import Path

from dagboek.catalogue.pages import pages
from dagboek.plugins import Plugins


def main(folder: Path) -> None:
    """Writes what `pages` gives."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(Plugins().catalogue).items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/guides"))
