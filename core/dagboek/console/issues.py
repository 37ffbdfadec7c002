"""What an issue means, wherever it comes up: the catalogue's entry."""

from fastapi import Response

from dagboek.console.pages import Reading, page_router
from dagboek.web.problems import not_found

router = page_router()


@router.get("/issues/{code}")
async def one(visitor: Reading, code: str) -> Response:
    """One entry of the catalogue."""
    entry = visitor.web.catalogue.entry(code)
    if entry is None:
        raise not_found("issue")
    text = entry.texts.get(visitor.speech.language) or entry.texts["en"]
    return await visitor.page(
        "issue.html",
        entry=entry,
        text=text,
        components=sorted(entry.components, key=lambda one: one.position),
        tool=visitor.tool_title(entry.tool) if entry.tool else None,
    )
