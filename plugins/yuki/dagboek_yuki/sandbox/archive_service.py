"""The Archive service: lists of documents, their files, and what may be said of an upload."""

import base64
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any, Final

from lxml import etree

from . import archive, sample
from .answers import add
from .archive import Document, named
from .call import Call, Fault, Operation
from .sales import document_xml
from .transactions import page, until

_NO_FILTER: Final = -1
_ORDERS: Final[dict[str, Callable[[Document], Any]]] = {
    "Created": lambda one: (one.created, one.hid),
    "Modified": lambda one: (one.modified, one.hid),
    "DocumentDate": lambda one: one.day,
    "ContactName": lambda one: one.contact.casefold(),
}


def _all(call: Call) -> list[Document]:
    """The documents of the session's domain that its key may see."""
    assert call.session is not None
    seen = {one.id for one in call.books.visible(call.session)}
    return [one for one in call.domain.archive.documents.values() if one.administration in seen]


def documents(call: Call) -> etree._Element:
    """Documents: all of them."""
    return _listed(call, _dated(call, _all(call)), places=True)


def in_folder(call: Call) -> etree._Element:
    """DocumentsInFolder."""
    return _listed(call, _dated(call, [one for one in _all(call) if one.folder == call.params["folderID"]]))


def in_tab(call: Call) -> etree._Element:
    """DocumentsInTab."""
    rows = [one for one in _all(call) if archive.TAB_OF.get(one.folder) == call.params["tabID"]]
    return _listed(call, _dated(call, rows))


def by_type(call: Call) -> etree._Element:
    """DocumentsByType."""
    rows = [one for one in _all(call) if one.type == call.params["documentType"]]
    return _listed(call, _dated(call, rows), places=True)


def modified_by_type(call: Call) -> etree._Element:
    """ModifiedDocumentsByType."""
    return _listed(call, _modified(call, [one for one in _all(call) if one.type == call.params["documentType"]]))


def modified_in_folder(call: Call) -> etree._Element:
    """ModifiedDocumentsInFolder."""
    return _listed(call, _modified(call, [one for one in _all(call) if one.folder == call.params["folderID"]]))


def search(call: Call) -> etree._Element:
    """SearchDocuments: a part of a text; -1 as folder or tab is any."""
    words, option = call.text("searchText").casefold(), call.params["searchOption"]
    folder, tab = call.params["folderID"], call.params["tabID"]
    rows = [
        one
        for one in _all(call)
        if folder in (_NO_FILTER, one.folder)
        and tab in (_NO_FILTER, archive.TAB_OF.get(one.folder))
        and words in _text(call, one, option).casefold()
    ]
    return _listed(call, _dated(call, rows))


def _text(call: Call, one: Document, option: str) -> str:
    kind = named(archive.TYPES.get(one.type, ("", "", "")), call.language)
    match option:
        case "Creator":
            return one.creator
        case "Contact":
            return one.contact
        case "Subject":
            return one.subject
        case "Tag":
            return ""
        case "Type":
            return kind
    return " ".join((one.subject, one.contact, one.file_name, kind, str(one.hints.get("remarks", ""))))


def _dated(call: Call, rows: Iterable[Document]) -> list[Document]:
    start, end = call.params["startDate"], until(call.params["endDate"])
    if call.books.rules.archive_dates == "created":
        return [one for one in rows if start <= call.books.local(one.created) < end]
    return [one for one in rows if one.day and start.date() <= date.fromisoformat(one.day) < end.date()]


def _modified(call: Call, rows: Iterable[Document]) -> list[Document]:
    since: datetime = call.params["modifiedSince"]
    return [one for one in rows if call.books.local(one.modified) >= since]


def _listed(call: Call, rows: list[Document], *, places: bool = False) -> etree._Element:
    order = call.params["sortOrder"]
    down = order.endswith("Desc")
    rows.sort(key=_ORDERS[order.removesuffix("Desc" if down else "Asc")], reverse=down)
    root = etree.Element("Documents")
    for one in page(call, rows):
        _row(call, root, one, places=places)
    return root


def _row(call: Call, root: etree._Element, one: Document, *, places: bool) -> None:
    row = etree.SubElement(root, "Document", ID=one.id)
    add(row, {"Subject": one.subject, "DocumentDate": one.day, "Amount": one.amount or "0.00"})
    if places:
        etree.SubElement(row, "Folder", ID=str(one.folder)).text = named(archive.FOLDERS[one.folder], call.language)
        tab = archive.TAB_OF.get(one.folder)
        place = etree.SubElement(row, "Tab", ID=str(tab or ""))
        place.text = named(archive.TABS[tab], call.language) if tab else None
    values = {
        "Type": one.type,
        "TypeDescription": named(archive.TYPES.get(one.type, ("", "", "")), call.language),
        "FileName": one.file_name,
        "ContentType": one.content_type,
        "FileSize": one.size,
        "ContactName": one.contact,
        "Created": call.books.local(one.created).isoformat(timespec="seconds"),
        "Creator": one.creator,
        "Modified": call.books.local(one.modified).isoformat(timespec="seconds"),
        "Modifier": one.creator,
    }
    add(row, values)


# --- one document -----------------------------------------------------------------------------------------------------


def _one(call: Call) -> Document:
    """The document that is asked for. Raises Fault."""
    id = call.text("documentID").strip("{}").lower()
    found = call.domain.archive.documents.get(id)
    assert call.session is not None
    if found is None or not any(one.id == found.administration for one in call.books.visible(call.session)):
        raise Fault(f"Document '{id}' does not exist", "Client")
    return found


