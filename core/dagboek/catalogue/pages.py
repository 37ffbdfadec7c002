"""The documentation's pages of common issues and solutions, made from the catalogue."""

from collections.abc import Iterable, Mapping

from dagboek_sdk.hooks import CatalogueEntry

from dagboek.catalogue import LANGUAGES, Catalogue, placeholders, plain

_GENERATED = "<!-- Written by `python -m dagboek.catalogue`; do not edit. -->"


def pages(catalogue: Catalogue) -> Mapping[str, str]:
    """File name → Markdown: `issues.md` for Dagboek itself, `issues-octopus.md` and the like for plugins."""
    groups: dict[str, list[CatalogueEntry]] = {}
    for entry in catalogue:
        distribution = (catalogue.origin(entry.code) or "dagboek").split()[0]
        groups.setdefault(distribution.removeprefix("dagboek-"), []).append(entry)
    return {
        "issues.md" if group == "dagboek" else f"issues-{group}.md": _page(group, entries)
        for group, entries in groups.items()
    }


def _page(group: str, entries: Iterable[CatalogueEntry]) -> str:
    of = "" if group == "dagboek" else f" of {group}"
    rows = [
        "| code | severity | title | facts |",
        "| --- | --- | --- | --- |",
        *(_row(entry) for entry in entries),
    ]
    intro = (
        "What Dagboek may report, why, and what to do. Words in braces are filled in for each case; they are the "
        "*facts* of the issue. A warning or an error keeps an item from being booked; information says that "
        "it waits, or remarks on what was booked. A plugin may use every code of Dagboek itself; some are there for "
        "plugins alone, whose tool has no words of its own."
    )
    parts = [_GENERATED, f"# Common issues and solutions{of}", intro, "\n".join(rows)]
    return "\n\n".join([*parts, *(_section(entry) for entry in entries)]) + "\n"


def _row(entry: CatalogueEntry) -> str:
    facts = sorted(placeholders(entry.texts["en"]))
    title = entry.texts["en"].title.replace("|", "\\|")
    return f"| [{entry.code}](#{entry.code.lower()}) | {entry.severity} | {title} | {' '.join(facts)} |"


def _section(entry: CatalogueEntry) -> str:
    told = [
        f"- **{text.title}** ({language}). {plain(text.cause)} *{plain(text.remedy)}*"
        for language in reversed(LANGUAGES)
        if (text := entry.texts.get(language))
    ]
    return "\n".join([f"## {entry.code}", "", *told])
