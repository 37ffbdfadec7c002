"""What went wrong, as problem details (RFC 9457): one shape for every answer that is no success."""

import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import psycopg
import structlog
from dagboek_schemas.issues import Issue
from dagboek_sdk.errors import LoginBroken, ToolError
from dagboek_sdk.source import SourceUnavailable
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from dagboek.audit.records import AlreadyAuditing, CannotAudit, UnknownAudit
from dagboek.connections import Changed, ConnectionProblem, UnknownConnection
from dagboek.contexts import NoContext
from dagboek.database import AWAY
from dagboek.documents import UnknownDocument
from dagboek.history import UnknownRun
from dagboek.installation.lag import KafkaAway
from dagboek.installation.letters import PublishedAlready
from dagboek.logins import BelongsToAnother, LoginProblem
from dagboek.plugins import UnknownPlugin
from dagboek.reasons import Reason, Refusal, reason_of
from dagboek.resolve import CannotResolve, UnknownLink
from dagboek.runs import AlreadyRunning, NotReadyToSync
from dagboek.sent_in.store import NotWithdrawn, UnknownSent
from dagboek.tenants import UnknownEntity, Unusable
from dagboek.tool_issues import issue_of
from dagboek.webhooks.deliveries import UnknownDelivery
from dagboek.webhooks.endpoints import TooMany, UnknownWebhook

log = structlog.get_logger()

MEDIA: Final = "application/problem+json"


class Fault(BaseModel):
    """One thing that is wrong with what was sent."""

    field: str = Field(description="where, such as `body.settings.sales.invoice_journal` or `query.limit`")
    message: str
    code: str | None = Field(None, description="of the issue catalogue, where it is one of its issues")
    fix: str | None = Field(None, description="how to put it right")


class ProblemDetails(BaseModel):
    """Why a request was not carried out (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="the kind of problem")
    status: int
    detail: str = Field("", description="what is wrong here, and what to do")
    code: str = Field(description="for programs; stays the same whatever the texts say")
    errors: list[Fault] = Field(default_factory=list)
    run_id: str | None = Field(None, description="the run that is in the way")
    audit_id: str | None = Field(None, description="the audit that is in the way")
    reference: str | None = Field(None, description="to find it in the log")


class Problem(HTTPException):
    """An answer that is no success. `detail` is for people who read English; `why`, for a page in their language."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str = "",
        *,
        errors: list[Fault] | None = None,
        headers: Mapping[str, str] | None = None,
        why: Sequence[Reason] | Issue = (),
        **more: Any,
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.code = code
        self.errors = errors or []
        self.why = why or [Reason(detail, code)]
        self.more = more

    @property
    def details(self) -> ProblemDetails:
        """As the API tells it."""
        return ProblemDetails(
            title=HTTPStatus(self.status_code).phrase,
            status=self.status_code,
            detail=self.detail,
            code=self.code,
            errors=self.errors,
            **self.more,
        )

    def response(self) -> Response:
        """As it goes out."""
        return JSONResponse(
            self.details.model_dump(mode="json", exclude_none=True),
            self.status_code,
            headers=self.headers,
            media_type=MEDIA,
        )


def not_found(what: str) -> Problem:
    """Nothing of the caller's has this name, whoever else has something."""
    return Problem(404, "not_found", f"There is no such {what}.")


_KNOWN: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (UnknownRun, 404, "not_found"),
    (UnknownConnection, 404, "not_found"),
    (UnknownDocument, 404, "not_found"),
    (UnknownLink, 404, "not_found"),
    (UnknownEntity, 404, "not_found"),
    (UnknownAudit, 404, "not_found"),
    (UnknownSent, 404, "not_found"),
    (NotWithdrawn, 409, "not_withdrawn"),
    (UnknownWebhook, 404, "not_found"),
    (UnknownDelivery, 404, "not_found"),
    (TooMany, 409, "too_many"),
    (Changed, 412, "changed"),
    (UnknownPlugin, 422, "unknown_plugin"),
    (CannotAudit, 422, "cannot_audit"),
    (NotReadyToSync, 409, "not_ready"),
    (CannotResolve, 409, "cannot_resolve"),
    (NoContext, 409, "lists_not_read"),
    (BelongsToAnother, 409, "belongs_to_another"),
    (LoginProblem, 422, "login_settings"),
    (ConnectionProblem, 409, "connection"),
    (Unusable, 422, "unusable"),
    (PublishedAlready, 409, "published_already"),
    (KafkaAway, 503, "kafka_away"),
    (LoginBroken, 422, "login_refused"),
    (ToolError, 424, "tool"),
    (SourceUnavailable, 424, "source"),
)
"""Errors of the core, the special ones first. Their texts are for people."""


