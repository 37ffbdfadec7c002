"""Connecting a company: its tool and login, then its books. It can be left at any point and resumed from the list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from dagboek_schemas.identity import normal_vat
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.oauth import OAuthPlugin
from dagboek_sdk.settings import ConnectionSettings, words_of
from fastapi import Form, Request, Response
from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo

from dagboek import connections, contexts, proposals, tenants
from dagboek.api import connecting as of_api
from dagboek.api import consents
from dagboek.api.texts import IssueShown
from dagboek.connections import State
from dagboek.console.pages import Connecting, Visitor, page_router, refusal, see
from dagboek.console.why import said
from dagboek.web.rights import Right

router = page_router()

ASKED: Final = "dagboek-consent"
"""Cookie that holds a login while its person is away to consent: encrypted, for ten minutes."""
CONSENT: Final = "/set-up/consent"
ADVANCED: Final = frozenset({"lift_limits", "call_deadline"})


@dataclass(frozen=True)
class Asked:
    """A field of a tool's settings, as the form shows it."""

    name: str
    title: str
    hint: str
    kind: str
    """`text`, `secret`, `yes`, `number` or `choice`."""
    required: bool
    value: str
    choices: tuple[tuple[str, str], ...] = ()
    """Values with what they are called."""
    language: str = "en"
    """That title and hint are in."""


@router.get("/set-up")
async def begin(visitor: Connecting) -> Response:
    """Which company, which tool."""
    return await _first(visitor)


