"""Answers as Atom, which is what is given to a caller who does not ask for JSON."""

from typing import Any
from xml.etree import ElementTree as ET

from .edm import EDM_NAMES, Row, to_text
from .query import Query
from .render import collection_address, entity_address
from .resources import Resource, View

_ATOM = "http://www.w3.org/2005/Atom"
_DATA = "http://schemas.microsoft.com/ado/2007/08/dataservices"
_META = f"{_DATA}/metadata"
TYPE = "application/atom+xml"

for _prefix, _space in (("", _ATOM), ("d", _DATA), ("m", _META)):
    ET.register_namespace(_prefix, _space)


def feed(view: View, resource: Resource, rows: Any, query: Query, following: str | None) -> bytes:
    """A listing."""
    root = ET.Element(f"{{{_ATOM}}}feed")
    ET.SubElement(root, f"{{{_ATOM}}}title", {"type": "text"}).text = resource.name
    ET.SubElement(root, f"{{{_ATOM}}}id").text = collection_address(view, resource)
    for row in rows:
        root.append(_entry(view, resource, row, query))
    if following:
        ET.SubElement(root, f"{{{_ATOM}}}link", {"rel": "next", "href": following})
    return _bytes(root)


def entry(view: View, resource: Resource, row: Row, query: Query | None) -> bytes:
    """One entity."""
    return _bytes(_entry(view, resource, row, query))


def error(value: str) -> bytes:
    """An error body."""
    root = ET.Element(f"{{{_META}}}error")
    ET.SubElement(root, f"{{{_META}}}code")
    ET.SubElement(root, f"{{{_META}}}message").text = value
    return _bytes(root)


def _entry(view: View, resource: Resource, row: Row, query: Query | None) -> ET.Element:
    root = ET.Element(f"{{{_ATOM}}}entry")
    ET.SubElement(root, f"{{{_ATOM}}}id").text = entity_address(view, resource, row)
    content = ET.SubElement(root, f"{{{_ATOM}}}content", {"type": "application/xml"})
    properties = ET.SubElement(content, f"{{{_META}}}properties")
    for name, kind in resource.fields.items():
        if kind.startswith(">") or (query is not None and not query.shows(name)):
            continue
        value = resource.value(view, row, name)
        attributes = {} if kind == "text" else {f"{{{_META}}}type": f"Edm.{EDM_NAMES[kind]}"}
        if value is None:
            attributes[f"{{{_META}}}null"] = "true"
        element = ET.SubElement(properties, f"{{{_DATA}}}{name}", attributes)
        element.text = None if value is None else to_text(kind, value)
    return root


def _bytes(root: ET.Element) -> bytes:
    return b'<?xml version="1.0" encoding="utf-8"?>' + ET.tostring(root, encoding="unicode").encode()
