"""Webhooks of the tenant, for its administrators: addresses that are told what happens, and what became of it."""

import json
from collections.abc import Mapping
from typing import Annotated, Final
from uuid import UUID

from dagboek_schemas.events import OUTCOME_TYPES, ComponentFinished, PaymentChanged, RunFinished
from dagboek_schemas.statuses import ItemKind, ItemState
from fastapi import Form, Query, Response

from dagboek.api import webhooks as of_api
from dagboek.console.pages import Managing, Visitor, page_router, see
from dagboek.speech import Speech
from dagboek.web.paging import Paging, identifier, moment
from dagboek.webhooks import deliveries, endpoints
from dagboek.webhooks.addresses import LONGEST
from dagboek.webhooks.deliveries import DeliveryState
from dagboek.webhooks.kinds import TYPES

router = page_router()

USUAL: Final = (
    RunFinished.TYPE,
    *(
        type_
        for type_, (kind, state) in OUTCOME_TYPES.items()
        if kind is ItemKind.DOCUMENT and state in (ItemState.SYNCED, ItemState.SKIPPED, ItemState.NEEDS_PERSON)
    ),
)
"""Ticked where a webhook is new."""
GROUPS: Final = {
    "runs": [RunFinished.TYPE, ComponentFinished.TYPE],
    "documents": [type_ for type_ in TYPES if type_.startswith("dagboek.document.")],
    "parties": [type_ for type_ in TYPES if type_.startswith("dagboek.party.")],
}
_NAMED: Final = {
    RunFinished.TYPE: "webhooks.run_finished",
    ComponentFinished.TYPE: "webhooks.component_finished",
    PaymentChanged.TYPE: "webhooks.payment_changed",
    "dagboek.party.synced.v1": "webhooks.party_synced",
    "dagboek.webhook.test.v1": "webhooks.test_event",
}

Address = Annotated[str, Form(max_length=LONGEST + 100)]
Types = Annotated[list[str] | None, Form()]
Description = Annotated[str, Form(max_length=200)]


@router.get("/webhooks")
async def listed(visitor: Managing) -> Response:
    """All of them, and the form for another."""
    return await _list(visitor)


@router.post("/webhooks")
async def add(visitor: Managing, address: Address, types: Types = None, description: Description = "") -> Response:
    """Makes one; its secret is shown this once."""
    given = {"address": address.strip(), "types": types or [], "description": description.strip()}
    try:
        made = await of_api.register(visitor.caller, Response(), of_api.NewWebhook.model_validate(given))
    except Exception as error:
        return await _list(visitor, fault=_why(visitor, error), given=given)
    return await _one(visitor, made.id, secret=made.secret)


@router.get("/webhooks/{webhook_id}")
async def shown(
    visitor: Managing, webhook_id: UUID, paged: Paging, state: Annotated[DeliveryState | None, Query()] = None
) -> Response:
    """One, with what was sent to it."""
    return await _one(visitor, webhook_id, paged, state)


@router.post("/webhooks/{webhook_id}")
async def change(
    visitor: Managing,
    webhook_id: UUID,
    address: Address,
    seen: Annotated[str, Form(max_length=100)],
    types: Types = None,
    description: Description = "",
) -> Response:
    """Changes where it is sent, or what."""
    given = {"address": address.strip(), "types": types or [], "description": description.strip()}
    try:
        wanted = of_api.NewWebhook.model_validate(given)
        await of_api.change(visitor.caller, Response(), webhook_id, wanted, seen)
    except Exception as error:
        return await _one(visitor, webhook_id, fault=_why(visitor, error), given=given)
    return see(f"/webhooks/{webhook_id}")


@router.post("/webhooks/{webhook_id}/pause")
async def pause(visitor: Managing, webhook_id: UUID) -> Response:
    """Sends nothing for a while."""
    await of_api.pause(visitor.caller, webhook_id)
    return see(f"/webhooks/{webhook_id}")


@router.post("/webhooks/{webhook_id}/resume")
async def resume(visitor: Managing, webhook_id: UUID) -> Response:
    """Sends again."""
    await of_api.resume(visitor.caller, webhook_id)
    return see(f"/webhooks/{webhook_id}")


@router.post("/webhooks/{webhook_id}/secret")
async def rotate(visitor: Managing, webhook_id: UUID) -> Response:
    """Replaces the secret; the new one is shown this once."""
    new = await of_api.rotate(visitor.caller, Response(), webhook_id)
    return await _one(visitor, webhook_id, secret=new.secret)


