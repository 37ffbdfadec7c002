"""The command line: `dagboek`. Each module holds one command and a `register(app)`."""
