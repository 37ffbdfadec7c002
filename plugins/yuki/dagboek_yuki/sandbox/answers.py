"""Answers that several documents share: what came of the invoices of a call, and rows of XML."""

from collections.abc import Mapping
from typing import Any

from lxml import etree

from .call import Call
from .values import escaped


def import_response(
    name: str, namespace: str, administration: str, call: Call, outcome: Mapping[str, Any]
) -> etree._Element | str:
    """What came of each invoice, in the order of the call; what was skipped is counted alone."""
    rule = call.books.rules.answer
    # An element without a namespace below one that has it must say so, which lxml does only for what it has read.
    inner = "" if rule == "qualified" else ' xmlns=""'
    done = outcome["invoices"]
    succeeded = sum(one["Succeeded"] for one in done)
    counts = {
        "TimeStamp": call.now.date().isoformat(),
        "AdministrationId": administration,
        "TotalSucceeded": succeeded,
        "TotalFailed": len(done) - succeeded,
        "TotalSkipped": outcome["skipped"],
    }
    parts = [f'<{name} xmlns="{namespace}">', *_texts(counts, inner)]
    for one in done:
        parts += [f"<Invoice{inner}>", *_texts(one, ""), "</Invoice>"]
    whole = "".join([*parts, f"</{name}>"])
    return whole if rule == "text" else etree.fromstring(whole)


def _texts(values: Mapping[str, Any], inner: str) -> list[str]:
    return [f"<{name}{inner}>{escaped(_plain(value))}</{name}>" for name, value in values.items()]


def add(element: etree._Element, values: Mapping[str, Any]) -> None:
    """Children with texts; truths are true or false, None is an empty element."""
    for name, value in values.items():
        child = etree.SubElement(element, name)
        if value is not None and value != "":
            child.text = _plain(value)


def _plain(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
