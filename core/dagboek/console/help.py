"""The guide for bookkeepers, with its pictures, in the console itself."""

from functools import cache
from importlib.resources import files
from typing import Annotated, Final

from fastapi import Depends, Response
from markupsafe import Markup

from dagboek.catalogue import LANGUAGES
from dagboek.console.pages import Visitor, Visits, page_router
from dagboek.web.marked import blocks
from dagboek.web.problems import not_found

router = page_router()

Somebody = Annotated[Visitor, Depends(Visits(None))]

GUIDE: Final = files("dagboek.console").joinpath("guide")
PICTURES: Final = "/help/pictures/"


@router.get("/help")
async def guide(visitor: Somebody) -> Response:
    """The page."""
    return await visitor.page("help.html", guide=_guides()[visitor.speech.language])


@router.get(f"{PICTURES}{{name}}")
async def picture(visitor: Somebody, name: str) -> Response:
    """One of its pictures."""
    if name not in _pictures():
        raise not_found("picture")
    return Response(
        _pictures()[name], media_type="image/png", headers={"Cache-Control": "private, max-age=3600"}
    )  # fmt: skip


@cache
def _guides() -> dict[str, Markup]:
    """By language."""
    found = {one: GUIDE.joinpath("bookkeeper.md" if one == "en" else f"bookkeeper.{one}.md") for one in LANGUAGES}
    return {language: blocks(file.read_text(encoding="utf-8"), _address) for language, file in found.items()}


@cache
def _pictures() -> dict[str, bytes]:
    folder = GUIDE.joinpath("pictures")
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name.endswith(".png")}


def _address(written: str) -> str:
    """What lies beside the guide: its pictures. What leads elsewhere in the documentation is told by the API's page."""
    return PICTURES + written.removeprefix("pictures/") if written.startswith("pictures/") else written
