"""Companies of the tenant, where their documents come from, and files that are sent in by hand."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Form, Request, Response
from starlette.datastructures import UploadFile

from dagboek import tenants
from dagboek.api import sent_documents, sources
from dagboek.api.entities import NewEntity, add_entity
from dagboek.api.sent_documents import MOST, OfMany
from dagboek.console.pages import Connecting, Reading, Sending, Visitor, page_router, refusal, see
from dagboek.sent_in import PLUGIN as SENT_IN
from dagboek.sent_in import store
from dagboek.sources import sources_of
from dagboek.web.headers import LARGEST_BODY
from dagboek.web.paging import Paged, Paging, identifier, moment, words
from dagboek.web.rights import Right

router = page_router()

FOLDER = "folder"
"""As the form calls a source that reads a folder of the server."""


@router.get("/companies")
async def listed(visitor: Reading, paged: Paging) -> Response:
    """All of the tenant."""
    caller = visitor.caller
    after = paged.after(words, identifier)
    rows = await tenants.entities_page(
        caller.db, caller.tenant, after=(after[0], after[1]) if after else None, limit=paged.limit + 1
    )
    shown = paged.page(rows, lambda row: row, lambda row: (row.name, row.id))
    return await visitor.page(
        "companies.html",
        companies=shown.items,
        next=shown.next,
        first=paged.cursor is None,
        sources=await _sources(visitor),
    )


@router.get("/companies/new")
async def ask(visitor: Connecting) -> Response:
    """The form for another one."""
    return await _form(visitor)


@router.post("/companies/new")
async def add(
    visitor: Connecting,
    name: Annotated[str, Form(max_length=200)] = "",
    vat_number: Annotated[str, Form(max_length=40)] = "",
    accept_number: Annotated[str, Form()] = "",
    source: Annotated[str, Form(max_length=100)] = SENT_IN,
    folder: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """A company, and where its documents come from."""
    try:
        wanted = NewEntity(name=name.strip(), vat_number=vat_number.strip() or None, accept_number=bool(accept_number))
    except ValueError:
        return await _form(visitor, visitor.speech.say("companies.name_needed"), vat_number=vat_number)
    try:
        made = await add_entity(visitor.caller, wanted)
        if source == FOLDER:
            given = sources.NewSource(plugin="ubl", name=folder.strip() or None, settings={"folder": folder.strip()})
            await sources.add(visitor.caller, given)
        elif source == SENT_IN:
            await sources.add(visitor.caller, sources.NewSource())
    except Exception as error:
        return await _form(
            visitor,
            " ".join(visitor.why(error)),
            code=refusal(error).code,
            name=name,
            vat_number=vat_number,
            source=source,
            folder=folder,
        )
    return see(f"/companies/{made.id}")


@router.get("/companies/{entity_id}")
async def one(visitor: Reading, entity_id: UUID, paged: Paging) -> Response:
    """One company: what was sent in for it."""
    return await _one(visitor, entity_id, paged)


@router.post("/companies/{entity_id}/documents")
async def upload(visitor: Sending, request: Request, entity_id: UUID) -> Response:
    """Files that somebody chose, each with its outcome."""
    caller = visitor.caller
    entity = await tenants.find_entity_by_id(caller.db, caller.tenant, entity_id)
    async with request.form(max_files=MOST, max_fields=10) as form:
        chosen = [part for part in form.getlist("document") if isinstance(part, UploadFile) and part.filename]
        many = [await sent_documents.uploaded(part) for part in chosen]
    if len(many) > MOST:
        return await _one(visitor, entity_id, fault=visitor.speech.say("companies.too_many", most=MOST))
    if not many:
        return await _one(visitor, entity_id, fault=visitor.speech.say("companies.choose_files"))
    outcomes = await sent_documents.take_all(caller, visitor.texts, entity, many)
    return await _one(visitor, entity_id, outcomes=outcomes)


@router.post("/companies/{entity_id}/documents/{document_id}/withdraw")
async def withdraw(visitor: Sending, entity_id: UUID, document_id: UUID) -> Response:
    """Takes a document back."""
    try:
        await sent_documents.withdraw_document(visitor.caller, visitor.texts, entity_id, document_id)
    except store.NotWithdrawn as refused:
        return await _one(visitor, entity_id, fault=" ".join(visitor.why(refused)))
    return see(f"/companies/{entity_id}?done=withdrawn")


@router.get("/companies/{entity_id}/documents/{document_id}/content")
async def content(visitor: Reading, entity_id: UUID, document_id: UUID) -> Response:
    """A document as it was sent."""
    return await sent_documents.content_of_sent_document(visitor.caller, entity_id, document_id)


async def _one(
    visitor: Visitor, entity_id: UUID, paged: Paged | None = None, *, fault: str = "", outcomes: Sequence[OfMany] = ()
) -> Response:
    caller = visitor.caller
    entity = await tenants.find_entity_by_id(caller.db, caller.tenant, entity_id)
    limit = paged.limit if paged else 50
    after = paged.after(moment, identifier) if paged else None
    rows = await store.page(caller.db, entity_id, after=(after[0], after[1]) if after else None, limit=limit + 1)
    shown = paged.page(rows, lambda row: row, lambda row: (row.sent_at, row.id)) if paged else None
    listed = shown.items if shown else rows[:limit]
    return await visitor.page(
        "company.html",
        status=422 if fault else 200,
        entity=entity,
        sources=await _sources(visitor),
        documents=[(row, [visitor.told(issue) for issue in row.issues]) for row in listed],
        next=shown.next if shown else None,
        first=paged is None or paged.cursor is None,
        fault=fault,
        outcomes=outcomes,
        most=MOST,
        megabytes=LARGEST_BODY // 1_000_000,
    )


async def _form(visitor: Visitor, fault: str = "", code: str = "", **given: str) -> Response:
    known = await sources_of(visitor.caller.db, visitor.caller.tenant)
    return await visitor.page(
        "company_new.html",
        status=422 if fault else 200,
        fault=fault,
        code=code,
        given=given,
        folders=[row.name for row in known if row.plugin != SENT_IN],
        operator=Right.OPERATE in visitor.caller.rights,
    )


async def _sources(visitor: Visitor) -> list[tuple[str, str]]:
    """Kind and name of each source of the tenant."""
    speech, plugins = visitor.speech, visitor.web.plugins
    found = []
    for row in await sources_of(visitor.caller.db, visitor.caller.tenant):
        key = f"companies.source_{row.plugin}"
        kind = speech.say(key) if speech.knows(key) else sources.title_of(plugins, row.plugin)
        found.append((kind, "" if row.plugin == SENT_IN else row.name))
    return found
