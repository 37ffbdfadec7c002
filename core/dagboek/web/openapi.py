"""The description of the API (OpenAPI 3.1), at `/api/v1/openapi.json`: complete, as programs are made from it."""

from collections.abc import Iterator
from typing import Any, Final

from dagboek_schemas.sent import SentDocument
from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from fastapi.routing import RouteContext, iter_route_contexts

from dagboek.web.caller import COOKIE, CSRF_HEADER, SAFE, Needs, SignedIn
from dagboek.web.problems import ProblemDetails, answers
from dagboek.web.rights import Right
from dagboek.web.routes import KEY_HEADER, LONGEST_KEY, ApiRoute, unchanged_or

PATH: Final = "/api/v1/openapi.json"
VERSION: Final = "1"

_ABOUT: Final = """\
Everything that the console shows and does. Whoever asks sees one tenant: that of the API key, or the one that the
session looks at (`PUT /me/tenant`); what belongs to another is not there (404).

* **Sign in** by an API key (`Authorization: Bearer dgb_...`), which has scopes, or by a session's cookie; writes of a
  session bear its CSRF token in `X-CSRF-Token`. `x-right` says which right or scope a call needs.
* **Lists** come in pages: `limit`, and `cursor` with the `next` of the page before.
* **What went wrong** comes as problem details (RFC 9457) with a stable `code`.
* **Writes** may bear an `Idempotency-Key`: the same request sent again gets the first answer, for a day.
* **ETags** are on all that is read; settings are written with `If-Match`.
* Amounts are texts with a decimal point; times are UTC in ISO 8601.
"""


def install(app: FastAPI) -> None:
    """Serves the description."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = description(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]

    async def show(request: Request) -> Response:
        return unchanged_or(request, JSONResponse(described()))

    app.add_api_route(PATH, show, include_in_schema=False)


def description(app: FastAPI) -> dict[str, Any]:
    """The description, with what no route says of itself: rights, and answers that all routes of a kind share."""
    found = get_openapi(
        title="Dagboek", version=VERSION, openapi_version="3.1.0", description=_ABOUT, routes=app.routes
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for model in (ProblemDetails, SentDocument):  # answers and bodies that are described by hand
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    found["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "an API key"},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": f"writes need {CSRF_HEADER} too"},
    }
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, ApiRoute) and route.path_format in found["paths"]:
            for method in route.methods or ():
                _complete(found["paths"][route.path_format][method.lower()], route, method)
    return found


def right_of(route: RouteContext) -> Right | str | None:
    """The right that a route needs; None where it is enough to be known, `public` where not even that."""
    for dependency in _dependencies(route.dependant):
        if isinstance(dependency.call, Needs | SignedIn):
            return dependency.call.right
    return "public"


def _dependencies(dependant: Dependant) -> Iterator[Dependant]:
    for one in dependant.dependencies:
        yield one
        yield from _dependencies(one)


def _complete(operation: dict[str, Any], route: RouteContext, method: str) -> None:
    right = right_of(route)
    operation["security"] = [] if right == "public" else [{"key": []}, {"session": []}]
    if isinstance(right, Right):
        operation["x-right"] = str(right)
    responses = operation["responses"]
    if "{" in (route.path or ""):
        responses.update({str(status): told for status, told in answers(404).items()})
    if method in SAFE:
        if "application/json" in responses.get("200", {}).get("content", {}):
            responses["304"] = {"description": "it is what the ETag in If-None-Match names"}
            operation.setdefault("parameters", []).append(_header("If-None-Match", "ETag of what is there already"))
    elif right != "public":
        responses.update({str(status): told for status, told in answers(409, 413).items()})
        operation.setdefault("parameters", []).append(
            _header(
                KEY_HEADER,
                "the same request with the same key gets the same answer, for a day",
                minLength=1,
                maxLength=LONGEST_KEY,
                pattern="^[ -~]+$",
            )
        )
    operation["responses"] = dict(sorted(responses.items()))


def _header(name: str, description: str, **schema: object) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", **schema},
    }
