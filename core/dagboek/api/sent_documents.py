"""Documents that are sent in: UBL or our JSON, one or many, kept before the answer and booked by the next run."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from dagboek_schemas.documents import Direction, Kind
from dagboek_sdk.file_names import harmless
from fastapi import Query, Request, Response
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from dagboek.api.texts import IssueShown, Texts, Words
from dagboek.sent_in import store
from dagboek.sent_in.arriving import MOST_FILES, File, NotTaken, Sent, arrive, format_of, format_within
from dagboek.sent_in.store import Outcome, SentRow
from dagboek.tenants import Entity, find_entity_by_id
from dagboek.web.caller import Caller, Reader, Sender
from dagboek.web.paging import Page, Paging, identifier, moment
from dagboek.web.problems import Fault, Problem, ProblemDetails, answers, problem_of
from dagboek.web.routes import api_router

router = api_router("sent documents")

MOST: Final = 100
"""Documents of one call."""
FORM: Final = "multipart/form-data"
JSON: Final = "application/json"
LINES: Final = ("application/x-ndjson", "application/jsonl")

OwnId = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f]+$",
        description="your own id of the document: sent again under it, it is the same document",
    ),
]


class SentShown(BaseModel):
    """A document that was sent in, as it was sent last."""

    id: UUID
    source_document_id: str = Field(description="the sender's id of it, or what it is known by")
    version: int = Field(description="1, and one more whenever other content was sent")
    direction: Direction
    kind: Kind
    number: str
    issue_date: date
    party: str
    gross: Decimal
    currency: str
    format: str
    file_name: str
    files: int = Field(description="that came beside it; those within it are not counted")
    sent_by: str
    sent_at: datetime
    planned: bool = Field(description="a synchronisation has looked at this version")
    standing: str = Field(
        description="`waiting` until a synchronisation has come to it, `duplicate`, `withdrawn`, or as of a document"
    )
    identity: str | None = Field(description="of the document, in `/documents/{identity}`; null until it is planned")
    booking_number: str | None
    issues: list[IssueShown] = Field(description="why it is not booked, or remarks")


class Taken(BaseModel):
    """What became of a document: it is kept, and booked by the next synchronisation."""

    id: UUID
    address: str = Field(description="where to look at it")
    source_document_id: str
    version: int
    outcome: Outcome
    direction: Direction
    kind: Kind
    number: str
    remarks: list[IssueShown]


class OfMany(BaseModel):
    """What became of one of many."""

    place: int = Field(description="from 1: the line, the place in the array, or the part of the form")
    file_name: str = ""
    status: int = Field(description="as if it had been sent alone: 201, 200, 422")
    document: Taken | None = None
    problem: ProblemDetails | None = None


class Outcomes(BaseModel):
    """What became of many: each stands alone."""

    items: list[OfMany]


_XML: Final[dict[str, Any]] = {"type": "string", "description": "UBL 2.1, Invoice or CreditNote"}
_JSON: Final = {"$ref": "#/components/schemas/SentDocument"}
_PART: Final = {"type": "string", "contentMediaType": "application/octet-stream"}


def _takes(description: str, content: dict[str, Any]) -> dict[str, Any]:
    shown = {media: {"schema": schema} for media, schema in content.items()}
    return {"requestBody": {"required": True, "description": description, "content": shown}}


@router.post(
    "/entities/{entity_id}/documents",
    status_code=201,
    responses={200: {"model": Taken, "description": "It was here: unchanged, or in a new version"}, **answers(415)},
    openapi_extra=_takes(
        "One document. As a form: the part `document` (XML or JSON), and as `attachment` files such as its PDF.",
        {
            "application/xml": _XML,
            JSON: _JSON,
            FORM: {
                "type": "object",
                "required": ["document"],
                "properties": {"document": _PART, "attachment": {"type": "array", "maxItems": 20, "items": _PART}},
            },
        },
    ),
)
async def send_document(
    caller: Sender,
    request: Request,
    response: Response,
    words: Words,
    entity_id: UUID,
    id: OwnId = None,  # as the document's own field is called
    direction: Annotated[Direction | None, Query(description="left out, the parties tell")] = None,
) -> Taken:
    """Send a document in. 201: it is kept for good, and booked by the next synchronisation of its entity."""
    entity = await find_entity_by_id(caller.db, caller.tenant, entity_id)
    sent = await _one(caller, request)
    taken = await take(caller, words, entity, replace(sent, id=id, direction=direction))
    response.status_code = _status(taken)
    response.headers["Location"] = taken.address
    return taken


@router.post(
    "/entities/{entity_id}/document-batches",
    responses=answers(415),
    openapi_extra=_takes(
        f"Up to {MOST} documents: a JSON array, JSON lines, or a form with as many parts `document`.",
        {
            # what an item may be is told by its own outcome, and refuses no other
            JSON: {"type": "array", "minItems": 1, "maxItems": MOST, "items": {"description": "a SentDocument"}},
            LINES[0]: {"type": "string", "description": "a document a line"},
            FORM: {
                "type": "object",
                "required": ["document"],
                "properties": {"document": {"description": "as many parts as there are documents"}},
            },
        },
    ),
)
async def send_documents(caller: Sender, request: Request, words: Words, entity_id: UUID) -> Outcomes:
    """Send many documents in. Each stands alone: what is wrong with one keeps no other back."""
    entity = await find_entity_by_id(caller.db, caller.tenant, entity_id)
    return Outcomes(items=await take_all(caller, words, entity, await _many(caller, request)))


@router.get("/entities/{entity_id}/documents")
async def sent_documents(caller: Reader, words: Words, entity_id: UUID, paged: Paging) -> Page[SentShown]:
    """Documents of an entity that were sent in, the latest first."""
    await find_entity_by_id(caller.db, caller.tenant, entity_id)
    after = paged.after(moment, identifier)
    rows = await store.page(caller.db, entity_id, after=(after[0], after[1]) if after else None, limit=paged.limit + 1)
    return paged.page(rows, lambda row: _shown(row, words), lambda row: (row.sent_at, row.id))


@router.get("/entities/{entity_id}/documents/{document_id}")
async def sent_document(caller: Reader, words: Words, entity_id: UUID, document_id: UUID) -> SentShown:
    """One of them, and where it stands."""
    return _shown(await store.one(caller.db, entity_id, document_id), words)


@router.delete("/entities/{entity_id}/documents/{document_id}")
async def withdraw_document(caller: Sender, words: Words, entity_id: UUID, document_id: UUID) -> SentShown:
    """Take a document back that is not booked. Sent again, it is back."""
    row = await store.withdraw(caller.db, entity_id, document_id)
    await caller.note("document.withdraw", document_id, number=row.number)
    return _shown(row, words)


Version = Annotated[int | None, Query(ge=1, le=1_000_000_000, description="the latest where absent")]
_BYTES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"*/*": {}}, "description": "the bytes"}}


@router.get("/entities/{entity_id}/documents/{document_id}/content", response_class=Response, responses=_BYTES)
async def content_of_sent_document(
    caller: Reader, entity_id: UUID, document_id: UUID, version: Version = None
) -> Response:
    """The document as it was sent, byte by byte."""
    found = await store.content(caller.db, entity_id, document_id, version)
    reader = caller.web.plugins.readers.get(found.format)
    media_type = reader.about.media_types[0] if reader else "application/octet-stream"
    ending = "json" if media_type == JSON else "xml"
    return download(found.body, media_type, found.file_name or f"{document_id}.{ending}")


@router.get("/entities/{entity_id}/documents/{document_id}/files/{position}", response_class=Response, responses=_BYTES)
async def file_of_sent_document(
    caller: Reader, entity_id: UUID, document_id: UUID, position: int, version: Version = None
) -> Response:
    """A file that came beside it, from 1."""
    if not 0 < position <= MOST_FILES:
        raise store.UnknownSent("There is no such file.")
    found = await store.file(caller.db, entity_id, document_id, position, version)
    return download(found.body, found.format, found.file_name)


def download(body: bytes, media_type: str, name: str) -> Response:
    """Bytes of somebody else: a browser stores them and never shows them as a page of ours."""
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    return Response(body, media_type=media_type, headers={"Content-Disposition": disposition})


async def take(caller: Caller, words: Texts, entity: Entity, sent: Sent) -> Taken:
    """Keeps what is sent. Problem 422 that says what is wrong with it, where, and how to put it right."""
    try:
        arrived = await arrive(caller.web.plugins.readers, entity, sent)
    except NotTaken as refused:
        raise not_taken(words, refused) from None
    kept = await store.store(caller.db, entity, arrived, caller.who)
    document = arrived.document
    if kept.outcome is not Outcome.UNCHANGED:
        await caller.note("document.send", kept.id, version=kept.version, number=document.number)
    return Taken(
        id=kept.id,
        address=f"/api/v1/entities/{entity.id}/documents/{kept.id}",
        source_document_id=arrived.origin_id,
        version=kept.version,
        outcome=kept.outcome,
        direction=document.direction,
        kind=document.kind,
        number=document.number,
        remarks=[words.of(issue) for issue in arrived.remarks],
    )


async def take_all(caller: Caller, words: Texts, entity: Entity, many: Sequence[Sent | Problem]) -> list[OfMany]:
    """What becomes of each, in their order. What is no fault of one of them is raised."""
    outcomes = []
    for place, one in enumerate(many, 1):
        name = one.file_name if isinstance(one, Sent) else ""
        try:
            if isinstance(one, Problem):
                raise one
            taken = await take(caller, words, entity, one)
            outcomes.append(OfMany(place=place, file_name=name, status=_status(taken), document=taken))
        except Exception as error:
            problem = problem_of(error)
            if problem.status_code >= 500:
                raise
            outcomes.append(OfMany(place=place, file_name=name, status=problem.status_code, problem=problem.details))
    return outcomes


def not_taken(words: Texts, refused: NotTaken) -> Problem:
    """The problem for a document that cannot be used."""
    faults = []
    for issue in refused.issues:
        told = words.of(issue)
        field = f"body.{issue.field}" if issue.field else issue.facts.get("field", "body")
        faults.append(Fault(field=field, message=f"{told.title}. {told.cause}", code=issue.code, fix=told.remedy))
    detail = " ".join(filter(None, (faults[0].message, faults[0].fix))) if faults else ""
    return Problem(422, "not_taken", detail, errors=faults)


async def uploaded(part: UploadFile | str) -> Sent:
    """A document that came as a part of a form, whatever it says that it is."""
    body, name = (part.encode(), "") if isinstance(part, str) else (await part.read(), harmless(part.filename))
    return Sent(body, format_within(body), name)


def _status(taken: Taken) -> int:
    return 201 if taken.outcome is Outcome.NEW else 200


async def _one(caller: Caller, request: Request) -> Sent:
    kind = _kind(request)
    if kind == FORM:
        async with request.form(max_files=MOST_FILES + 1, max_fields=10) as form:
            documents, files = form.getlist("document"), form.getlist("attachment")
            if len(documents) != 1:
                raise _invalid("body.document", "a form has one document; many go to /document-batches")
            if len(files) > MOST_FILES:
                raise _invalid("body.attachment", f"{len(files)} files; a document takes {MOST_FILES} at most")
            sent = await uploaded(documents[0])
            return replace(sent, files=tuple([await _file(one) for one in files]))
    named = format_of(caller.web.plugins.readers, kind)
    if named is None:
        raise _unsupported("application/xml", JSON, FORM)
    return Sent(await request.body(), named)


async def _file(part: UploadFile | str) -> File:
    if isinstance(part, str):
        raise _invalid("body.attachment", "is no file")
    media_type = (part.content_type or "").partition(";")[0].strip().lower()
    return File(harmless(part.filename) or "attachment", media_type, await part.read())


async def _many(caller: Caller, request: Request) -> Sequence[Sent | Problem]:
    kind = _kind(request)
    if kind == FORM:
        async with request.form(max_files=MOST, max_fields=MOST) as form:
            many: list[Sent | Problem] = [await uploaded(part) for part in form.getlist("document")]
    elif kind in LINES:
        many = [Sent(line, "json") for line in (await request.body()).splitlines() if line.strip()]
    elif kind == JSON:
        many = _array(await request.body())
    else:
        raise _unsupported(JSON, LINES[0], FORM)
    if not 0 < len(many) <= MOST:
        raise _invalid("body", f"holds {len(many)} documents; a call takes 1 to {MOST}")
    return many


def _array(body: bytes) -> list[Sent | Problem]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as wrong:
        raise _invalid("body", f"is no JSON: {wrong}") from None
    if not isinstance(given, list):
        raise _invalid("body", "is no array; one document goes to /documents")
    return [Sent(json.dumps(one).encode(), "json") for one in given]


def _kind(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _unsupported(*kinds: str) -> Problem:
    return Problem(415, "unsupported_media_type", f"Send it as {', '.join(kinds)}, and say so in Content-Type.")


def _invalid(field: str, message: str) -> Problem:
    return Problem(422, "invalid", "What was sent cannot be used.", errors=[Fault(field=field, message=message)])


def _shown(row: SentRow, words: Texts) -> SentShown:
    plain = {name: getattr(row, name) for name in SentShown.model_fields if hasattr(row, name) and name != "issues"}
    return SentShown(
        **plain,
        source_document_id=row.origin_id,
        party=row.party_name,
        issues=[words.of(issue) for issue in row.issues],
    )
