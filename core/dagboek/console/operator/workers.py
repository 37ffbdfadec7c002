"""Workers and lanes, live; limits of tools and who has had how much of them."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Response

from dagboek.api.operator import overview
from dagboek.api.operator import workers as of_api
from dagboek.console.pages import Operating, page_router
from dagboek.web.paging import Paging

router = page_router()


@router.get("/operator/workers")
async def workers(
    visitor: Operating, paged: Paging, slot: Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")] = ""
) -> Response:
    """Which live, and what each is at."""
    caller = visitor.caller
    lanes = await of_api.lanes(caller, paged, slot or None)
    values: dict[str, Any] = {
        "workers": (await of_api.all_workers(caller)).items,
        "core_seen_at": (await overview.at_a_glance(caller)).core_seen_at,
        "lanes": lanes.items,
        "next": lanes.next,
        "first": paged.cursor is None,
        "slot": slot,
        "query": urlencode({"slot": slot}) if slot else "",
    }
    if visitor.asked_by_htmx:
        return visitor.part("operator_workers_list.html", **values)
    return await visitor.page("operator_workers.html", **values)


@router.get("/operator/quotas")
async def quotas(visitor: Operating, paged: Paging, low: Annotated[bool, Query()] = False) -> Response:
    """Limits that something is used of."""
    shown = await of_api.all_quotas(visitor.caller, paged, low)
    return await visitor.page(
        "operator_quotas.html", quotas=shown.items, next=shown.next, first=paged.cursor is None, low=low
    )


@router.get("/operator/quotas/shares")
async def shares(
    visitor: Operating, paged: Paging, key: of_api.Name, group: of_api.Name, period: of_api.Name
) -> Response:
    """Who has had how much of one."""
    shown = await of_api.shares(visitor.caller, paged, key, group, period)
    return await visitor.page(
        "operator_shares.html",
        shares=shown.items,
        next=shown.next,
        first=paged.cursor is None,
        key=key,
        group=group,
        period=period,
        query=urlencode({"key": key, "group": group, "period": period}),
    )