def problem_of(error: Exception) -> Problem:
    """The problem that an exception stands for; 500 with a reference for a bug, which goes to the log."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, AlreadyRunning):
        return Problem(409, "already_running", _sentence(error), why=error.reasons, run_id=str(error.run_id))
    if isinstance(error, AlreadyAuditing):
        return Problem(409, "already_running", _sentence(error), why=error.reasons, audit_id=str(error.audit_id))
    if isinstance(error, RequestValidationError):
        faults, why = [_fault(one) for one in error.errors()], [reason_of(one) for one in error.errors()]
        return Problem(422, "invalid", "What was sent cannot be used.", errors=faults, why=why)
    for kind, status, code in _KNOWN:
        if isinstance(error, kind):
            return Problem(status, code, _words(error), why=_why(error))
    if isinstance(error, HTTPException) and error.status_code == 400:  # a body in no encoding
        return Problem(422, "invalid", "What was sent cannot be read.")
    if isinstance(error, HTTPException):
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return Problem(error.status_code, code, str(error.detail or ""), headers=error.headers)
    if isinstance(error, psycopg.Error) and error.sqlstate == "57014":  # statement_timeout
        return Problem(
            503, "too_slow", "The answer took too long. Ask for less at a time.", headers={"Retry-After": "5"}
        )
    if isinstance(error, psycopg.DataError):  # such as a NUL in a text, or a number that no column holds
        return Problem(422, "invalid", "What was sent holds something that cannot be stored or looked for.")
    if isinstance(error, (*AWAY, PoolTimeout)):
        log.warning("web.database_away", error=type(error).__name__)
        return Problem(503, "database_away", "The database does not answer. Try again.", headers={"Retry-After": "5"})
    reference = secrets.token_hex(4)
    log.error("web.unexpected", reference=reference, exc_info=error)
    return Problem(500, "unexpected", f"Something unexpected went wrong. Reference: {reference}.", reference=reference)


def _why(error: Exception) -> Sequence[Reason] | Issue:
    if isinstance(error, ToolError):
        return issue_of(error)
    if isinstance(error, SourceUnavailable):
        return Issue(code="D20", facts={"reason": str(error)})
    return error.reasons if isinstance(error, Refusal) else ()


def _words(error: Exception) -> str:
    if isinstance(error, ToolError):
        words = f" Its words: {error.tool_words}" if error.tool_words else ""
        return f"The accounting tool could not be used: {error}.{words}"
    return _sentence(error)


def _sentence(error: Exception) -> str:
    text = str(error).strip()
    return text[:1].upper() + text[1:] if text else type(error).__name__


def _fault(fault: Any) -> Fault:
    """Where and what; never what was given, as it may be a password."""
    place = ".".join(str(part) for part in fault["loc"])
    return Fault(field=place, message=str(fault["msg"]).removeprefix("Value error, "))


def install(app: FastAPI) -> None:
    """Has the app answer every exception with a problem."""

    async def answered(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status_code == 405:
            problem.headers = {"Allow": ", ".join(_methods(app, request.url.path))}
        return problem.response()

    for kind in (HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, answered)


def _methods(app: FastAPI, path: str) -> list[str]:
    """What can be done at an address: each of its routes alone knows no more than its own."""
    fitting = (route for route in iter_route_contexts(app.routes) if route.path_regex.match(path))
    return sorted({method for route in fitting for method in route.methods or ()})


_WHEN: Final = {
    401: "nobody is signed in, and no API key was sent",
    403: "the role or the key does not have the right, or the CSRF token is missing",
    404: "there is none, or it is another tenant's",
    409: "its state does not allow it",
    412: "it was changed meanwhile: the ETag is another",
    413: "too large",
    415: "of a kind that is not taken",
    422: "what was sent cannot be used; `errors` says where",
    424: "the accounting tool or a source could not be used",
    428: "an If-Match header is needed",
    429: "too many tries",
    500: "a bug; `reference` finds it in the log",
    503: "the database, or a broker, does not answer",
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of what a route can answer besides success."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": _WHEN[status], "content": {MEDIA: {"schema": schema}}} for status in sorted(statuses)
    }
