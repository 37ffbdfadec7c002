"""Logins of a trial, where they are made by consent."""

import asyncio
import json
from pathlib import Path
from typing import Any

from dagboek.chaos.sandboxes import sandboxes_of
from dagboek.plugins import Plugins
from end_to_end.harness import exact


async def test_each_set_of_books_has_a_user_who_consents_for_them_alone(tmp_path: Path) -> None:
    plugins = Plugins()
    async with exact() as running:
        file = tmp_path / "sandbox.json"
        file.write_text(json.dumps({"base_url": running.base_url, "credentials": running.credentials}))
        async with sandboxes_of(plugins, ["exact"], file) as (tool,):
            ids = await tool.add_books(3)
            plugin: Any = plugins.tool("exact")
            app = {name: tool.credentials[name] for name in ("client_id", "client_secret")}
            oauth = plugin.oauth(plugin.about.settings(**app, base_url=tool.base_url))
            for books in ids:
                await tool.add_user(books)
            answers = await asyncio.gather(*(tool.consent(oauth, books) for books in ids))

        consented = [running.books.codes[answer.code].user for answer in answers]
        assert [running.books.users[name].divisions for name in consented] == [{int(books)} for books in ids]
        assert running.browser.user not in consented, "whoever else is at the browser does not count"
