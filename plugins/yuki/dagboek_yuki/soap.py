"""Envelopes of SOAP 1.1 out, and what comes back: a result, a fault, or something that is not Yuki's own.

Answers are untrusted: no document types, no entities, nothing fetched, bounded depth and size.
"""

import html
import re
from base64 import b64encode
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from lxml import etree
from lxml.etree import _Element as Element

from dagboek_yuki.operations import Type, parameters

YUKI: Final = "http://www.theyukicompany.com/"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"

MAX_MARKUP: Final = 3_000_000
"""Tags in an answer at most: each takes a hundred bytes of memory, whatever it is called."""
READ: Final = 20_000
"""Characters of words that are read: patterns that look for an end take time by the square of what they are given."""
SHOWN: Final = 400
"""Characters of a page that are shown as Yuki's words."""

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FORBIDDEN_BYTES: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|\xed[\xa0-\xbf][\x80-\xbf]")
_REFERENCE: Final = re.compile(rb"&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")
_TAG: Final = re.compile(r"<[^<>]{0,1000}>")
_STYLE: Final = re.compile(r"<(script|style|head)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TITLE: Final = re.compile(r"<title[^>]*>([^<]{1,400})</title>", re.IGNORECASE)


class NotYukis(Exception):
    """What came is not an answer of Yuki. The text says what it is; `words` is what it says itself."""

    def __init__(self, what: str, words: str | None = None) -> None:
        self.words = words
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP fault. `of_sender`: Yuki says that the request is at fault, and not Yuki."""

    words: str
    of_sender: bool


def cleaned(text: str) -> str:
    """`text` with a blank for each character that XML forbids: they come of pasted texts, and nobody sees them."""
    return _FORBIDDEN.sub(" ", text)


# out


def headers(operation: str) -> dict[str, str]:
    """HTTP headers of a request."""
    return {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{YUKI}{operation}"'}


def envelope(service: str, operation: str, values: Mapping[str, Any]) -> bytes:
    """A request with `values`, by the names of parameters, in wire order; None is left out.

    TypeError for a parameter that the operation does not have: Yuki would pass over it in silence.
    """
    known = parameters(service, operation)
    if wrong := sorted(set(values) - set(known)):
        raise TypeError(f"{service}.{operation} has no parameter {', '.join(wrong)}")
    # Prefixes, as a default namespace would take in a document that has none.
    root = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP, "y": YUKI})
    call = etree.SubElement(etree.SubElement(root, f"{{{SOAP}}}Body"), f"{{{YUKI}}}{operation}")
    for name, kind in known.items():
        value = values.get(name)
        if value is None:
            continue
        parameter = etree.SubElement(call, f"{{{YUKI}}}{name}")
        if kind is Type.XML:
            parameter.append(deepcopy(value))
        else:
            parameter.text = _written(kind, value)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _written(kind: Type, value: Any) -> str:
    match kind:
        case Type.BYTES:
            return b64encode(value).decode("ascii")
        case Type.FLAG:
            return "true" if value else "false"
        case Type.MOMENT:
            return value.isoformat(timespec="seconds") if isinstance(value, datetime) else date.isoformat(value)
        case Type.DECIMAL:
            return format(Decimal(value), "f")
        case Type.WHOLE:
            return str(int(value))
    return cleaned(str(value))


# in


def opened(body: bytes) -> Element | Fault:
    """The element in the envelope, of Yuki's namespace, or the fault. NotYukis."""
    root = _parsed(body)
    if root.tag not in (f"{{{SOAP}}}Envelope", f"{{{SOAP_12}}}Envelope"):
        if etree.QName(root).localname.lower() == "html":
            raise NotYukis("it is a web page", _page_words(body))
        raise NotYukis("it is no SOAP envelope")
    inner = root.find("{*}Body")
    first = next(iter(inner), None) if inner is not None else None
    if first is None:
        raise NotYukis("its envelope is empty")
    name = etree.QName(first)
    if name.localname == "Fault" and name.namespace in (SOAP, SOAP_12):
        return _fault(first)
    if name.namespace != YUKI:
        raise NotYukis("it is in another namespace than Yuki's")
    return first


def result(body: bytes, operation: str) -> Element:
    """The `<OperationResult>` of an answer, with the document inside it opened where it came as text; empty where Yuki
    left it out. NotYukis, also for the answer to another operation.
    """
    answer = opened(body)
    if isinstance(answer, Fault):
        raise NotYukis("it is a fault", answer.words)
    # AuthenticateClient was seen to be answered with Authenticate's name.
    names = {operation, "Authenticate"} if operation == "AuthenticateClient" else {operation}
    if answer.tag not in {f"{{{YUKI}}}{name}Response" for name in names}:
        raise NotYukis("it answers something else than was asked")
    found = next((one for name in names if (one := answer.find(f"{{{YUKI}}}{name}Result")) is not None), None)
    if found is None:
        return etree.Element(f"{{{YUKI}}}{operation}Result")
    if len(found) == 0 and (text := (found.text or "").strip()).startswith("<"):
        found.text = None
        found.append(_parsed(text.encode()))
    return found


def _parsed(body: bytes) -> Element:
    if not body.strip():
        raise NotYukis("it is empty")
    if body.count(b"<") > MAX_MARKUP:
        raise NotYukis("it has more tags than can be read")
    try:
        root = _read(body)
    except etree.XMLSyntaxError:
        root = _read_without_forbidden(body)
    tree = root.getroottree()
    if tree.docinfo.doctype or tree.docinfo.internalDTD is not None:
        html_page = etree.QName(root).localname.lower() == "html"
        raise NotYukis("it is a web page" if html_page else "it has a document type", _page_words(body))
    return root


def _read(body: bytes) -> Element:
    # A parser of one's own for each document: lxml lets only one thread at a time use a parser.
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    return etree.fromstring(body, parser)


def _read_without_forbidden(body: bytes) -> Element:
    """Once more with blanks for what XML forbids: .NET writes it into texts, as `&#x1F;`, where somebody pasted it."""
    tried = _REFERENCE.sub(_allowed, _FORBIDDEN_BYTES.sub(b" ", body))
    if tried != body:
        try:
            return _read(tried)
        except etree.XMLSyntaxError:
            pass
    if _is_page(body):
        raise NotYukis("it is a web page", _page_words(body))
    raise NotYukis("it is no XML that can be read")


def _allowed(found: re.Match[bytes]) -> bytes:
    code = int(found[1], 16) if found[1] else int(found[2])
    return b" " if code > 0x10FFFF or _FORBIDDEN.match(chr(code)) else found[0]


def _is_page(body: bytes) -> bool:
    start = body[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html")) or b"<html" in start or b"<body" in start


def _page_words(body: bytes) -> str | None:
    """What a page says, for people: its title, else the beginning of its text."""
    page = body[:READ].decode("utf-8", "replace")
    title = _TITLE.search(page)
    return _plain(title[1] if title else _STYLE.sub(" ", page))[:SHOWN] or None


def _plain(text: str) -> str:
    """Text without tags, even ones that came escaped."""
    return " ".join(html.unescape(_TAG.sub(" ", html.unescape(_TAG.sub(" ", text)))).split())


def _fault(fault: Element) -> Fault:
    code = "".join(fault.xpath("string(faultcode | *[local-name() = 'Code']/*[local-name() = 'Value'])"))
    words = "".join(fault.xpath("string(faultstring | *[local-name() = 'Reason']/*[local-name() = 'Text'])"))
    detail = "".join(fault.xpath("string(detail | *[local-name() = 'Detail'])"))
    told = [one for text in (words, detail) if (one := _told(text))]
    if len(told) == 2 and told[1] in told[0]:
        told.pop()
    return Fault(": ".join(told)[:2000], code.rpartition(":")[2].strip() in ("Client", "Sender"))


_STACK: Final = re.compile(r"\s+(at|bij|à|bei) [\w.`<>]+\([^)]*\).*", re.DOTALL)
_EXCEPTION: Final = re.compile(r"^([A-Za-z]\w*\.)+\w*(Exception|Error)\s*(\([^)]*\))?\s*:\s*")


def _told(text: str) -> str:
    """The message alone: ASP.NET puts the names of its exceptions before it, and where it happened behind."""
    opened = html.unescape(text[:READ])
    plain = _plain(_STYLE.sub(" ", opened) if "<" in opened else text[:READ])
    last = _STACK.sub("", plain).rpartition("--->")[2].strip()
    return _EXCEPTION.sub("", last).removesuffix("--- End of inner exception stack trace ---").strip()
