"""How a route of the API answers: ETags on what is read, idempotency keys on what is written."""

import hashlib
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from psycopg_pool import PoolTimeout
from python_multipart.multipart import parse_options_header

from dagboek.database import AWAY, Database, Jsonb
from dagboek.web.caller import SAFE, Caller, identified
from dagboek.web.problems import Fault, Problem, answers, problem_of

KEY_HEADER: Final = "Idempotency-Key"
LONGEST_KEY: Final = 200
BROKEN_OFF: Final = "2 minutes"
"""After which a request that has left no answer is taken for one that broke off."""
LARGEST_KEPT: Final = 1_000_000
PASSING: Final = (424, 429)
"""Answers that pass, before which nothing was done: the same request is carried out when it comes again."""

ALWAYS: Final = (401, 403, 422, 500, 503)
"""What every route can answer besides its own."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def api_router(tag: str) -> APIRouter:
    """A router below `/api/v1`."""
    return APIRouter(route_class=ApiRoute, tags=[tag], responses=answers(*ALWAYS))


class ApiRoute(APIRoute):
    """A route of the API."""

    def get_route_handler(self) -> Handler:
        """The handler with what all routes share around it."""
        handle = super().get_route_handler()
        reads = (self.methods or set()) <= SAFE

        async def answered(request: Request) -> Response:
            try:
                return unchanged_or(request, await handle(request)) if reads else await _written(request, handle)
            except Exception as error:
                return problem_of(error).response()

        return answered


def etag_of(content: bytes) -> str:
    """The ETag of a representation."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def unchanged_or(request: Request, response: Response) -> Response:
    """The answer with its ETag, or 304 for who has it already."""
    if response.status_code != 200 or not isinstance(getattr(response, "body", None), bytes):
        return response
    tag = response.headers.setdefault("ETag", etag_of(bytes(response.body)))
    response.headers.setdefault("Cache-Control", "private, no-cache")
    known = [one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")]
    if tag in known or known == ["*"]:
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "private, no-cache"})
    return response


def require_match(given: str | None, tag: str) -> None:
    """Problem 428 without If-Match, 412 where it names another ETag than the present one."""
    if given is None:
        raise Problem(428, "if_match_needed", "Send If-Match with the ETag of what you read, so that nothing is lost.")
    if given.strip() != "*" and tag not in (one.strip().removeprefix("W/") for one in given.split(",")):
        raise Problem(412, "changed", "It was changed meanwhile by somebody else. Read it again, then change it.")


async def _written(request: Request, handle: Handler) -> Response:
    key = request.headers.get(KEY_HEADER)
    if key is not None:
        await request.body()  # kept, so that a form can be read from it, too
    caller = await identified(request) if key is not None else None
    if key is None or caller is None:
        return await handle(request)
    return await _once(caller, key, request, handle)


async def _once(caller: Caller, key: str, request: Request, handle: Handler) -> Response:
    """The answer to the first request with this key, however often it comes."""
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        fault = Fault(field=f"header.{KEY_HEADER}", message=f"1 to {LONGEST_KEY} plain characters")
        raise Problem(422, "invalid", "What was sent cannot be used.", errors=[fault])
    place = {"tenant": caller.tenant_id, "who": _of(caller), "key": key, "asked": await _hash_of(request)}
    if not await _is_first(caller, place):
        return await _answer_of_then(caller, place)
    try:
        response = await handle(request)
    except Exception as error:
        problem = problem_of(error)
        if problem.status_code in PASSING:
            await _forget(caller, place)
            raise
        if problem.status_code >= 500:
            with suppress(*AWAY, PoolTimeout):  # without an answer it reads as broken off, too
                await _keep(caller, place, _BROKEN_OFF.response())
            raise
        response = problem.response()
    await _keep(caller, place, response)
    return response


async def _hash_of(request: Request) -> str:
    """What was asked; a form is the same with the boundary that each try draws anew."""
    body = await request.body()
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    if kind == b"multipart/form-data" and (boundary := options.get(b"boundary")):
        body = body.replace(boundary, b"")
    asked = b" ".join((request.method.encode(), request.url.path.encode(), request.url.query.encode()))
    return hashlib.sha256(asked + b"\n" + body).hexdigest()


def _keys(caller: Caller) -> Database:
    """Where keys of the caller are: of who is in no tenant, out of sight of requests."""
    return caller.db if caller.tenant_id is not None else caller.web.core


def _place(caller: Caller) -> str:
    tenant = "tenant_id = %(tenant)s" if caller.tenant_id is not None else "tenant_id IS NULL"
    return f"{tenant} AND who = %(who)s AND key = %(key)s"


def _of(caller: Caller) -> str:
    return f"key {caller.key_id}" if caller.key_id else f"person {caller.person.id if caller.person else ''}"


async def _is_first(caller: Caller, place: dict[str, Any]) -> bool:
    made = await _keys(caller).run(
        """INSERT INTO idempotency_key (tenant_id, who, key, request_hash)
           VALUES (%(tenant)s, %(who)s, %(key)s, %(asked)s) ON CONFLICT (tenant_id, who, key) DO NOTHING""",
        place,
    )
    return made == 1


async def _answer_of_then(caller: Caller, place: dict[str, Any]) -> Response:
    row = await _keys(caller).one(
        f"""SELECT request_hash, status, headers, body, created_at < now() - interval '{BROKEN_OFF}' AS broken_off
            FROM idempotency_key WHERE {_place(caller)}""",
        place,
    )
    if row is not None and row["request_hash"] != place["asked"]:
        fault = Fault(field=f"header.{KEY_HEADER}", message="was used for another request")
        raise Problem(422, "key_used", "Use a new key for a new request.", errors=[fault])
    if row is None or (row["status"] is None and not row["broken_off"]):
        raise Problem(409, "in_progress", "The request with this key is being worked on. Try again in a moment.")
    if row["status"] is None:
        return _BROKEN_OFF.response()
    return Response(row["body"], row["status"], {**row["headers"], "Idempotency-Replayed": "true"})


_BROKEN_OFF: Final = Problem(
    409,
    "broken_off",
    "The request with this key broke off, and may have been carried out. Look whether it was; if not, use a new key.",
)
_LARGE: Final = Problem(409, "not_kept", "The request with this key was carried out. Its answer was too large to keep.")
_SECRET: Final = Problem(
    409,
    "not_kept",
    "The request with this key was carried out. Its answer holds a secret, which is told once and not kept.",
)


async def _keep(caller: Caller, place: dict[str, Any], response: Response) -> None:
    if response.headers.get("Cache-Control") == "no-store":
        response = _SECRET.response()
    elif len(getattr(response, "body", b"")) > LARGEST_KEPT:
        response = _LARGE.response()
    body = bytes(getattr(response, "body", b""))
    headers = {
        name: value
        for name, value in response.headers.items()
        if name.lower() not in ("content-length", "set-cookie", "date")
    }
    await _keys(caller).run(
        f"""UPDATE idempotency_key SET status = %(status)s, headers = %(headers)s, body = %(body)s
            WHERE {_place(caller)}""",
        {**place, "status": response.status_code, "headers": Jsonb(headers), "body": body},
    )


async def _forget(caller: Caller, place: dict[str, Any]) -> None:
    await _keys(caller).run(f"DELETE FROM idempotency_key WHERE {_place(caller)}", place)
