"""Numeric error codes of the API, with the message in four languages.

The numbers and what each stands for come from the list of codes in the reference (`error-codes.json`); the
texts are our own, since the real ones are not published. `GET /error` shows each of them.
"""

from typing import NamedTuple

LANGUAGES = ("nl", "fr", "en", "de")

# Used by the checks; the others exist so that `GET /error` and the fault "refuse" can show them.
NO_ACCESS_TO_DOSSIER = -3
DOSSIER_DISABLED = -5
NO_DOSSIER_OPEN = -6
STORE_RELATION = -7
UNKNOWN_BOOKYEAR = -9
UNKNOWN_JOURNAL = -10
JOURNAL_CLOSED = -11
JOURNAL_IN_USE = -12
ILLEGAL_NUMBER = -13
UNKNOWN_PERIOD = -14
PERIOD_PROTECTED = -15
UNKNOWN_RELATION = -16
NO_DOCUMENT_DATE = -17
NO_EXPIRY_DATE = -18
UNKNOWN_CURRENCY = -19
ILLEGAL_RATE = -20
UNKNOWN_ACCOUNT = -21
UNKNOWN_VAT_CODE = -22
OTHER_SIGN = -23
UNKNOWN_LINE_TYPE = -25
STORE_BALANCING = -26
JOURNAL_WRONG_MODE = -29
VAT_RECOVERY = -30
BOOKING_NOT_THERE = -34
UPDATE_BOOKING = -35
WRONG_JOURNAL_TYPE = -38
UNKNOWN_COST_CENTRE = -40
COST_CENTRE_CLOSED = -41
ACCOUNT_IS_HEADING = -50
TOO_MANY_CONNECTIONS = -51
JOURNAL_BALANCE = -67
SOFTWARE_HOUSE = -68
VAT_CODE_OTHER_SIDE = -75
INVALID_PARAMETER = -79


class Texts(NamedTuple):
    """One message in the languages of the API's `localeId` 1 to 4 (nl, fr, en, de)."""

    nl: str
    fr: str
    en: str
    de: str


def message(code: int, language: str) -> str:
    """The text of a code; an unknown code gets a general text, as does an unknown language (Dutch)."""
    texts = MESSAGES.get(code, _GENERAL)
    return texts[LANGUAGES.index(language)] if language in LANGUAGES else texts.nl


_GENERAL = Texts("Onbekende fout", "Erreur inconnue", "Unknown error", "Unbekannter Fehler")

