"""Style, scripts and htmx, under addresses that change with what they hold, so that browsers may keep them for ever."""

import hashlib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from fastapi.responses import Response

PATH: Final = "/static/"

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_HTMX: Final = files("django_htmx").joinpath("static/django_htmx")
"""Of the package that brings htmx's own release files; nothing else of it is used, and Django is not loaded."""


@lru_cache(64)  # names are what anybody asks for
def content(name: str) -> bytes | None:
    """What is served under a name; None for no such file."""
    if name == "htmx.js":
        return _HTMX.joinpath("htmx-2.min.js").read_bytes()
    file = files("dagboek.console").joinpath("static", name)
    known = len(name) < 100 and "/" not in name and not name.startswith(".") and file.is_file()
    return file.read_bytes() if known else None


@cache
def address(name: str) -> str:
    """Where templates find a file. LookupError for none."""
    found = content(name)
    if found is None:
        raise LookupError(f"The console has no file {name}.")
    return f"{PATH}{hashlib.sha256(found).hexdigest()[:12]}/{name}"


def install(app: FastAPI) -> None:
    """Serves the files."""
    app.add_api_route(f"{PATH}{{version}}/{{name}}", _file, include_in_schema=False)


async def _file(version: str, name: str) -> Response:
    found = content(name)
    if found is None:
        return Response(status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable" if version in address(name) else "no-cache"}
    kind = _TYPES.get(name[name.rfind(".") :], "application/octet-stream")
    return Response(found, media_type=kind, headers=headers)
