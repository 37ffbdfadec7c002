"""What Exact Online says no with: a status, and words in the language of the user.

Rejections by a rule of the books come as 500, several of them joined by CRLF in one value; what is wrong with the
shape of a request is 400. The grammar of the texts and those in Dutch and English are from the reference, section 7;
French is our reading, and so is Dutch or English where only the other was seen.
"""

from dataclasses import dataclass

LANGUAGES = ("nl", "en", "fr")

_KINDS = {
    "mandatory": ("Verplicht", "Mandatory", "Obligatoire"),
    "invalid": ("Ongeldig", "Invalid", "Non valide"),
    "reference": ("Ongeldige referentie", "Invalid reference", "Référence non valide"),
    "not_allowed": ("Niet toegestaan", "Not allowed", "Non autorisé"),
    "in_use": ("In gebruik", "In use", "En cours d'utilisation"),
    "exists": ("Bestaat reeds", "Already exists", "Existe déjà"),
    "blocked": ("Geblokkeerd", "Blocked", "Bloqué"),
    "unknown": ("Onbekend", "Unknown", "Inconnu"),
}

_LABELS = {
    "account_name": ("Naam", "Name", "Nom"),
    "code": ("Code", "Code", "Code"),
    "cost_centre": ("Kostenplaats", "Cost center", "Centre de frais"),
    "cost_unit": ("Kostendrager", "Cost unit", "Unité de frais"),
    "country": ("Land", "Country", "Pays"),
    "currency": ("Valuta", "Currency", "Devise"),
    "customer": ("Klant", "Customer", "Client"),
    "customer_type": ("Klant (Type)", "Customer (Type)", "Client (Type)"),
    "document": ("Document", "Document", "Document"),
    "document_type": ("Documenttype", "Document type", "Type de document"),
    "email": ("Email", "Email", "Email"),
    "entry_number": ("Boekstuknummer", "Document number", "Numéro de pièce"),
    "exchange_rate": ("Wisselkoers", "Exchange rate", "Taux de change"),
    "file_name": ("Bestandsnaam", "File name", "Nom de fichier"),
    "financial_year": (
        "Boekjaar (Periode-datumtabel)",
        "Financial year (Period-date table)",
        "Exercice (Table périodes-dates)",
    ),
    "gl_account": ("Grootboekrekening", "Ledger account", "Compte général"),
    "gl_account_type": ("Grootboekrekeningtype", "G/L account type", "Type de compte général"),
    "journal": ("Dagboek", "Journal", "Journal"),
    "journal_type": ("Dagboek (type)", "Journal (type)", "Journal (type)"),
    "journals": ("Journals", "Journals", "Journals"),
    "language": ("Taal", "Language", "Langue"),
    "lines": ("Boekingsregels", "Entry lines", "Lignes d'écriture"),
    "line_amount": ("Bedrag", "Amount", "Montant"),
    "payment_condition": ("Betalingsconditie", "Payment condition", "Condition de paiement"),
    "period": ("Periode", "Period", "Période"),
    "relation": ("Relatie", "Relationship", "Relation"),
    "state": ("Provincie", "State", "Province"),
    "status": ("Status", "Status", "Statut"),
    "subject": ("Onderwerp", "Subject", "Sujet"),
    "supplier": ("Leverancier", "Supplier", "Fournisseur"),
    "supplier_type": ("Leverancier (Type)", "Supplier (Type)", "Fournisseur (Type)"),
    "type": ("Type", "Type", "Type"),
    "vat_code": ("Btw-code", "VAT code", "Code TVA"),
    "vat_number": ("Btw-nummer", "VAT number", "Numéro de TVA"),
    "vat_percentage": ("Btw-percentage", "VAT percentage", "Pourcentage de TVA"),
    "your_ref": ("Uw ref.", "Your ref.", "Votre réf."),
}

