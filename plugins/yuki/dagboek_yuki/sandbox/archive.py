"""The archive of a domain: every document that came or was made, in folders, and who may still have to look at it."""

import base64
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

FOLDERS: Final = {
    1: ("Inkoop", "Achats", "Purchase"),
    2: ("Verkoop", "Ventes", "Sales"),
    3: ("Bank", "Banque", "Bank"),
    4: ("Personeel", "Personnel", "Personnel"),
    5: ("Belasting", "Impôts", "Tax"),
    7: ("Nog te verwerken door Yuki", "À traiter par Yuki", "To be handled by Yuki"),
    8: ("Overig financieel", "Autres documents financiers", "Other financial"),
}
TABS: Final = {
    101: (1, "Inkoopfacturen", "Factures d'achat", "Purchase invoices"),
    201: (2, "Verkoopfacturen", "Factures de vente", "Sales invoices"),
    301: (3, "Bestanden", "Fichiers", "Files"),
    302: (3, "Afschriften", "Extraits", "Statement view"),
    303: (3, "Creditcards", "Cartes de crédit", "Credit cards"),
    304: (3, "Kas", "Caisse", "Petty cash"),
    305: (3, "Overig", "Autres", "Other"),
}
"""Tabs: their folder, and what they are called in Dutch, French and English."""
TYPES: Final = {
    0: ("Standaard", "Standard", "Standard"),
    2: ("Inkoopfactuur", "Facture d'achat", "Purchase invoice"),
    6: ("Verkoopfactuur", "Facture de vente", "Sales invoice"),
    21: ("Memoriaal", "Journal général", "General journal"),
    29: ("Vraag", "Question", "Question"),
    31: ("Verkoopfactuur (gescand)", "Facture de vente (numérisée)", "Sales invoice (prescanned)"),
}
UNHANDLED: Final = 7
PURCHASES: Final = 1
SALES: Final = 2
PURCHASE_INVOICE: Final = 2
SALES_INVOICE: Final = 6
JOURNAL: Final = 21
TAB_OF: Final = {1: 101, 2: 201, 3: 305}
"""The tab of a folder that new documents stand in; other folders have none."""


def named(names: tuple[Any, ...], language: str) -> str:
    """The name in a language of something that is called three ways, last in the tuple."""
    return str(names[-3:][{"nl": 0, "fr": 1, "en": 2}.get(language[:2], 0)])


@dataclass(slots=True)
class Document:
    """One document. Its entry, when it is booked, has the same id."""

    id: str
    hid: int
    administration: str
    subject: str
    day: str
    """Of the document, as yyyy-mm-dd; empty when it is not known."""
    amount: str
    folder: int
    type: int
    file_name: str
    data: str
    """The file in base64; empty: a page that Yuki makes itself."""
    contact: str
    creator: str
    created: float
    modified: float
    sale: dict[str, Any] | None = None
    """What a sales document said, where it came through the Sales service."""
    attached: tuple[tuple[str, str], ...] = ()
    """More files: name and base64."""
    hints: dict[str, Any] = field(default_factory=dict)
    """What an upload said of itself: currency, amount, cost category, way of payment, remarks."""
    delivered: int = 0
    waits: bool = False
    """Somebody has still to look at it."""
    left: str = ""
    """Why whoever looked at it did not book it."""

    @property
    def bytes(self) -> bytes:
        """The file."""
        return base64.b64decode(self.data) if self.data else _page(self.subject, self.amount)

    @property
    def content_type(self) -> str:
        """By the file's name."""
        ends = self.file_name.rsplit(".", 1)[-1].lower()
        return {"pdf": "application/pdf", "xml": "text/xml", "jpg": "image/jpeg", "png": "image/png"}.get(
            ends, "application/octet-stream"
        )

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.data) * 3 // 4 - self.data[-2:].count("=") if self.data else len(self.bytes)


def _page(subject: str, amount: str) -> bytes:
    words = f"({subject} {amount}) Tj".encode("latin-1", "replace")
    return b"%PDF-1.4\n1 0 obj<</Length " + str(len(words)).encode() + b">>stream\n" + words + b"\nendstream\n%%EOF\n"


@dataclass(slots=True)
class Archive:
    """All documents of a domain."""

    documents: dict[str, Document] = field(default_factory=dict)
    """By id, in the order in which they came."""
    _waiting: list[tuple[float, int, str]] = field(default_factory=list)

    def add(self, document: Document) -> None:
        """Notes a new one."""
        self.documents[document.id] = document

    def next_hid(self) -> int:
        """The next of the numbers that people see."""
        return len(self.documents) + 1

    def wait(self, document: Document, due: float) -> None:
        """Somebody will look at it at a moment."""
        document.waits = True
        heapq.heappush(self._waiting, (due, document.hid, document.id))

    def due(self, at: float) -> Iterator[tuple[float, Document]]:
        """What somebody has looked at by now, in their order, each with the moment; it waits no longer."""
        while self._waiting and self._waiting[0][0] <= at:
            due, _, id = heapq.heappop(self._waiting)
            document = self.documents.get(id)
            if document is not None and document.waits:
                document.waits = False
                yield due, document
