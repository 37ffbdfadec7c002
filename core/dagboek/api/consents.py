"""Connecting a tool by a person's consent: where their browser goes, and what it brings back (RFC 6749, 4.1).

What was filled in waits with whoever asked, encrypted: nothing is stored before the tool has accepted it.
"""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from dagboek_sdk import clock
from dagboek_sdk.oauth import OAuth, OAuthPlugin
from fastapi import Response
from pydantic import BaseModel, Field

from dagboek import connections
from dagboek.api.connecting import TOOL, Begun, NewConnection, asking, begun_as, refuse_addresses
from dagboek.consent import Consent, read_answer
from dagboek.logins import check_settings
from dagboek.tenants import find_entity_by_id
from dagboek.vault import VaultError
from dagboek.web.caller import Caller, Connector
from dagboek.web.problems import Fault, Problem, answers
from dagboek.web.routes import api_router

router = api_router("connections")

LASTS: Final = timedelta(minutes=10)
"""How long a question stays open."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class ConsentWanted(NewConnection):
    """A login whose user is to consent."""

    redirect_uri: Annotated[
        str, Field(max_length=500, description="where the tool sends the browser back to: one that the app registered")
    ]


class ConsentAsked(BaseModel):
    """The question, for the person's browser."""

    address: str = Field(description="where the person consents")
    ticket: str = Field(description="give it back with the answer; keep it from others")
    until: datetime


class ConsentGiven(BaseModel):
    """What the browser came back with."""

    ticket: Annotated[str, Field(max_length=20_000)]
    address: Annotated[str, Field(max_length=10_000, description="the whole address that the tool sent the browser to")]


class Open(BaseModel):
    """A question that waits for its answer: what a ticket holds."""

    entity_id: UUID
    tool: str
    login: dict[str, Any]
    state: str
    redirect_uri: str
    who: str
    tenant: UUID
    until: datetime


@router.post("/consents", status_code=201, responses=answers(404, 409))
async def ask(caller: Connector, response: Response, wanted: ConsentWanted) -> ConsentAsked:
    """Where to send the browser of the person who consents. Nothing is stored; the answer is taken for ten minutes."""
    await find_entity_by_id(caller.db, caller.tenant, wanted.entity_id)
    plugin = caller.web.plugins.tool(wanted.tool)
    if not issubclass(plugin, OAuthPlugin):
        raise Problem(409, "no_consent_needed", f"{plugin.about.title} is connected with a login: POST /connections.")
    refuse_addresses(caller, wanted.login)
    oauth = plugin.oauth(check_settings(plugin.about.settings, wanted.login, plugin.about.title))
    redirect_uri, state = oauth.redirect_uri or _sound(wanted.redirect_uri), secrets.token_urlsafe(32)
    until = clock.now() + LASTS
    waits = Open(
        entity_id=wanted.entity_id, tool=wanted.tool, login=wanted.login, state=state, redirect_uri=redirect_uri,
        who=caller.who, tenant=caller.tenant, until=until,
    )  # fmt: skip
    ticket = caller.web.vault.encrypt(waits.model_dump(mode="json")).decode()
    response.headers["Cache-Control"] = "no-store"
    return ConsentAsked(address=oauth.address(redirect_uri, state), ticket=ticket, until=until)


@router.post("/consents/answer", status_code=201, responses=TOOL | answers(404))
async def answer(caller: Connector, given: ConsentGiven) -> Begun:
    """Begin the connection with the consent that the browser brought back."""
    web, waits = caller.web, opened(caller, given.ticket)

    async def consent(_: OAuth) -> Consent:
        return read_answer(given.address, waits.state, waits.redirect_uri)

    async with asking():
        begun = await connections.connect(
            web.core, web.plugins, web.vault, tenant_id=caller.tenant, entity_id=waits.entity_id, plugin=waits.tool,
            given=waits.login, consent=consent,
        )  # fmt: skip
    await caller.note("connection.begin", begun.connection_id, tool=waits.tool, entity=str(waits.entity_id))
    return begun_as(begun)


def opened(caller: Caller, ticket: str) -> Open:
    """The caller's own open question. Problem 409 for a ticket that is too old, or of somebody else."""
    try:
        waits = Open.model_validate(caller.web.vault.decrypt(ticket.encode()))
    except (VaultError, ValueError):
        raise Problem(409, "consent_gone", "This answers no open question: ask again.") from None
    if (waits.who, waits.tenant) != (caller.who, caller.tenant) or waits.until < clock.now():
        raise Problem(409, "consent_gone", "This answers no open question: ask again.")
    return waits


def _sound(address: str) -> str:
    parts = urlsplit(address)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        return address
    fault = Fault(field="body.redirect_uri", message="an https address; http on this machine alone")
    raise Problem(422, "redirect_uri", "The browser cannot be sent back there.", errors=[fault])
