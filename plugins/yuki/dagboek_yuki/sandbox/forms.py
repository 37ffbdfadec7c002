"""Calls without an envelope: `Service.asmx/Operation` with a query or a form, answered by the bare result."""

from typing import Any

from aiohttp import web

from .call import Fault
from .soap import xml
from .table import Service, Signature
from .values import NAMESPACE, Unreadable, parse, untyped, write

_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
ELEMENTS = {"bool": "boolean", "bytes": "base64Binary"}
"""What a simple result is called, where it is not called as its kind is."""
_CLR = {"int": "Int32", "decimal": "Decimal", "bool": "Boolean", "dateTime": "DateTime"}


def has_form(service: Service, signature: Signature) -> bool:
    """Operations that take XML or a type have no such form."""
    return not any(each.many or each.kind == "xml" or each.kind in service.types for each in signature.params)


def read(service: Service, signature: Signature, form: dict[str, str]) -> dict[str, Any]:
    """The parameters, all of which must be there; raises Fault."""
    found = {}
    for field in signature.params:
        if field.name not in form:
            raise Fault(f"Missing parameter: {field.name}.", "Client")
        try:
            found[field.name] = parse(service, field, form[field.name])
        except Unreadable as error:
            kind = _CLR.get(field.kind, field.kind)
            text = f"Cannot convert {form[field.name]} to System.{kind}.\r\nParameter name: type ---> {error}"
            raise Fault(text, "Client") from None
    return found


def element_of(service: Service, signature: Signature) -> str | None:
    """What the result is called when it stands alone; None: it is any XML."""
    result = signature.result
    if result is None or result.kind == "xml":
        return None
    return f"ArrayOf{result.kind}" if result.many else ELEMENTS.get(result.kind, result.kind)


def answer(service: Service, signature: Signature, value: Any) -> web.Response:
    """The result alone."""
    if signature.result is None or value is None:
        return web.Response(status=200)
    if signature.result.kind == "xml":
        return xml(200, _DECLARATION + untyped(value).replace(' xmlns=""', "", 1))
    name = element_of(service, signature)
    out: list[str] = []
    write(out.append, service, signature.result, value, name)
    out[0] = out[0].replace(f"<{name}", f'<{name} {_XSI} xmlns="{NAMESPACE}"', 1)
    return xml(200, _DECLARATION + "".join(out))


def refusal(text: str, status: int = 500) -> web.Response:
    """A refusal is plain text."""
    return web.Response(status=status, text=text + "\r\n", content_type="text/plain")
