"""The sandbox is written apart: it shares no code with the plugin's client, and needs few others."""

import ast
import sys
from pathlib import Path

import dagboek_octopus.sandbox

FOLDER = Path(str(dagboek_octopus.sandbox.__file__)).parent


def test_it_imports_itself_aiohttp_and_what_sandboxes_share_only() -> None:
    foreign = set()
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                foreign |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                module = str(node.module)
                foreign.add(
                    "sandboxes" if module.startswith("dagboek_sdk.sandbox.") else module.split(".", maxsplit=1)[0]
                )
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1, f"{file.name} reaches out of the package"
    assert foreign - set(sys.stdlib_module_names) == {"aiohttp", "sandboxes"}


def test_every_call_below_sandbox_stands_in_the_docstring() -> None:
    from dagboek_octopus.sandbox.control import Control
    from dagboek_sdk.sandbox import faults

    page = dagboek_octopus.sandbox.__doc__ or ""
    for name in (*Control.looking, *Control.doing, *faults.KINDS):
        assert name in page, f"{name} is not documented"
