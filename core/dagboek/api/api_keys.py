"""API keys of a tenant."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from dagboek_sdk import clock
from fastapi import Response
from pydantic import BaseModel, Field

from dagboek.api.fields import Moment, Shown
from dagboek.web.caller import Manager
from dagboek.web.paging import Page, Paging, identifier, moment
from dagboek.web.problems import Fault, Problem, not_found
from dagboek.web.rights import Right
from dagboek.web.routes import api_router
from dagboek.web.signin import keys

router = api_router("api keys")


class KeyShown(Shown):
    """A key, without its secret."""

    id: UUID
    name: str
    start: str = Field(description="how it begins, to know it by")
    scopes: list[Right]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None = Field(description="about when it was used last")
    revoked_at: datetime | None


class NewKey(BaseModel):
    """A key to be made."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*\S[^\x00]*$")]
    scopes: Annotated[list[Right], Field(min_length=1, max_length=20)] = Field(
        description="rights of the caller; `operate` is of people alone", examples=[["read", "send"]]
    )
    expires_at: Moment | None = Field(None, examples=["2099-12-31T00:00:00Z"])


class KeyMade(KeyShown):
    """A new key."""

    key: str = Field(description="the secret; it is told this once")


@router.get("/api-keys")
async def api_keys(caller: Manager, paged: Paging) -> Page[KeyShown]:
    """Keys of the tenant, oldest first; those that were revoked, too."""
    after = paged.after(moment, identifier)
    rows = await keys.keys(caller.db, after=(after[0], after[1]) if after else None, limit=paged.limit + 1)
    return paged.page(rows, KeyShown.model_validate, lambda one: (one.created_at, one.id))


@router.post("/api-keys", status_code=201)
async def make_key(caller: Manager, response: Response, given: NewKey) -> KeyMade:
    """Make a key. Its secret is told this once: the same Idempotency-Key again gets 409, and no second key."""
    response.headers["Cache-Control"] = "no-store"
    lacking = [scope for scope in given.scopes if scope not in caller.rights or scope is Right.OPERATE]
    if lacking:
        fault = Fault(field="body.scopes", message=f"not the caller's to give: {', '.join(lacking)}")
        raise Problem(422, "scopes", "A key can do no more than who makes it.", errors=[fault])
    if given.expires_at is not None and given.expires_at <= clock.now():
        fault = Fault(field="body.expires_at", message="has passed")
        raise Problem(422, "invalid", "What was sent cannot be used.", errors=[fault])
    secret, made = await keys.make_key(caller.db, caller.tenant, given.name, given.scopes, caller.who, given.expires_at)
    await caller.note("api_key.add", made.id, name=made.name, scopes=list(made.scopes))
    return KeyMade(**KeyShown.model_validate(made).model_dump(), key=secret)


@router.delete("/api-keys/{key_id}", status_code=204)
async def revoke_key(caller: Manager, key_id: UUID) -> Response:
    """End a key. One that has ended stays so."""
    found = await keys.find_key(caller.db, key_id)
    if found is None:
        raise not_found("key")
    if await keys.revoke(caller.db, key_id):
        await caller.note("api_key.revoke", key_id, name=found.name)
    return Response(status_code=204)
