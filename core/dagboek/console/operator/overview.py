"""The installation at a glance, connections of all tenants, and who did what in them."""

from typing import Annotated, Any

from fastapi import Query, Response

from dagboek.api.operator import overview as of_api
from dagboek.connections import State
from dagboek.console.pages import Operating, page_router
from dagboek.web.paging import Paging

router = page_router()


@router.get("/operator")
async def at_a_glance(visitor: Operating) -> Response:
    """Tenants, connections and runs in numbers."""
    values: dict[str, Any] = {"found": await of_api.at_a_glance(visitor.caller)}
    if visitor.asked_by_htmx:
        return visitor.part("operator_numbers.html", **values)
    return await visitor.page("operator_overview.html", **values)


@router.get("/operator/connections")
async def connections(
    visitor: Operating,
    paged: Paging,
    plugin: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[State | None, Query()] = None,
    not_installed: Annotated[bool, Query()] = False,
) -> Response:
    """Connections of all tenants."""
    shown = await of_api.all_connections(
        visitor.caller, paged, plugin=plugin.replace("\x00", "") or None, state=state, not_installed=not_installed
    )
    return await visitor.page(
        "operator_connections.html",
        connections=shown.items,
        next=shown.next,
        first=paged.cursor is None,
        plugin=plugin,
        state=state,
        not_installed=not_installed,
        states=list(State),
    )


@router.get("/operator/trail")
async def trail(visitor: Operating, paged: Paging) -> Response:
    """Who did what, in all tenants and in the installation."""
    shown = await of_api.whole_trail(visitor.caller, paged)
    return await visitor.page("operator_trail.html", deeds=shown.items, next=shown.next, first=paged.cursor is None)