_SENTENCES = {
    "exists_already": ("Gegeven bestaat reeds.", "Data already exists.", "La donnée existe déjà."),
    "period_closed": (
        "Periode is afgesloten: {year} - {period}",
        "Period is closed: {year} - {period}",
        "La période est clôturée : {year} - {period}",
    ),
    "vat_on_none": (
        'Een btw bedrag is niet toegestaan in combinatie met een btw-code van het type "geen btw"',
        'A VAT amount is not allowed in combination with a VAT code of type "no VAT"',
        'Un montant de TVA n\'est pas autorisé avec un code TVA de type "pas de TVA"',
    ),
    "not_balanced": (
        "De boeking is niet in evenwicht op: {year} / {period} (Type: {type}) - Verschil: {currency} {difference}",
        "The entry is not balanced: {year} / {period} (Type: {type}) - Difference: {currency} {difference}",
        "L'écriture n'est pas en équilibre : {year} / {period} (Type : {type}) - Différence : {currency} {difference}",
    ),
    "processed": ("Reeds verwerkt", "Already processed", "Déjà traité"),
    "credit_sign": (
        "Ongeldig: Bedrag - een creditnota heeft een negatief bedrag",
        "Invalid: Amount - a credit note has a negative amount",
        "Non valide: Montant - une note de crédit a un montant négatif",
    ),
    "too_long": ("Ongeldig: {label} (lengte)", "Invalid: {label} (length)", "Non valide: {label} (longueur)"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that is wrong: a kind and a label, or a sentence with details."""

    kind: str
    label: str = ""
    detail: str = ""
    values: tuple[tuple[str, str], ...] = ()

    def text(self, language: str) -> str:
        """In the language of the user; Dutch where there is no other."""
        place = LANGUAGES.index(language) if language in LANGUAGES else 0
        if self.kind in _SENTENCES:
            return _SENTENCES[self.kind][place].format(**dict(self.values))
        label = _LABELS[self.label][place]
        return f"{_KINDS[self.kind][place]}: {label}{' ' + self.detail if self.detail else ''}"


def sentence(kind: str, **values: object) -> Message:
    """A message that is a sentence."""
    return Message(kind, values=tuple((name, str(value)) for name, value in values.items()))


class Refused(Exception):
    """The call is answered with an error: `status` and a value, in fixed words or as messages.

    `reason` is sent as a header of that name; without a text and messages the body is empty.
    """

    def __init__(
        self, status: int, text: str | None = None, *, messages: tuple[Message, ...] = (), reason: str | None = None
    ) -> None:
        super().__init__(text or ", ".join(message.text("en") for message in messages) or str(status))
        self.status = status
        self.messages = messages
        self.reason = reason
        self._text = text

    def value(self, language: str) -> str | None:
        """What stands in `error.message.value`; None: no body."""
        if self.messages:
            return "\r\n".join(message.text(language) for message in self.messages)
        return self._text


def rejected(*messages: Message) -> Refused:
    """A rule of the books is against it: a 500 with all that is wrong."""
    return Refused(500, messages=messages)


def malformed(text: str) -> Refused:
    """The body does not fit the resource: a 400."""
    return Refused(400, f"Error processing request stream. {text}")


SYNTAX = "Error in query syntax."
UNSUPPORTED_FILTER = "This $filter parameter is not supported for this resource."


def bad_query(text: str = SYNTAX) -> Refused:
    """The query cannot be read: a 400."""
    return Refused(400, text)


class Problems:
    """Collects what is wrong with a body, since several messages come in one answer."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def add(self, kind: str, label: str = "", detail: str = "") -> None:
        """Notes a message once."""
        message = Message(kind, label, detail)
        if message not in self.messages:
            self.messages.append(message)

    def say(self, message: Message) -> None:
        """Notes a sentence."""
        self.messages.append(message)

    def check(self) -> None:
        """Raises Refused with all of them."""
        if self.messages:
            raise rejected(*self.messages)