@router.post("/webhooks/{webhook_id}/test")
async def test(visitor: Managing, webhook_id: UUID) -> Response:
    """Sends a test event, and shows what comes of it."""
    sent = await of_api.test(visitor.caller, webhook_id)
    return see(f"/webhooks/{webhook_id}/deliveries/{sent.delivery_id}")


@router.post("/webhooks/{webhook_id}/delete")
async def delete(visitor: Managing, webhook_id: UUID) -> Response:
    """Ends it."""
    await of_api.delete(visitor.caller, webhook_id)
    return see("/webhooks")


@router.get("/webhooks/{webhook_id}/deliveries/{delivery_id}")
async def delivery(visitor: Managing, webhook_id: UUID, delivery_id: UUID) -> Response:
    """One delivery, with its tries."""
    return await _delivery(visitor, webhook_id, delivery_id)


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/send-again")
async def send_again(visitor: Managing, webhook_id: UUID, delivery_id: UUID) -> Response:
    """Sends it once more."""
    try:
        await of_api.send_again(visitor.caller, webhook_id, delivery_id)
    except Exception as error:
        return await _delivery(visitor, webhook_id, delivery_id, fault=_why(visitor, error))
    return see(f"/webhooks/{webhook_id}/deliveries/{delivery_id}")


def type_word(speech: Speech, type_: str) -> str:
    """What an event is called; the type itself where it has no name."""
    if type_ in _NAMED:
        return speech.say(_NAMED[type_])
    return speech.say(f"status.item_{OUTCOME_TYPES[type_][1]}") if type_ in OUTCOME_TYPES else type_


def event_word(speech: Speech, type_: str) -> str:
    """The same, with what it is about."""
    kind = OUTCOME_TYPES[type_][0] if type_ in OUTCOME_TYPES else None
    about = f"{speech.say(f'webhooks.of_{kind}')}{speech.say('common.colon')} " if kind is not None else ""
    return about + type_word(speech, type_)


def _why(visitor: Visitor, error: Exception) -> str:
    if isinstance(error, ValueError):  # of the API's models
        return visitor.speech.say("webhooks.choose")
    return " ".join(visitor.why(error))


async def _list(visitor: Visitor, fault: str = "", given: Mapping[str, object] | None = None) -> Response:
    caller = visitor.caller
    return await visitor.page(
        "webhooks.html",
        status=422 if fault else 200,
        webhooks=await endpoints.page(caller.db, caller.tenant, limit=endpoints.MOST),
        fault=fault,
        given=given or {"address": "", "description": "", "types": USUAL},
        groups=GROUPS,
        type_word=type_word,
    )


async def _one(
    visitor: Visitor,
    webhook_id: UUID,
    paged: Paging | None = None,
    state: DeliveryState | None = None,
    *,
    secret: str = "",
    fault: str = "",
    given: Mapping[str, object] | None = None,
) -> Response:
    caller, limit = visitor.caller, paged.limit if paged else 50
    found = await endpoints.find(caller.db, caller.tenant, webhook_id)
    after = paged.after(moment, identifier) if paged else None
    place = (after[0], after[1]) if after else None
    rows = await deliveries.page(caller.db, caller.tenant, webhook_id, state=state, after=place, limit=limit + 1)
    page = paged.page(rows, lambda row: row, lambda row: (row.created_at, row.id)) if paged else None
    return await visitor.page(
        "webhook.html",
        status=422 if fault else 200,
        webhook=found,
        deliveries=page.items if page else rows[:limit],
        next=page.next if page else None,
        first=paged is None or paged.cursor is None,
        state=state,
        states=list(DeliveryState),
        secret=secret,
        fault=fault,
        given=given or {"address": found.address, "description": found.description, "types": found.types},
        seen=of_api.tag_of(of_api.WebhookShown.model_validate(found)),
        groups=GROUPS,
        type_word=type_word,
        event_word=event_word,
    )


async def _delivery(visitor: Visitor, webhook_id: UUID, delivery_id: UUID, fault: str = "") -> Response:
    found, body, tries = await of_api.details(visitor.caller, webhook_id, delivery_id)
    return await visitor.page(
        "webhook_delivery.html",
        status=422 if fault else 200,
        webhook_id=webhook_id,
        delivery=found,
        body=json.dumps(json.loads(body), indent=2, ensure_ascii=False),
        tries=tries,
        fault=fault,
        event_word=event_word,
    )
