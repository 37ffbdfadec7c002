"""The Dagboek contract: canonical documents, events, statuses, issues and topic names.

Everything that crosses a process border, and all that a consumer of the result topics needs, is here.
The package depends on pydantic alone, so that a consumer can install it without the rest.
"""
