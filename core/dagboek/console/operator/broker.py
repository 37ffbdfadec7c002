"""How far readers are behind, and dead letters: what only the brokers know. Pages open without them, and say so."""

from typing import Annotated, Any

from fastapi import Query, Response

from dagboek.api.operator import broker as of_api
from dagboek.console.operator.people import why
from dagboek.console.pages import Operating, Visitor, page_router, see
from dagboek.installation.lag import KafkaAway
from dagboek.web.paging import Paging

router = page_router()


@router.get("/operator/lag")
async def lag(visitor: Operating) -> Response:
    """By topic and group, live."""
    values: dict[str, Any] = {"found": await of_api.lag(visitor.caller)}
    if visitor.asked_by_htmx:
        return visitor.part("operator_lag_numbers.html", **values)
    return await visitor.page("operator_lag.html", **values)


@router.get("/operator/dead-letters")
async def dead_letters(visitor: Operating, paged: Paging) -> Response:
    """Newest first."""
    trouble, shown = "", None
    try:
        shown = await of_api.dead_letters(visitor.caller, paged)
    except KafkaAway as away:
        trouble = str(away)
    return await visitor.page(
        "operator_letters.html",
        letters=shown.items if shown else [],
        next=shown.next if shown else None,
        first=paged.cursor is None,
        trouble=trouble,
    )


@router.get("/operator/dead-letters/{partition}/{offset}")
async def dead_letter(
    visitor: Operating, partition: of_api.Partition, offset: of_api.Offset, done: Annotated[str, Query()] = ""
) -> Response:
    """One of them."""
    return await _one(visitor, partition, offset, done=done == "yes")


@router.post("/operator/dead-letters/{partition}/{offset}/publish")
async def publish(visitor: Operating, partition: of_api.Partition, offset: of_api.Offset) -> Response:
    """Publishes it again, once."""
    try:
        await of_api.publish(visitor.caller, partition, offset)
    except KafkaAway:
        return await dead_letter(visitor, partition, offset)  # which says so
    except Exception as error:
        return await _one(visitor, partition, offset, fault=why(visitor, error))
    return see(f"/operator/dead-letters/{partition}/{offset}?done=yes")


async def _one(visitor: Visitor, partition: int, offset: int, *, fault: str = "", done: bool = False) -> Response:
    try:
        letter = await of_api.dead_letter(visitor.caller, partition, offset)
    except KafkaAway as away:
        return await visitor.page("operator_letters.html", letters=[], next=None, first=True, trouble=str(away))
    return await visitor.page(
        "operator_letter.html", status=422 if fault else 200, letter=letter, fault=fault, done=done
    )
