"""`python -m dagboek` is `dagboek`."""

from dagboek.cli.main import main

main()