@router.post("/set-up/company")
async def company(
    visitor: Connecting,
    tool: Annotated[str, Form(max_length=100)],
    entity_id: Annotated[UUID | None, Form()] = None,
    name: Annotated[str, Form(max_length=200)] = "",
    vat_number: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """A company that is there, or a new one."""
    caller = visitor.caller
    if tool not in visitor.web.plugins.tools:
        return await _first(visitor, fault=visitor.speech.say("set_up.choose_tool"))
    if entity_id:
        entity = await tenants.find_entity_by_id(caller.db, caller.tenant, entity_id)
    else:
        wrong = tenants.vat_number_fault(vat_number) if vat_number.strip() else None
        if wrong is not None:
            return await _first(visitor, fault=said(visitor.speech, wrong.reason), name=name, vat_number=vat_number)
        try:
            entity = await tenants.ensure_entity(caller.db, caller.tenant, name, vat_number=vat_number.strip() or None)
        except tenants.Unusable as unusable:
            return await _first(visitor, fault=" ".join(visitor.why(unusable)), name=name, vat_number=vat_number)
        await caller.note("entity.add", entity.id, name=entity.name)
    return see(f"/set-up/login?{urlencode({'entity_id': str(entity.id), 'tool': tool})}")


@router.get("/set-up/login")
async def ask_login(visitor: Connecting, entity_id: UUID, tool: str) -> Response:
    """The form, drawn from the tool's settings."""
    return await _login(visitor, entity_id, tool)


@router.post("/set-up/login")
async def login(visitor: Connecting, request: Request, entity_id: UUID, tool: str) -> Response:
    """Tries the login; a tool that wants consent is gone to first."""
    plugin = visitor.web.plugins.tool(tool)
    form = await request.form()
    given = {
        name: value.strip()
        for name, value in form.items()
        if isinstance(value, str) and value.strip() and name in plugin.about.settings.model_fields
    }
    try:
        if issubclass(plugin, OAuthPlugin):
            return await _to_consent(visitor, entity_id, plugin, given)
        begun = await of_api.connect(visitor.caller, of_api.NewConnection(entity_id=entity_id, tool=tool, login=given))
    except Exception as error:
        return await _login(visitor, entity_id, tool, error, given)
    return see(f"/set-up/{begun.connection_id}/books")


@router.get(CONSENT)
async def consented(visitor: Connecting, request: Request) -> Response:
    """What the browser brings back from the tool."""
    ticket = request.cookies.get(ASKED, "")
    waits = consents.opened(visitor.caller, ticket)
    try:
        given = consents.ConsentGiven(ticket=ticket, address=str(request.url))
        begun = await consents.answer(visitor.caller, given)
    except Exception as error:
        return await _login(visitor, waits.entity_id, waits.tool, error)
    response = see(f"/set-up/{begun.connection_id}/books")
    response.delete_cookie(ASKED, path=CONSENT)
    return response


@router.get("/set-up/{connection_id}")
async def go_on(visitor: Connecting, connection_id: UUID) -> Response:
    """Where set-up was left."""
    row = await connections.find(visitor.caller.db, connection_id, visitor.caller.tenant)
    if row.plugin not in visitor.web.plugins.tools:
        return see(f"/integrations/{row.id}")  # which says so
    if row.state is State.RECONNECT:
        return see(f"/set-up/login?{urlencode({'entity_id': str(row.entity_id), 'tool': row.plugin})}")
    return see(f"/integrations/{row.id}" if row.administration_id else f"/set-up/{row.id}/books")


@router.get("/set-up/{connection_id}/books")
async def ask_books(visitor: Connecting, connection_id: UUID) -> Response:
    """The books that the login reaches, and what it may not."""
    return await _books(visitor, connection_id)


@router.post("/set-up/{connection_id}/books")
async def books(visitor: Connecting, connection_id: UUID, administration: Annotated[str, Form()] = "") -> Response:
    """Chooses the books; settings that can be told from their lists are proposed."""
    caller = visitor.caller
    if not administration:
        return await _books(visitor, connection_id, visitor.speech.say("set_up.choose_books"))
    try:
        chosen = await of_api.choose_administration(
            caller, visitor.texts, connection_id, of_api.Chosen(id=administration)
        )
    except Exception as error:
        return await _books(visitor, connection_id, " ".join(visitor.why(error)))
    await _propose(visitor, chosen.id)
    return see(f"/integrations/{chosen.id}?done=books")


async def _propose(visitor: Visitor, connection_id: UUID) -> None:
    """Stores what can be told from the lists, where nobody has set anything yet."""
    caller = visitor.caller
    row = await connections.find(caller.db, connection_id, caller.tenant)
    if row.settings != ConnectionSettings():
        return
    _, context = await contexts.current(caller.db, connection_id)
    entity = await tenants.find_entity_by_id(caller.db, caller.tenant, row.entity_id)
    proposed = proposals.propose(context.lists, entity.country).settings
    await connections.save_settings(
        caller.db, visitor.web.plugins, connection_id, proposed, tenant_id=caller.tenant, seen=row.settings
    )


async def _first(visitor: Visitor, fault: str = "", **given: str) -> Response:
    caller = visitor.caller
    tools = visitor.web.plugins.tools
    return await visitor.page(
        "set_up.html",
        status=422 if fault else 200,
        entities=await tenants.entities_page(caller.db, caller.tenant, limit=1000),
        tools=[(name, tool.about.title) for name, tool in sorted(tools.items())],
        fault=fault,
        given=given,
    )


async def _login(
    visitor: Visitor, entity_id: UUID, tool: str, refused: Exception | None = None, given: Mapping[str, str] = {}
) -> Response:
    caller = visitor.caller
    plugin = visitor.web.plugins.tool(tool)
    fields = fields_of(plugin.about.settings, visitor.speech.language, given, operator=Right.OPERATE in caller.rights)

    def called(place: str) -> str:
        return next((one.title for one in fields if one.name == place), place)

    return await visitor.page(
        "login.html",
        status=refusal(refused).status_code if refused else 200,
        entity=await tenants.find_entity_by_id(caller.db, caller.tenant, entity_id),
        tool=tool,
        title=plugin.about.title,
        needed=[one for one in fields if one.required],
        more=[one for one in fields if not one.required],
        consent=issubclass(plugin, OAuthPlugin),
        redirect_uri=_redirect_uri(visitor),
        refused=visitor.why(refused, called) if refused else [],
    )


async def _books(visitor: Visitor, connection_id: UUID, fault: str = "") -> Response:
    caller = visitor.caller
    row = await connections.find(caller.db, connection_id, caller.tenant)
    found: Sequence[of_api.AdministrationShown] = ()
    missing: Sequence[IssueShown] = ()
    try:
        found = await of_api.administrations(caller, connection_id)
        if row.administration_id is not None:  # a login alone has no books of which a right could be missing
            missing = (await of_api.check(caller, visitor.texts, connection_id)).missing_rights
    except Exception as error:
        fault = fault or " ".join(visitor.why(error))
    return await visitor.page(
        "books.html",
        status=422 if fault else 200,
        row=row,
        title=visitor.tool_title(row.plugin),
        administrations=found,
        likely=_likely(found, await tenants.find_entity_by_id(caller.db, caller.tenant, row.entity_id)),
        missing=missing,
        fault=fault,
    )


def _likely(found: Sequence[of_api.AdministrationShown], entity: tenants.Entity) -> str | None:
    """The books that are proposed: the only ones, or the only ones with the company's VAT number."""
    free = [one for one in found if not one.disabled]
    same = [
        one
        for one in free
        if entity.vat_number and normal_vat(one.vat_number or "", one.country or entity.country) == entity.vat_number
    ]
    return next((few[0].id for few in (same, free) if len(few) == 1), None)


async def _to_consent(
    visitor: Visitor, entity_id: UUID, plugin: type[AccountingPlugin], given: Mapping[str, str]
) -> Response:
    """A page that leads to the tool; what was filled in waits in the browser, where only we can read it."""
    wanted = consents.ConsentWanted(
        entity_id=entity_id, tool=plugin.about.name, login=dict(given), redirect_uri=_redirect_uri(visitor)
    )
    asked = await consents.ask(visitor.caller, Response(), wanted)
    entity = await tenants.find_entity_by_id(visitor.caller.db, visitor.caller.tenant, entity_id)
    response = await visitor.page(
        "consent.html", title=plugin.about.title, tool=plugin.about.name, address=asked.address, entity=entity
    )
    response.set_cookie(
        ASKED, asked.ticket, max_age=int(consents.LASTS.total_seconds()), path=CONSENT, httponly=True, samesite="lax",
        secure=visitor.web.secure,
    )  # fmt: skip
    return response


def _redirect_uri(visitor: Visitor) -> str:
    own = visitor.web.settings.web_url or str(visitor.request.base_url)
    return own.rstrip("/") + CONSENT


def fields_of(
    model: type[BaseModel], language: str, given: Mapping[str, str] = {}, *, operator: bool = False
) -> list[Asked]:
    """The form of a settings model. Where the tool is, and switches of sandboxes, are for operators alone."""
    hidden = of_api.ADDRESSES | ADVANCED
    return [
        _asked(name, field, language, given)
        for name, field in model.model_fields.items()
        if (operator or name not in hidden) and name != "redirect_uri"
    ]


def _asked(name: str, field: FieldInfo, language: str, given: Mapping[str, str]) -> Asked:
    schema = _schema_of(field)
    words, english = words_of(field, name, language), words_of(field, name, "en")
    kind = {"boolean": "yes", "integer": "number", "number": "number"}.get(schema.get("type", ""), "text")
    values = tuple(str(one) for one in schema.get("enum", ()))
    default = (
        "" if field.is_required() or field.default is None else _written(getattr(field.default, "value", field.default))
    )
    secret = "SecretStr" in str(field.annotation) or field.annotation is SecretStr
    return Asked(
        name=name,
        title=words.title,
        hint=words.hint,
        kind="secret" if secret else "choice" if values else kind,
        required=field.is_required(),
        value="" if secret else given.get(name, default),
        choices=tuple((value, words.choices.get(value, value)) for value in values),
        language=language if words != english else "en",
    )


def _written(value: object) -> str:
    """A value as people write it: 30 rather than 30.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _schema_of(field: FieldInfo) -> Mapping[str, Any]:
    schema = TypeAdapter[Any](field.annotation or str).json_schema()
    shown: Mapping[str, Any] = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
    return shown
