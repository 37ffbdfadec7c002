"""`dagboek`, also as `python -m dagboek`: loads the command line so that Ctrl-C is quiet from the first moment."""

import sys

from dagboek.cli.interrupts import INTERRUPTED, ends_at_once


def main() -> None:
    """Entry point; see `dagboek.cli.main`."""
    try:
        with ends_at_once():
            from dagboek.cli.main import main as command_line  # noqa: PLC0415  # this is what takes its time
        command_line()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