MESSAGES: dict[int, Texts] = {
    0: Texts("Geen fout", "Pas d'erreur", "No error", "Kein Fehler"),
    -1: Texts("Aanmelden geweigerd", "Connexion refusée", "Login refused", "Anmeldung abgelehnt"),
    -2: Texts(
        "U bent niet aangemeld", "Vous n'êtes pas connecté", "You are not logged in", "Sie sind nicht angemeldet"
    ),
    -3: Texts(
        "U hebt geen toegang tot dit dossier",
        "Vous n'avez pas accès à ce dossier",
        "You have no access to this dossier",
        "Sie haben keinen Zugriff auf dieses Dossier",
    ),
    -4: Texts(
        "Het dossier kan niet geopend worden",
        "Impossible d'ouvrir le dossier",
        "The dossier cannot be opened",
        "Das Dossier kann nicht geöffnet werden",
    ),
    -5: Texts(
        "Dit dossier is uitgeschakeld",
        "Ce dossier est désactivé",
        "This dossier is switched off",
        "Dieses Dossier ist deaktiviert",
    ),
    -6: Texts("Er is geen dossier open", "Aucun dossier n'est ouvert", "No dossier is open", "Kein Dossier geöffnet"),
    -7: Texts(
        "De relatie kan niet bewaard worden",
        "Impossible d'enregistrer la relation",
        "The relation cannot be stored",
        "Die Relation kann nicht gespeichert werden",
    ),
    -8: Texts(
        "De boekjaren kunnen niet gelezen worden",
        "Impossible de lire les exercices",
        "The bookyears cannot be read",
        "Die Geschäftsjahre können nicht gelesen werden",
    ),
    -9: Texts("Onbekend boekjaar", "Exercice inconnu", "Unknown bookyear", "Unbekanntes Geschäftsjahr"),
    -10: Texts("Onbekend dagboek", "Journal inconnu", "Unknown journal", "Unbekanntes Journal"),
    -11: Texts(
        "Het dagboek is afgesloten", "Le journal est clôturé", "The journal is closed", "Das Journal ist geschlossen"
    ),
    -12: Texts(
        "Het dagboek is in gebruik bij een andere gebruiker",
        "Le journal est utilisé par un autre utilisateur",
        "The journal is in use by another user",
        "Das Journal wird von einem anderen Benutzer verwendet",
    ),
    -13: Texts(
        "Het volgnummer van het document is niet toegelaten",
        "Le numéro d'ordre du document n'est pas permis",
        "The sequence number of the document is not allowed",
        "Die laufende Nummer des Belegs ist nicht zulässig",
    ),
    -14: Texts(
        "Deze periode bestaat niet in het boekjaar",
        "Cette période n'existe pas dans l'exercice",
        "This period does not exist in the bookyear",
        "Diese Periode gibt es im Geschäftsjahr nicht",
    ),
    -15: Texts(
        "Deze periode is beveiligd of afgesloten",
        "Cette période est protégée ou clôturée",
        "This period is protected or closed",
        "Diese Periode ist geschützt oder geschlossen",
    ),
    -16: Texts("Onbekende relatie", "Relation inconnue", "Unknown relation", "Unbekannte Relation"),
    -17: Texts(
        "De documentdatum ontbreekt",
        "La date du document manque",
        "The document date is missing",
        "Das Belegdatum fehlt",
    ),
    -18: Texts(
        "De vervaldatum ontbreekt", "La date d'échéance manque", "The due date is missing", "Das Fälligkeitsdatum fehlt"
    ),
    -19: Texts("Onbekende munt", "Devise inconnue", "Unknown currency", "Unbekannte Währung"),
    -20: Texts(
        "De wisselkoers is niet toegelaten",
        "Le cours de change n'est pas permis",
        "The exchange rate is not allowed",
        "Der Wechselkurs ist nicht zulässig",
    ),
    -21: Texts(
        "Onbekende rekening in dit boekjaar",
        "Compte inconnu dans cet exercice",
        "Unknown account in this bookyear",
        "Unbekanntes Konto in diesem Geschäftsjahr",
    ),
    -22: Texts("Onbekende btw-code", "Code TVA inconnu", "Unknown VAT code", "Unbekannter MwSt.-Code"),
    -23: Texts(
        "Basis en btw hebben een verschillend teken",
        "La base et la TVA n'ont pas le même signe",
        "Base and VAT have different signs",
        "Grundbetrag und MwSt. haben verschiedene Vorzeichen",
    ),
    -24: Texts(
        "De boeking kan niet bewaard worden",
        "Impossible d'enregistrer l'écriture",
        "The booking cannot be stored",
        "Die Buchung kann nicht gespeichert werden",
    ),
    -25: Texts(
        "Onbekend type van boekingslijn", "Type de ligne inconnu", "Unknown type of line", "Unbekannter Zeilentyp"
    ),
    -26: Texts(
        "De afpunting kan niet bewaard worden",
        "Impossible d'enregistrer le lettrage",
        "The balancing cannot be stored",
        "Der Ausgleich kann nicht gespeichert werden",
    ),
    -27: Texts(
        "De rekening kan niet bewaard worden",
        "Impossible d'enregistrer le compte",
        "The account cannot be stored",
        "Das Konto kann nicht gespeichert werden",
    ),
    -28: Texts(
        "Deze rekening bestaat al", "Ce compte existe déjà", "This account exists already", "Dieses Konto gibt es schon"
    ),
    -29: Texts(
        "Het dagboek is ingesteld voor een ander soort document",
        "Le journal est réglé pour un autre type de document",
        "The journal is set for another kind of document",
        "Das Journal ist für eine andere Belegart eingestellt",
    ),
    -30: Texts(
        "Het percentage btw-recuperatie is ongeldig",
        "Le pourcentage de récupération TVA n'est pas valable",
        "The VAT recovery percentage is invalid",
        "Der Vorsteuerprozentsatz ist ungültig",
    ),
    -31: Texts(
        "Het beroepspercentage is ongeldig",
        "Le pourcentage professionnel n'est pas valable",
        "The professional percentage is invalid",
        "Der betriebliche Prozentsatz ist ungültig",
    ),
    -32: Texts(
        "Het percentage fiscale aftrek is ongeldig",
        "Le pourcentage de déduction fiscale n'est pas valable",
        "The fiscal deduction percentage is invalid",
        "Der steuerliche Abzugssatz ist ungültig",
    ),
    -33: Texts(
        "De boeking kan niet gelezen worden",
        "Impossible de lire l'écriture",
        "The booking cannot be read",
        "Die Buchung kann nicht gelesen werden",
    ),
    -34: Texts(
        "Deze boeking bestaat niet",
        "Cette écriture n'existe pas",
        "This booking does not exist",
        "Diese Buchung gibt es nicht",
    ),
    -35: Texts(
        "De boeking kan niet gewijzigd worden",
        "Impossible de modifier l'écriture",
        "The booking cannot be changed",
        "Die Buchung kann nicht geändert werden",
    ),
    -36: Texts(
        "De dagboeken kunnen niet gelezen worden",
        "Impossible de lire les journaux",
        "The journals cannot be read",
        "Die Journale können nicht gelesen werden",
    ),
    -37: Texts(
        "De factuur kan niet bewaard worden",
        "Impossible d'enregistrer la facture",
        "The invoice cannot be stored",
        "Die Rechnung kann nicht gespeichert werden",
    ),
    -38: Texts(
        "Het type van het dagboek past niet bij deze boeking",
        "Le type du journal ne convient pas à cette écriture",
        "The type of the journal does not fit this booking",
        "Die Art des Journals passt nicht zu dieser Buchung",
    ),
    -39: Texts("Onbekend product", "Produit inconnu", "Unknown product", "Unbekanntes Produkt"),
    -40: Texts("Onbekende kostenplaats", "Centre de coûts inconnu", "Unknown cost centre", "Unbekannte Kostenstelle"),
    -41: Texts(
        "De kostenplaats is afgesloten",
        "Le centre de coûts est clôturé",
        "The cost centre is closed",
        "Die Kostenstelle ist geschlossen",
    ),
    -42: Texts(
        "De btw-codes kunnen niet gelezen worden",
        "Impossible de lire les codes TVA",
        "The VAT codes cannot be read",
        "Die MwSt.-Codes können nicht gelesen werden",
    ),
    -43: Texts(
        "De leveringsbon kan niet bewaard worden",
        "Impossible d'enregistrer le bon de livraison",
        "The delivery note cannot be stored",
        "Der Lieferschein kann nicht gespeichert werden",
    ),
    -44: Texts(
        "De rekeningen kunnen niet gelezen worden",
        "Impossible de lire les comptes",
        "The accounts cannot be read",
        "Die Konten können nicht gelesen werden",
    ),
    -45: Texts(
        "De kostenplaatsen kunnen niet gelezen worden",
        "Impossible de lire les centres de coûts",
        "The cost centres cannot be read",
        "Die Kostenstellen können nicht gelesen werden",
    ),
    -46: Texts(
        "De producten kunnen niet gelezen worden",
        "Impossible de lire les produits",
        "The products cannot be read",
        "Die Produkte können nicht gelesen werden",
    ),
    -47: Texts(
        "De relaties kunnen niet gelezen worden",
        "Impossible de lire les relations",
        "The relations cannot be read",
        "Die Relationen können nicht gelesen werden",
    ),
    -48: Texts(
        "De productgroepen kunnen niet gelezen worden",
        "Impossible de lire les groupes de produits",
        "The product groups cannot be read",
        "Die Produktgruppen können nicht gelesen werden",
    ),
    -49: Texts(
        "Het product kan niet bewaard worden",
        "Impossible d'enregistrer le produit",
        "The product cannot be stored",
        "Das Produkt kann nicht gespeichert werden",
    ),
    -50: Texts(
        "Op deze rekening kan niet geboekt worden: het is een titel",
        "Ce compte est un titre, il n'accepte pas d'écriture",
        "This account is a heading and takes no bookings",
        "Dieses Konto ist eine Überschrift und nicht bebuchbar",
    ),
    -51: Texts("Te veel verbindingen", "Trop de connexions", "Too many connections", "Zu viele Verbindungen"),
    -52: Texts(
        "Het dossier kan niet gesloten worden",
        "Impossible de fermer le dossier",
        "The dossier cannot be closed",
        "Das Dossier kann nicht geschlossen werden",
    ),
    -53: Texts(
        "Leverancierhistoriek mislukt",
        "Échec de l'historique fournisseur",
        "Supplier history failed",
        "Lieferantenhistorie fehlgeschlagen",
    ),
    -54: Texts(
        "Klantenhistoriek mislukt",
        "Échec de l'historique client",
        "Client history failed",
        "Kundenhistorie fehlgeschlagen",
    ),
    -55: Texts(
        "Rekeninghistoriek mislukt",
        "Échec de l'historique du compte",
        "Account history failed",
        "Kontohistorie fehlgeschlagen",
    ),
    -56: Texts(
        "Openstaande posten leveranciers mislukt",
        "Échec des postes ouverts fournisseurs",
        "Open items of suppliers failed",
        "Offene Posten der Lieferanten fehlgeschlagen",
    ),
    -57: Texts(
        "Openstaande posten klanten mislukt",
        "Échec des postes ouverts clients",
        "Open items of clients failed",
        "Offene Posten der Kunden fehlgeschlagen",
    ),
    -58: Texts(
        "Openstaande posten rekeningen mislukt",
        "Échec des postes ouverts des comptes",
        "Open items of accounts failed",
        "Offene Posten der Konten fehlgeschlagen",
    ),
    -59: Texts(
        "Deze leveringsbon bestaat niet",
        "Ce bon de livraison n'existe pas",
        "This delivery note does not exist",
        "Diesen Lieferschein gibt es nicht",
    ),
    -60: Texts(
        "De leveringsbon kan niet gelezen worden",
        "Impossible de lire le bon de livraison",
        "The delivery note cannot be read",
        "Der Lieferschein kann nicht gelesen werden",
    ),
    -61: Texts(
        "Deze factuur bestaat niet",
        "Cette facture n'existe pas",
        "This invoice does not exist",
        "Diese Rechnung gibt es nicht",
    ),
    -62: Texts(
        "De factuur kan niet gelezen worden",
        "Impossible de lire la facture",
        "The invoice cannot be read",
        "Die Rechnung kann nicht gelesen werden",
    ),
    -63: Texts(
        "De leveringsbon kan niet gewijzigd worden",
        "Impossible de modifier le bon de livraison",
        "The delivery note cannot be changed",
        "Der Lieferschein kann nicht geändert werden",
    ),
    -64: Texts(
        "De factuur kan niet gewijzigd worden",
        "Impossible de modifier la facture",
        "The invoice cannot be changed",
        "Die Rechnung kann nicht geändert werden",
    ),
    -65: Texts(
        "De gewijzigde afpuntingen kunnen niet gelezen worden",
        "Impossible de lire les lettrages modifiés",
        "The changed balancings cannot be read",
        "Die geänderten Ausgleiche können nicht gelesen werden",
    ),
    -66: Texts(
        "Historiek kostenplaats mislukt",
        "Échec de l'historique du centre de coûts",
        "Cost centre history failed",
        "Kostenstellenhistorie fehlgeschlagen",
    ),
    -67: Texts(
        "Het saldo van het dagboek kan niet gelezen worden",
        "Impossible de lire le solde du journal",
        "The balance of the journal cannot be read",
        "Der Saldo des Journals kann nicht gelesen werden",
    ),
    -68: Texts(
        "De identificatie van het softwarehuis is ongeldig",
        "L'identification de l'éditeur n'est pas valable",
        "The identification of the software house is invalid",
        "Die Kennung des Softwarehauses ist ungültig",
    ),
    -69: Texts(
        "De financiële korting kan niet ingesteld worden",
        "Impossible de régler l'escompte",
        "The financial discount cannot be set",
        "Das Skonto kann nicht eingestellt werden",
    ),
    -70: Texts(
        "Het percentage van de aanmaning kan niet ingesteld worden",
        "Impossible de régler le pourcentage du rappel",
        "The reminder percentage cannot be set",
        "Der Mahnsatz kann nicht eingestellt werden",
    ),
    -71: Texts(
        "De factuur kan niet uitgevoerd worden",
        "Impossible d'exporter la facture",
        "The invoice cannot be exported",
        "Die Rechnung kann nicht exportiert werden",
    ),
    -72: Texts(
        "De leveringsbon kan niet uitgevoerd worden",
        "Impossible d'exporter le bon de livraison",
        "The delivery note cannot be exported",
        "Der Lieferschein kann nicht exportiert werden",
    ),
    -73: Texts(
        "Deze aanmaning bestaat niet",
        "Ce rappel n'existe pas",
        "This reminder does not exist",
        "Diese Mahnung gibt es nicht",
    ),
    -74: Texts(
        "De aanmaning kan niet uitgevoerd worden",
        "Impossible d'exporter le rappel",
        "The reminder cannot be exported",
        "Die Mahnung kann nicht exportiert werden",
    ),
    -75: Texts(
        "De btw-code hoort bij een ander type dagboek",
        "Le code TVA appartient à un autre type de journal",
        "The VAT code belongs to another type of journal",
        "Der MwSt.-Code gehört zu einer anderen Journalart",
    ),
    -76: Texts(
        "De kostenplaats kan niet bewaard worden",
        "Impossible d'enregistrer le centre de coûts",
        "The cost centre cannot be stored",
        "Die Kostenstelle kann nicht gespeichert werden",
    ),
    -77: Texts(
        "De gewijzigde saldi kunnen niet gelezen worden",
        "Impossible de lire les soldes modifiés",
        "The changed balances cannot be read",
        "Die geänderten Salden können nicht gelesen werden",
    ),
    -78: Texts(
        "De versie van het CODA-bestand ontbreekt",
        "La version du fichier CODA manque",
        "The version of the CODA file is missing",
        "Die Version der CODA-Datei fehlt",
    ),
    -79: Texts("Ongeldige parameter", "Paramètre non valable", "Invalid parameter", "Ungültiger Parameter"),
}
