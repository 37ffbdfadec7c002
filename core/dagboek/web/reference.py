"""The reference of the API for people, at `/api/v1/docs`: written from its description, so it is never behind it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dagboek.console import static
from dagboek.web import openapi
from dagboek.web.marked import blocks, inline

PATH: Final = "/api/v1/docs"

_NAMED: Final = "#/components/schemas/"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_BOUNDS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "minLength": "{} characters at least",
    "maxLength": "{} characters at most",
    "default": "else {}",
}


@dataclass(frozen=True)
class Field:
    """A parameter, or what an object holds."""

    name: str
    type: Markup
    required: bool
    told: Markup


@dataclass(frozen=True)
class Call:
    """One operation."""

    method: str
    path: str
    told: Markup
    right: str
    parameters: tuple[Field, ...]
    takes: Markup | None
    answers: tuple[tuple[str, Markup, Markup | None], ...]
    """Status, when, and what it holds."""

    @property
    def anchor(self) -> str:
        """Of its heading."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.method} {self.path}".lower()).strip("-")


def install(app: FastAPI) -> None:
    """Serves the page. It needs nothing from elsewhere, no script, and nobody signed in, as the description does."""

    @cache
    def page() -> str:
        described: dict[str, Any] = app.openapi()
        return _environment().get_template("reference.html").render(
            about=blocks(described["info"]["description"]),
            groups=_groups(described),
            objects=sorted(_objects(described)),
            description=openapi.PATH,
            static=static.address,
        )  # fmt: skip

    async def show() -> Response:
        return HTMLResponse(page())

    app.add_api_route(PATH, show, include_in_schema=False)


def _groups(described: Mapping[str, Any]) -> dict[str, list[Call]]:
    """Calls by what they are about, in the order of the description."""
    found: dict[str, list[Call]] = {}
    for path, methods in described["paths"].items():
        for method in _METHODS:
            if operation := methods.get(method):
                for tag in operation.get("tags", ["other"])[:1]:
                    found.setdefault(tag, []).append(_call(method, path, operation))
    return found


def _call(method: str, path: str, operation: Mapping[str, Any]) -> Call:
    known = "session or key" if operation.get("security") else "nobody needs to be signed in"
    return Call(
        method=method.upper(),
        path=path,
        told=inline(operation.get("description") or operation.get("summary", "")),
        right=operation.get("x-right") or known,
        parameters=tuple(
            Field(
                f"{one['name']} ({one['in']})" if one["in"] == "header" else one["name"],
                _type(one["schema"]),
                one.get("required", False),
                _told(one.get("description", ""), one["schema"]),
            )
            for one in operation.get("parameters", ())
        ),
        takes=_content(operation.get("requestBody", {})),
        answers=tuple(
            (status, inline(one["description"].replace("Successful Response", "done")), _content(one))
            for status, one in operation["responses"].items()
        ),
    )


def _objects(described: Mapping[str, Any]) -> Iterator[tuple[str, Markup, tuple[Field, ...]]]:
    """All that bodies hold, by name."""
    for name, schema in described["components"]["schemas"].items():
        fields = tuple(
            Field(key, _type(one), key in schema.get("required", ()), _told(one.get("description", ""), one))
            for key, one in schema.get("properties", {}).items()
        )
        told = inline(schema.get("description", ""))
        yield name, told if fields else Markup("{} {}").format(told, _type({**schema, "title": None})), fields


def _content(holder: Mapping[str, Any]) -> Markup | None:
    kinds = holder.get("content", {})
    found = [
        _type(one["schema"]) if one.get("schema") else Markup("<code>{}</code>").format(kind)
        for kind, one in kinds.items()
    ]
    return Markup(" or ").join(found) if found else None


def _type(schema: Mapping[str, Any]) -> Markup:
    """What a value is: text, number, one of some words, or an object that is told of elsewhere on the page."""
    if name := schema.get("$ref", "").removeprefix(_NAMED):
        return Markup('<a href="#{0}">{0}</a>').format(name)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return Markup(" or ").join(dict.fromkeys(_type(one) for one in schema[several]))
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(one) for one in schema["enum"])
    if "const" in schema:
        return Markup("<code>{}</code>").format(schema["const"])
    if schema.get("type") == "array":
        return Markup("list of {}").format(_type(schema.get("items", {})))
    return escape(" ".join(filter(None, (schema.get("type", "anything"), schema.get("format")))))


def _told(description: str, schema: Mapping[str, Any]) -> Markup:
    kinds = [schema, *schema.get("anyOf", ())]
    bounds = [
        words.format(one[bound])
        for bound, words in _BOUNDS.items()
        for one in kinds
        if one.get(bound) not in (None, "", [], {})
    ]
    return inline("; ".join(filter(None, (description, *dict.fromkeys(bounds)))))


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("dagboek.console"), autoescape=True, undefined=StrictUndefined)
