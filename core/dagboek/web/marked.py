"""The little Markdown that our own texts are written in, as HTML: headings, paragraphs, lists, pictures, links."""

import re
from collections.abc import Callable
from typing import Final

from markupsafe import Markup, escape

Address = Callable[[str], str]
"""Where a link or picture of the text is found."""

_ITEM: Final = re.compile(r"^(?:\*|-|\d+\.) ", re.M)


def same(address: str) -> str:
    """Links that hold as they are written."""
    return address


def blocks(text: str, address: Address = same) -> Markup:
    """A whole text; blocks stand between empty lines."""
    parts = [part for part in re.split(r"\n\s*\n", text.strip()) if part]
    return Markup("\n").join(_block(part, address) for part in parts)


def inline(text: str, address: Address = same) -> Markup:
    """One line, or several that are one. What is no mark is shown as it is written."""
    found = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(" ".join(text.split()))))
    found = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", found)
    found = re.sub(r"(?<![\w*])\*([^*]+)\*(?![\w*])", r"<em>\1</em>", found)
    found = re.sub(
        r"!\[([^\]]*)\]\(([^)\s]+)\)", lambda made: f'<img alt="{made[1]}" src="{escape(address(made[2]))}">', found
    )
    found = re.sub(
        r"\[([^\]]+)\]\(([^)\s]+)\)", lambda made: f'<a href="{escape(address(made[2]))}">{made[1]}</a>', found
    )
    return Markup(found)  # noqa: S704  # escaped above


def anchor(title: str) -> str:
    """Of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _block(part: str, address: Address) -> Markup:
    if made := re.match(r"(#{1,3}) (.+)$", part):
        level, title = len(made[1]), made[2]
        return Markup('<h{0} id="{1}">{2}</h{0}>').format(level, anchor(title), inline(title, address))
    if _ITEM.match(part):
        kind = "ol" if part[0].isdigit() else "ul"
        rows = [inline(row, address) for row in _ITEM.split(part) if row.strip()]
        return Markup("<{0}>{1}</{0}>").format(kind, Markup("").join(Markup("<li>{}</li>").format(row) for row in rows))
    return Markup("<p>{}</p>").format(inline(part, address))
