"""The sandbox is written apart: it shares no code with the plugin's client, and needs few others."""

import ast
import sys
from pathlib import Path

import dagboek_yuki.sandbox

FOLDER = Path(str(dagboek_yuki.sandbox.__file__)).parent


def test_it_imports_itself_aiohttp_lxml_and_what_sandboxes_share_only() -> None:
    foreign = set()
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                foreign |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                module = str(node.module)
                shared = module.startswith("dagboek_sdk.sandbox.")
                foreign.add("sandboxes" if shared else module.partition(".")[0])
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1, f"{file.name} reaches out of the package"
    assert foreign - set(sys.stdlib_module_names) == {"aiohttp", "lxml", "sandboxes"}


def test_every_call_below_sandbox_stands_in_the_docstring() -> None:
    from dagboek_yuki.sandbox.control import Control
    from dagboek_yuki.sandbox.server import Sandbox

    page = dagboek_yuki.sandbox.__doc__ or ""
    for name in (*Control.looking, *Control.doing, *Sandbox().faults.kinds):
        assert name in page, f"{name} is not documented"