def find(call: Call) -> etree._Element:
    """FindDocument: one row, or none."""
    root = etree.Element("Documents")
    id = call.text("documentID").strip("{}").lower()
    for one in _all(call) if id in call.domain.archive.documents else ():
        if one.id == id:
            _row(call, root, one, places=True)
    return root


def binary(call: Call) -> bytes:
    """DocumentBinaryData: the file."""
    return _one(call).bytes


def file(call: Call) -> etree._Element:
    """DocumentFile: the file with its name."""
    one = _one(call)
    row = etree.Element("Document", ID=one.id)
    data = base64.b64encode(one.bytes).decode()
    add(row, {"FileName": one.file_name, "FileSize": one.size, "FileData": data})
    return row


def download_url(call: Call) -> str:
    """DocumentDownloadUrl."""
    return f"{call.address}/docs/Document.aspx?id={_one(call).id}"


def xml(call: Call) -> etree._Element:
    """DocumentXMLData: of an invoice that came through the Sales service alone."""
    sale = _one(call).sale
    return document_xml(sale) if sale is not None else etree.Element("NoData")


def xml_text(call: Call) -> str:
    """DocumentXMLDataAsString."""
    sale = _one(call).sale
    return etree.tostring(document_xml(sale), encoding="unicode") if sale is not None else ""


def xml_binary(call: Call) -> bytes:
    """DocumentXMLDataAsBinary."""
    return xml_text(call).encode()


def bundle(call: Call) -> etree._Element:
    """DocumentBundle: the document and what came with it."""
    one = _one(call)
    root = etree.Element("Documents")
    _row(call, root, one, places=False)
    return root


def image(call: Call) -> bytes:
    """DocumentImage: the sandbox draws nothing."""
    return _one(call).bytes


def image_count(call: Call) -> int:
    """DocumentImageCount: one page each."""
    _one(call)
    return 1


# --- what there is ----------------------------------------------------------------------------------------------------


def folders(call: Call) -> etree._Element:
    """DocumentFolders."""
    root = etree.Element("DocumentFolders")
    for id, names in archive.FOLDERS.items():
        add(etree.SubElement(root, "Folder", ID=str(id)), {"Description": named(names, call.language)})
    return root


def folder_counts(call: Call) -> etree._Element:
    """DocumentFolderCounts: of a year."""
    root = etree.Element("DocumentFolderCounts")
    year = call.params["year"]
    rows = [one for one in _all(call) if call.books.local(one.created).year == year]
    for id in archive.FOLDERS:
        add(etree.SubElement(root, "Folder", ID=str(id)), {"Count": sum(one.folder == id for one in rows)})
    return root


def folder_tabs(call: Call) -> etree._Element:
    """DocumentFolderTabs."""
    root = etree.Element("DocumentFolderTabs")
    for id, tab in archive.TABS.items():
        if call.text("folderID") in (str(tab[0]), ""):
            add(etree.SubElement(root, "Tab", ID=str(id)), {"Description": named(tab, call.language)})
    return root


def payment_methods(call: Call) -> etree._Element:
    """PaymentMethods: of uploads."""
    root = etree.Element("PaymentMethods")
    for row in sample.PAYMENT_METHODS.values():
        add(etree.SubElement(root, "PaymentMethod", ID=str(row[0])), {"Description": named(row[1:4], call.language)})
    return root


def cost_categories(call: Call) -> etree._Element:
    """CostCategories: the cost accounts of the domain's administrations, by their codes."""
    root = etree.Element("CostCategories")
    assert call.session is not None
    seen: dict[str, str] = {}
    for administration in call.books.visible(call.session):
        for one in administration.accounts.values():
            if one.kind == "costs" and one.enabled:
                seen.setdefault(one.code, one.name(call.language))
    for code, name in seen.items():
        add(etree.SubElement(root, "CostCategory", ID=code), {"Description": name})
    return root


def currencies(call: Call) -> etree._Element:
    """Currencies; one is the default."""
    root = etree.Element("Currencies")
    for code in sample.CURRENCIES:
        add(etree.SubElement(root, "Currency", ID=code, Default=str(code == "EUR").lower()), {"Description": code})
    return root


def empty(name: str) -> Operation:
    """A list of what the sandbox does not keep."""

    def listing(call: Call) -> etree._Element:
        return etree.Element(name)

    return listing


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("Archive", name): operation
    for name, operation in {
        "Documents": documents,
        "DocumentsInFolder": in_folder,
        "DocumentsInTab": in_tab,
        "DocumentsByType": by_type,
        "ModifiedDocumentsByType": modified_by_type,
        "ModifiedDocumentsInFolder": modified_in_folder,
        "SearchDocuments": search,
        "FindDocument": find,
        "DocumentBinaryData": binary,
        "DocumentFile": file,
        "DocumentDownloadUrl": download_url,
        "DocumentXMLData": xml,
        "DocumentXMLDataAsString": xml_text,
        "DocumentXMLDataAsBinary": xml_binary,
        "DocumentBundle": bundle,
        "DocumentImage": image,
        "DocumentImageCount": image_count,
        "DocumentFolders": folders,
        "DocumentFolderCounts": folder_counts,
        "DocumentFolderTabs": folder_tabs,
        "PaymentMethods": payment_methods,
        "CostCategories": cost_categories,
        "Currencies": currencies,
        "Menu": empty("Menu"),
        "Projects": empty("Projects"),
    }.items()
}
