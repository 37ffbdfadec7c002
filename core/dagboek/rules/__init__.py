"""What is checked before the tool is asked."""

from types import ModuleType

MODULES: tuple[ModuleType, ...] = ()
