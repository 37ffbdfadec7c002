"""Documents that are sent in, by programs or by hand: a source of core's own (docs/decisions/0032).

What was answered is stored; it is listed and read like the documents of any other source.
"""

from typing import Final

PLUGIN: Final = "sent-in"
"""Name of the source. A tenant has it once."""
