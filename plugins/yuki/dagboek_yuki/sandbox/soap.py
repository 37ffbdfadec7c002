"""Envelopes of SOAP 1.1 and 1.2, read without trust and written as ASP.NET writes them."""

from typing import Any

from aiohttp import web
from lxml import etree

from .call import Fault
from .table import Service, Signature
from .values import NAMESPACE, TNS, Unreadable, escaped, untyped, write

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
TYPE11 = "text/xml; charset=utf-8"
TYPE12 = "application/soap+xml; charset=utf-8"

_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
_OPEN = {
    version: f'{_DECLARATION}<soap:Envelope xmlns:soap="{version}" {_XSI}><soap:Body>' for version in (SOAP11, SOAP12)
}
_CLOSE = "</soap:Body></soap:Envelope>"
_UNREADABLE = "Server was unable to read request. ---> "
_NO_DTD = (
    "For security reasons DTD is prohibited in this XML document. To enable DTD processing set the DtdProcessing "
    "property on XmlReaderSettings to Parse and pass the settings into XmlReader.Create method."
)
_PARSER = etree.XMLParser(
    resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
)


def parse(raw: bytes) -> etree._Element:
    """A document from a client: no DTD, so no entities, and nothing is fetched. Raises Fault."""
    if b"<!DOCTYPE" in raw:
        raise unreadable(_NO_DTD)
    try:
        root = etree.fromstring(raw, _PARSER)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise unreadable(f"There is an error in XML document ({line}, {column}). ---> {error.msg}") from None
    # An encoding in which the bytes above look otherwise.
    if root.getroottree().docinfo.internalDTD is not None:
        raise unreadable(_NO_DTD)
    return root


def unreadable(text: str) -> Fault:
    """A request that cannot be read, whoever sent it."""
    return Fault(_UNREADABLE + text, "Client")


def not_fitting(element: etree._Element, error: Unreadable) -> Fault:
    """A parameter that does not fit its type faults the whole request."""
    return unreadable(f"There is an error in XML document ({element.sourceline or 1}, 1). ---> {error}")


def body_of(envelope: etree._Element, version: str) -> etree._Element:
    """The one element in the envelope's body; raises Fault."""
    if envelope.tag != f"{{{version}}}Envelope":
        given = etree.QName(envelope).namespace or ""
        raise unreadable(
            f"Possible SOAP version mismatch: Envelope namespace {given} was unexpected. Expecting {version}."
        )
    body = envelope.find(f"{{{version}}}Body")
    found = None if body is None else next(iter(body), None)
    if found is None:
        raise unreadable("There is an error in XML document (1, 1). ---> The body of the envelope is empty.")
    return found


def operation_of(service: Service, action: str, element: etree._Element) -> Signature:
    """By the action where it is given, else by the body's element; both must agree. Raises Fault."""
    name = etree.QName(element)
    if action:
        signature = service.operations.get(action.removeprefix(NAMESPACE)) if action.startswith(NAMESPACE) else None
        if signature is None:
            raise Fault(f"Server did not recognize the value of HTTP Header SOAPAction: {action}.", "Client")
    else:
        signature = service.operations.get(name.localname) if name.namespace == NAMESPACE else None
    if signature is None or element.tag != TNS + signature.name:
        raise unreadable(
            f"There is an error in XML document ({element.sourceline or 1}, 1). ---> "
            f"<{name.localname} xmlns='{name.namespace or ''}'> was not expected."
        )
    return signature


def answer(version: str, service: Service, signature: Signature, value: Any) -> web.Response:
    """The result in its envelope."""
    out: list[str] = [_OPEN[version]]
    if signature.result is None or value is None:
        out.append(f'<{signature.name}Response xmlns="{NAMESPACE}" />')
    else:
        out.append(f'<{signature.name}Response xmlns="{NAMESPACE}">')
        if signature.result.kind == "xml":
            out.append(f"<{signature.result.name}>{untyped(value)}</{signature.result.name}>")
        else:
            write(out.append, service, signature.result, value)
        out.append(f"</{signature.name}Response>")
    out.append(_CLOSE)
    return xml(200, "".join(out), version)


def fault(version: str, refusal: Fault) -> web.Response:
    """A refusal of the whole call."""
    text, detail = escaped(full_text(refusal)), escaped(refusal.detail)
    if version == SOAP12:
        code = "Sender" if refusal.code == "Client" else "Receiver"
        content = (
            f"<soap:Fault><soap:Code><soap:Value>soap:{code}</soap:Value></soap:Code>"
            f'<soap:Reason><soap:Text xml:lang="en">{text}</soap:Text></soap:Reason><soap:Detail>{detail}</soap:Detail>'
            "</soap:Fault>"
        )
    else:
        content = (
            f"<soap:Fault><faultcode>soap:{refusal.code}</faultcode><faultstring>{text}</faultstring>"
            f"<detail>{detail}</detail></soap:Fault>"
        )
    return xml(refusal.status, f"{_OPEN[version]}{content}{_CLOSE}", version)


def full_text(refusal: Fault) -> str:
    """As it goes out: what is not the client's doing comes with .NET's own words in front."""
    front = "" if refusal.code == "Client" else "Server was unable to process request. ---> "
    return front + refusal.text


def xml(status: int, text: str, version: str = SOAP11) -> web.Response:
    """An answer in XML."""
    headers = {"Content-Type": TYPE12 if version == SOAP12 else TYPE11, "Cache-Control": "private, max-age=0"}
    return web.Response(status=status, body=text.encode(), headers=headers)
