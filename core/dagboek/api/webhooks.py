"""Webhooks of a tenant: where its programs are told what happens (docs/guides/webhooks.md)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Header, Query, Response
from pydantic import BaseModel, Field

from dagboek.api.fields import Shown
from dagboek.web.caller import Caller, Manager
from dagboek.web.paging import Page, Paging, identifier, moment
from dagboek.web.problems import Fault, Problem, answers
from dagboek.web.routes import api_router, etag_of, require_match
from dagboek.webhooks import deliveries, endpoints
from dagboek.webhooks.addresses import LONGEST, Allowed, UnusableAddress, checked
from dagboek.webhooks.deliveries import AttemptRow, Delivery, DeliveryState
from dagboek.webhooks.endpoints import GRACE_HOURS, OffReason, State
from dagboek.webhooks.kinds import TYPES
from dagboek.webhooks.sending import Trouble

router = api_router("webhooks")

EventType = StrEnum("EventType", {name: name for name in TYPES})  # type: ignore[misc]
"""What a webhook may be told."""


class WebhookShown(Shown):
    """Where a tenant is told what happens."""

    id: UUID
    address: str
    description: str
    types: list[str] = Field(description="events that are sent")
    state: State = Field(description="`paused`: what happens is kept for it; `off`: it is not")
    off_reason: OffReason | None = Field(None, description="why we have switched it off")
    failing_since: datetime | None = Field(None, description="nothing has arrived since")
    old_secret_until: datetime | None = Field(None, description="until then the secret of before signs as well")
    created_by: str
    created_at: datetime


class NewWebhook(BaseModel):
    """Where to send, and what."""

    address: Annotated[str, Field(min_length=1, max_length=LONGEST)] = Field(
        description="a public address that begins with https://"
    )
    types: Annotated[list[EventType], Field(min_length=1, max_length=len(TYPES))]
    description: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""


class WebhookMade(WebhookShown):
    """A new webhook."""

    secret: str = Field(description="what deliveries are signed with; it is told this once")


class NewSecret(BaseModel):
    """Another secret for a webhook."""

    secret: str = Field(description="it is told this once")
    old_secret_until: datetime | None = Field(description="until then the secret of before signs as well")


class DeliveryShown(Shown):
    """An event for a webhook."""

    id: UUID
    event_id: UUID = Field(description="the header `webhook-id`, the same however often it is sent")
    type: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_at: datetime | None = Field(description="when it is sent next")
    ended_at: datetime | None
    status: int | None = Field(description="HTTP status of the latest answer")
    trouble: Trouble | None = Field(description="why the latest try did not succeed")


class AttemptShown(Shown):
    """One try."""

    at: datetime
    milliseconds: int
    status: int | None
    trouble: Trouble | None
    answer: str = Field(description="the beginning of what was answered, without what looks like a secret")


class DeliveryDetails(DeliveryShown):
    """A delivery with its tries."""

    body: Any = Field(description="what is sent")
    tries: list[AttemptShown] = Field(description="the latest first")


class Sent(BaseModel):
    """Something is on its way."""

    delivery_id: UUID


@router.get("/webhooks")
async def list_webhooks(caller: Manager, paged: Paging) -> Page[WebhookShown]:
    """Webhooks of the tenant, oldest first."""
    after = paged.after(moment, identifier)
    place = (after[0], after[1]) if after else None
    rows = await endpoints.page(caller.db, caller.tenant, after=place, limit=paged.limit + 1)
    return paged.page(rows, WebhookShown.model_validate, lambda one: (one.created_at, one.id))


@router.post("/webhooks", status_code=201)
async def register(caller: Manager, response: Response, given: NewWebhook) -> WebhookMade:
    """Have events sent to an address. Its secret is told this once: the same Idempotency-Key again gets 409."""
    response.headers["Cache-Control"] = "no-store"
    address = await _usable(caller, given.address)
    secret, made = await endpoints.register(
        caller.db, caller.web.vault, caller.tenant, address, _types(given), given.description, caller.who
    )
    await caller.note("webhook.add", made.id, types=list(made.types))
    return WebhookMade(**WebhookShown.model_validate(made).model_dump(), secret=secret)


@router.get("/webhooks/{webhook_id}")
async def webhook(caller: Manager, response: Response, webhook_id: UUID) -> WebhookShown:
    """A webhook."""
    found = WebhookShown.model_validate(await endpoints.find(caller.db, caller.tenant, webhook_id))
    response.headers["ETag"] = tag_of(found)
    return found


@router.put("/webhooks/{webhook_id}", responses=answers(412, 428))
async def change(
    caller: Manager,
    response: Response,
    webhook_id: UUID,
    given: NewWebhook,
    if_match: Annotated[str | None, Header(description="ETag of the webhook that was read")] = None,
) -> WebhookShown:
    """Change where events are sent, or which. What waits goes to the new address."""
    before = WebhookShown.model_validate(await endpoints.find(caller.db, caller.tenant, webhook_id))
    require_match(if_match, tag_of(before))
    address = await _usable(caller, given.address)
    after = await endpoints.change(caller.db, caller.tenant, webhook_id, address, _types(given), given.description)
    await caller.note("webhook.change", webhook_id, types=list(after.types))
    shown = WebhookShown.model_validate(after)
    response.headers["ETag"] = tag_of(shown)
    return shown


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def delete(caller: Manager, webhook_id: UUID) -> Response:
    """Send nothing there any more. What waits is not sent."""
    await endpoints.find(caller.db, caller.tenant, webhook_id)
    await endpoints.delete(caller.db, caller.tenant, webhook_id)
    await caller.note("webhook.delete", webhook_id)
    return Response(status_code=204)


@router.post("/webhooks/{webhook_id}/pause")
async def pause(caller: Manager, webhook_id: UUID) -> WebhookShown:
    """Send nothing until it is resumed. What happens meanwhile is kept, for three days."""
    if await endpoints.pause(caller.db, caller.tenant, webhook_id):
        await caller.note("webhook.pause", webhook_id)
    return WebhookShown.model_validate(await endpoints.find(caller.db, caller.tenant, webhook_id))


@router.post("/webhooks/{webhook_id}/resume")
async def resume(caller: Manager, webhook_id: UUID) -> WebhookShown:
    """Send again, beginning with what waits. Also for one that was switched off."""
    if await endpoints.resume(caller.db, caller.tenant, webhook_id):
        await caller.note("webhook.resume", webhook_id)
    return WebhookShown.model_validate(await endpoints.find(caller.db, caller.tenant, webhook_id))


@router.post(
    "/webhooks/{webhook_id}/secret",
    description=f"Deliveries are signed with both secrets for {GRACE_HOURS} hours, so that none is refused until "
    "the new one is put in place. It is told this once.",
)
async def rotate(caller: Manager, response: Response, webhook_id: UUID) -> NewSecret:
    """Replace the secret."""
    response.headers["Cache-Control"] = "no-store"
    found = await endpoints.find(caller.db, caller.tenant, webhook_id)
    secret = await endpoints.rotate(caller.web.core, caller.web.vault, found)
    await caller.note("webhook.rotate", webhook_id)
    after = await endpoints.find(caller.db, caller.tenant, webhook_id)
    return NewSecret(secret=secret, old_secret_until=after.old_secret_until)


@router.post("/webhooks/{webhook_id}/test", status_code=202)
async def test(caller: Manager, webhook_id: UUID) -> Sent:
    """Send a test event, once, also where it is paused or off. Its delivery says what came of it."""
    found = await endpoints.find(caller.db, caller.tenant, webhook_id)
    delivery_id = await endpoints.test(caller.db, found)
    await caller.note("webhook.test", webhook_id)
    return Sent(delivery_id=delivery_id)


@router.get("/webhooks/{webhook_id}/deliveries")
async def list_deliveries(
    caller: Manager, webhook_id: UUID, paged: Paging, state: Annotated[DeliveryState | None, Query()] = None
) -> Page[DeliveryShown]:
    """What was sent, or waits to be, newest first. Kept for two weeks."""
    await endpoints.find(caller.db, caller.tenant, webhook_id)
    after = paged.after(moment, identifier)
    place = (after[0], after[1]) if after else None
    rows = await deliveries.page(caller.db, caller.tenant, webhook_id, state=state, after=place, limit=paged.limit + 1)
    return paged.page(rows, DeliveryShown.model_validate, lambda one: (one.created_at, one.id))


@router.get("/webhooks/{webhook_id}/deliveries/{delivery_id}")
async def delivery(caller: Manager, webhook_id: UUID, delivery_id: UUID) -> DeliveryDetails:
    """A delivery, what is sent, and its tries."""
    found, sent, tries = await details(caller, webhook_id, delivery_id)
    return DeliveryDetails(
        **DeliveryShown.model_validate(found).model_dump(),
        body=orjson.loads(sent),
        tries=[AttemptShown.model_validate(one) for one in tries],
    )


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/send-again", status_code=202)
async def send_again(caller: Manager, webhook_id: UUID, delivery_id: UUID) -> Sent:
    """Send it once more, under the same `webhook-id`, also if it was delivered."""
    found = await endpoints.find(caller.db, caller.tenant, webhook_id)
    await deliveries.one(caller.db, caller.tenant, webhook_id, delivery_id)
    if found.state is State.OFF:
        raise Problem(409, "webhook_off", "The webhook is switched off. Resume it first.")
    if await deliveries.send_again(caller.db, caller.tenant, webhook_id, delivery_id):
        await caller.note("webhook.send_again", webhook_id, delivery=str(delivery_id))
    return Sent(delivery_id=delivery_id)


async def details(caller: Caller, webhook_id: UUID, delivery_id: UUID) -> tuple[Delivery, bytes, list[AttemptRow]]:
    """A delivery of a webhook of the caller's, what is sent, and its tries."""
    await endpoints.find(caller.db, caller.tenant, webhook_id)
    found = await deliveries.one(caller.db, caller.tenant, webhook_id, delivery_id)
    return found, await deliveries.body(caller.db, delivery_id), await deliveries.attempts(caller.db, delivery_id)


async def _usable(caller: Caller, address: str) -> str:
    try:
        return await checked(address, Allowed.of(caller.web.settings.webhook_networks))
    except UnusableAddress as unusable:
        fault = Fault(field="body.address", message=str(unusable))
        raise Problem(422, f"webhook_{unusable.code}", str(unusable), errors=[fault]) from None


def _types(given: NewWebhook) -> list[str]:
    return [str(one) for one in given.types]


def tag_of(found: WebhookShown) -> str:
    """Its ETag."""
    return etag_of(found.model_dump_json().encode())
