"""What all pages share: who reads, in which language, the frame around the content, and errors that people can read."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, quote, urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from dagboek_schemas.issues import Issue
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError

from dagboek.api.texts import Texts
from dagboek.console import static
from dagboek.console.why import Called, why
from dagboek.night import zone_of
from dagboek.notices import bell
from dagboek.origins import called
from dagboek.reasons import reasons_of
from dagboek.speech import Speech, Told, held_together, language_of
from dagboek.web.caller import Caller, identified
from dagboek.web.problems import Problem, problem_of
from dagboek.web.rights import Right
from dagboek.web.signin.people import belongings
from dagboek.web.state import Web, web_of

SIGN_IN: Final = "/sign-in"
OPERATOR: Final = "/operator"
"""Where operators begin who look at no tenant."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def page_router() -> APIRouter:
    """A router for pages."""
    return APIRouter(route_class=PageRoute)


class PageRoute(APIRoute):
    """A route that answers people: what goes wrong is a page too, and who is not known signs in first."""

    def get_route_handler(self) -> Handler:
        """The handler with what all pages share around it."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            # what a form sends of a field that was left empty is not asked for
            request.scope["query_string"] = urlencode(
                parse_qsl(request.scope["query_string"].decode("latin-1"))
            ).encode()
            try:
                response = await handle(request)
            except Exception as error:
                response = await _trouble(request, problem_of(error))
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return answered


class SignInFirst(Exception):
    """Nobody is known."""


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page, and the way that it is written for them."""

    request: Request
    caller: Caller
    speech: Speech

    @property
    def web(self) -> Web:
        """What the process holds."""
        return self.caller.web

    @property
    def texts(self) -> Texts:
        """What routes of the API take to tell issues in the reader's language."""
        return Texts(self.caller)

    def told(self, issue: Issue, of: UUID | None = None) -> Told:
        """An issue in the reader's language. `of`: the connection that it came up in, whose settings put it right."""
        if of is not None:
            issue = issue.model_copy(update={"facts": {**issue.facts, "connection": str(of)}})
        text = self.web.catalogue.text(issue, self.speech.language)
        if self.speech.language == "fr":
            text = replace(text, cause=held_together(text.cause), remedy=held_together(text.remedy))
        return Told(text, issue.tool_words)

    async def page(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page. `status` for what is shown again because something is wrong with what was sent."""
        return HTMLResponse(await self._rendered(template, values), status)

    def part(self, template: str, **values: Any) -> HTMLResponse:
        """A part of a page, for htmx to put in its place."""
        return HTMLResponse(_environment().get_template(template).render(self._frame(), **values))

    def tool_title(self, plugin: str) -> str:
        """What an accounting tool is called."""
        return self.web.plugins.tool_title(plugin)

    def why(self, error: Exception, called: Called | None = None) -> list[str]:
        """Why something could not be done. `called`: what fields are called. What is no refusal goes on as it is."""
        return why(self.speech, self.web.catalogue, refusal(error), called)

    def may(self, right: str) -> bool:
        """Whether the reader may do what needs this right."""
        return Right(right) in self.caller.rights

    @property
    def asked_by_htmx(self) -> bool:
        """Whether a part is wanted rather than the page."""
        return self.request.headers.get("HX-Request") == "true"

    async def _rendered(self, template: str, values: dict[str, Any]) -> str:
        caller = self.caller
        tenants = await belongings(caller.web.core, caller.person.id) if caller.person else []
        tenant = await caller.db.one("SELECT id, name FROM tenant") if caller.tenant_id else None
        ringing = await bell.standing(caller.db, caller.person.id) if tenant and caller.person else None
        return (
            _environment()
            .get_template(template)
            .render(self._frame(), tenants=tenants, tenant=tenant, bell=ringing, **values)
        )

    def _frame(self) -> dict[str, Any]:
        return _plain(self.request, self.speech) | {
            "visitor": self,
            "may": self.may,
            "person": self.caller.person,
            "csrf": self.caller.csrf,
        }


class Visits:
    """The dependency of a page: a visitor with this right; None: anyone who is signed in. Tests read `right`."""

    def __init__(self, right: Right | None = Right.READ) -> None:
        self.right = right

    async def __call__(self, request: Request) -> Visitor:
        """The visitor; to the sign-in page where nobody is known."""
        caller = await identified(request)
        if caller is None or caller.person is None:
            raise _to_sign_in(request)
        if self.right not in (None, Right.OPERATE) and caller.tenant_id is None:
            if Right.OPERATE in caller.rights:
                raise Problem(303, "choose_tenant", headers={"Location": OPERATOR})
            raise Problem(403, "no_tenant")
        if self.right is not None and self.right not in caller.rights:
            raise Problem(403, "no_right")
        return visitor_of(request, caller)


Reading = Annotated[Visitor, Depends(Visits(Right.READ))]
Syncing = Annotated[Visitor, Depends(Visits(Right.SYNC))]
Sending = Annotated[Visitor, Depends(Visits(Right.SEND))]
Deciding = Annotated[Visitor, Depends(Visits(Right.DECIDE))]
Connecting = Annotated[Visitor, Depends(Visits(Right.CONNECT))]
Managing = Annotated[Visitor, Depends(Visits(Right.MANAGE))]
Operating = Annotated[Visitor, Depends(Visits(Right.OPERATE))]


def visitor_of(request: Request, caller: Caller) -> Visitor:
    """A known reader, in the language that they chose."""
    return Visitor(request, caller, Speech(caller.language, _zone(caller.web, caller.time_zone)))


def plain_page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page for somebody who is not known, in the language that the browser asks for."""
    return HTMLResponse(
        _environment().get_template(template).render(_plain(request, _speech_of(request)), **values), status
    )


def _speech_of(request: Request) -> Speech:
    return Speech(language_of(request.headers.get("Accept-Language")), _zone(web_of(request)))


def refusal(error: Exception) -> Problem:
    """Why something could not be done, for a page that is shown again with it. What is no refusal goes on as it is."""
    if isinstance(error, ValidationError):  # of a model of the API that a page fills in
        return Problem(422, "invalid", why=reasons_of(error))
    problem = problem_of(error)
    if problem.status_code == 404 or problem.status_code >= 500:
        raise error
    return problem


def see(address: str) -> Response:
    """Goes on with another page, after something was done."""
    return RedirectResponse(address, status_code=303)


def query_of(request: Request) -> str:
    """What a list was asked for, without the place in it: for the links to its other pages."""
    return urlencode(
        [
            (name, value)
            for name, value in request.query_params.multi_items()
            if name not in ("cursor", "told") and value
        ]
    )


def install_errors(app: FastAPI) -> None:
    """An address that does not exist answers people with a page; programs below /api get problem details."""

    async def not_found(request: Request, error: Exception) -> Response:
        for_people = "text/html" in request.headers.get("Accept", "") and not request.url.path.startswith("/api")
        return await _trouble(request, problem_of(error)) if for_people else problem_of(error).response()

    app.add_exception_handler(404, not_found)


def _to_sign_in(request: Request) -> Problem:
    """After it, the page that was asked for is shown, where it was one that can be looked at."""
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = f"?next={quote(back, safe='/?=&')}" if request.method == "GET" and back != "/" else ""
    return Problem(303, "sign_in", headers={"Location": f"{SIGN_IN}{wanted}"})


async def _trouble(request: Request, problem: Problem) -> Response:
    headers = dict(problem.headers or {})
    if problem.status_code == 303 and request.headers.get("HX-Request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": headers["Location"]})
    if problem.status_code == 303:
        return RedirectResponse(headers["Location"], status_code=303)
    caller = await _caller_or_none(request)
    known = caller is not None and caller.person is not None
    speech = visitor_of(request, caller).speech if caller is not None and known else _speech_of(request)
    reasons = why(speech, web_of(request).catalogue, problem, lambda place: place.partition(".")[2])
    values = {"problem": problem, "why": reasons, "reference": problem.more.get("reference")}
    if caller is None or not known:
        return plain_page(request, "trouble.html", status=problem.status_code, person=None, **values)
    page = await visitor_of(request, caller).page("trouble.html", status=problem.status_code, **values)
    page.headers.update(headers)
    return page


async def _caller_or_none(request: Request) -> Caller | None:
    try:
        return await identified(request)
    except Exception:
        return None


def _plain(request: Request, speech: Speech) -> dict[str, Any]:
    return {
        "say": speech.say,
        "speech": speech,
        "language": speech.language,
        "path": request.url.path,
        "static": static.address,
        "called": called,
    }


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dagboek.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _zone(web: Web, of_tenant: str | None = None) -> ZoneInfo:
    """The tenant's, else the installation's."""
    try:
        return zone_of(of_tenant or web.settings.time_zone)
    except ValueError:  # chosen on a machine that knew it
        return zone_of(web.settings.time_zone)
