"""Sample data, all invented: charts, VAT codes and rates of exchange of a Dutch and a Belgian company.

Everything here is only the default of an administration; each list can be given when one is made, in the same shapes.
What the types of ledger accounts and the VAT types of purchases are in Yuki is not known: see `KINDS` and `PURCHASES`.
"""

from decimal import Decimal
from typing import Any, Final, NamedTuple

Row = dict[str, Any]

KINDS: Final = {
    # name: (type, subtype, whether it stands on the balance sheet)
    "fixed": (1, 10, True),
    "cash": (1, 20, True),
    "bank": (1, 21, True),
    "between": (1, 29, True),
    "debtors": (1, 30, True),
    "creditors": (1, 31, True),
    "vat": (1, 40, True),
    "other": (1, 90, True),
    "revenue": (2, 50, False),
    "costs": (2, 60, False),
}
"""Kinds of ledger accounts. The numbers in `type` and `subtype` are ours: no source says what Yuki's are."""

_CHART_NL = (
    # code, kind, Dutch, French, English
    ("02000", "fixed", "Inventaris", "Mobilier", "Fixtures"),
    ("10000", "cash", "Kas", "Caisse", "Cash"),
    ("11000", "bank", "Bank", "Banque", "Bank"),
    ("13000", "debtors", "Debiteuren", "Débiteurs", "Debtors"),
    ("16000", "creditors", "Crediteuren", "Créditeurs", "Creditors"),
    ("18000", "vat", "Te betalen btw", "TVA à payer", "VAT to pay"),
    ("18100", "vat", "Te vorderen btw", "TVA à récupérer", "VAT to claim"),
    ("23000", "between", "Betalingen onderweg", "Paiements en cours", "Payments in transit"),
    ("29000", "other", "Vraagposten", "Compte d'attente", "Suspense account"),
    ("40000", "costs", "Lonen en salarissen", "Salaires", "Salaries"),
    ("41000", "costs", "Huur", "Loyer", "Rent"),
    ("42000", "costs", "Kantoorkosten", "Frais de bureau", "Office costs"),
    ("43000", "costs", "Verkoopkosten", "Frais de vente", "Selling costs"),
    ("44000", "costs", "Autokosten", "Frais de voiture", "Car costs"),
    ("45000", "costs", "Algemene kosten", "Frais généraux", "General costs"),
    ("45800", "costs", "Oude kosten", "Anciens frais", "Old costs"),
    ("49000", "costs", "Afrondingsverschillen (kosten)", "Différences d'arrondi (frais)", "Rounding (costs)"),
    ("70000", "costs", "Inkopen handelsgoederen", "Achats de marchandises", "Purchases of goods"),
    ("71000", "costs", "Werk door derden", "Sous-traitance", "Subcontracting"),
    ("80000", "revenue", "Omzet", "Chiffre d'affaires", "Revenue"),
    ("80100", "revenue", "Omzet laag tarief", "Ventes taux réduit", "Revenue low rate"),
    ("80200", "revenue", "Omzet 0% en vrijgesteld", "Ventes 0 % et exonérées", "Revenue 0% and exempt"),
    ("80300", "revenue", "Omzet binnen de EU", "Ventes dans l'UE", "Revenue inside the EU"),
    ("80400", "revenue", "Omzet buiten de EU", "Ventes hors UE", "Revenue outside the EU"),
    ("80500", "revenue", "Omzet btw verlegd", "Ventes autoliquidation", "Revenue reverse-charged"),
    ("80800", "revenue", "Verleende kortingen", "Remises accordées", "Discounts given"),
    ("83000", "revenue", "Oude omzet", "Anciennes ventes", "Old revenue"),
    ("89000", "revenue", "Diverse opbrengsten", "Produits divers", "Sundry income"),
    ("90000", "revenue", "Afrondingsverschillen", "Différences d'arrondi", "Rounding differences"),
)
_CHART_BE = (
    ("230000", "fixed", "Installaties en machines", "Installations et machines", "Plant and machinery"),
    ("400000", "debtors", "Handelsdebiteuren", "Clients", "Trade debtors"),
    ("411000", "vat", "Terug te vorderen btw", "TVA à récupérer", "VAT to claim"),
    ("440000", "creditors", "Leveranciers", "Fournisseurs", "Suppliers"),
    ("451000", "vat", "Te betalen btw", "TVA à payer", "VAT to pay"),
    ("499000", "other", "Wachtrekening", "Compte d'attente", "Suspense account"),
    ("550000", "bank", "Zichtrekening", "Compte à vue", "Current account"),
    ("570000", "cash", "Kas", "Caisse", "Cash"),
    ("580000", "between", "Betalingen onderweg", "Paiements en cours", "Payments in transit"),
    ("600000", "costs", "Aankopen grondstoffen", "Achats de matières premières", "Purchases of materials"),
    ("604000", "costs", "Aankopen handelsgoederen", "Achats de marchandises", "Purchases of goods"),
    ("608000", "costs", "Ontvangen kortingen", "Remises obtenues", "Discounts received"),
    ("610000", "costs", "Huur en huurlasten", "Loyers et charges locatives", "Rent"),
    ("611000", "costs", "Onderhoud en herstellingen", "Entretien et réparations", "Maintenance"),
    ("612000", "costs", "Water, gas en elektriciteit", "Eau, gaz et électricité", "Utilities"),
    ("613000", "costs", "Erelonen en diensten van derden", "Honoraires", "Fees and services"),
    ("614000", "costs", "Publiciteit", "Publicité", "Advertising"),
    ("616000", "costs", "Autokosten", "Frais de voiture", "Car costs"),
    ("620000", "costs", "Bezoldigingen", "Rémunérations", "Salaries"),
    ("650000", "costs", "Rente", "Intérêts", "Interest"),
    ("659000", "costs", "Afrondingsverschillen (kosten)", "Différences d'arrondi (frais)", "Rounding (costs)"),
    ("690000", "costs", "Oude kosten", "Anciens frais", "Old costs"),
    ("700000", "revenue", "Verkopen", "Ventes", "Sales"),
    ("700006", "revenue", "Verkopen 6%", "Ventes 6 %", "Sales 6%"),
    ("700012", "revenue", "Verkopen 12%", "Ventes 12 %", "Sales 12%"),
    ("700021", "revenue", "Verkopen 21%", "Ventes 21 %", "Sales 21%"),
    ("700100", "revenue", "Verkopen intracommunautair", "Ventes intracommunautaires", "Sales inside the EU"),
    ("700200", "revenue", "Verkopen uitvoer", "Ventes à l'exportation", "Sales outside the EU"),
    ("700300", "revenue", "Verkopen medecontractant", "Ventes cocontractant", "Sales reverse-charged"),
    ("700400", "revenue", "Verkopen vrijgesteld", "Ventes exonérées", "Sales exempt"),
    ("703000", "revenue", "Oude verkopen", "Anciennes ventes", "Old sales"),
    ("708000", "revenue", "Toegekende kortingen", "Remises accordées", "Discounts given"),
    ("744000", "revenue", "Diverse bedrijfsopbrengsten", "Produits d'exploitation divers", "Sundry income"),
    ("759000", "revenue", "Afrondingsverschillen", "Différences d'arrondi", "Rounding differences"),
)
_DISABLED = {"45800", "83000", "690000", "703000"}


def _chart(rows: tuple[tuple[str, str, str, str, str], ...]) -> tuple[Row, ...]:
    return tuple(
        {"code": code, "kind": kind, "nl": nl, "fr": fr, "en": en, "enabled": code not in _DISABLED}
        for code, kind, nl, fr, en in rows
    )


CHARTS: Final = {"NL": _chart(_CHART_NL), "BE": _chart(_CHART_BE)}

ROLES: Final = {
    "NL": {
        "debtors": "13000",
        "creditors": "16000",
        "vat_due": "18000",
        "vat_claim": "18100",
        "bank": "11000",
        "between": "23000",
        "revenue": "80000",
        "costs": "45000",
        "rounding": "49000",
    },
    "BE": {
        "debtors": "400000",
        "creditors": "440000",
        "vat_due": "451000",
        "vat_claim": "411000",
        "bank": "550000",
        "between": "580000",
        "revenue": "700000",
        "costs": "604000",
        "rounding": "659000",
    },
}
"""What each account is used for. `revenue` is what a product without a usable account of its own falls to."""


class VatType(NamedTuple):
    """A VAT type in three languages, and which side it is for."""

    nl: str
    fr: str
    en: str
    side: str = "sales"


TYPES: Final = {
    0: VatType("Btw vrijgesteld", "TVA exonérée", "VAT exempt"),
    1: VatType("Btw hoog", "TVA taux normal", "VAT high"),
    2: VatType("Btw laag", "TVA taux réduit", "VAT low"),
    4: VatType("Btw 0%", "TVA 0 %", "VAT 0%"),
    6: VatType("Export buiten de EU", "Exportation hors UE", "Export outside the EU"),
    7: VatType("Export binnen de EU", "Exportation dans l'UE", "Export inside the EU"),
    8: VatType("Installatie/afstandsverkopen binnen de EU", "Ventes à distance dans l'UE", "Distance sales in the EU"),
    17: VatType("Btw verlegd, verkoop", "TVA autoliquidation, vente", "VAT reverse-charged, sales"),
    19: VatType("Export van goederen binnen de EU", "Livraison de biens dans l'UE", "Export of goods in the EU"),
    20: VatType("Export van diensten binnen de EU", "Services dans l'UE", "Export of services in the EU"),
    21: VatType("Btw midden", "TVA taux intermédiaire", "VAT medium"),
    40: VatType("OSS", "OSS", "OSS"),
    5: VatType("Btw hoog, inkoop", "TVA taux normal, achat", "VAT high, purchase", "purchases"),
    9: VatType("Btw laag, inkoop", "TVA taux réduit, achat", "VAT low, purchase", "purchases"),
    10: VatType("Btw 0%, inkoop", "TVA 0 %, achat", "VAT 0%, purchase", "purchases"),
    11: VatType("Goederen uit de EU, inkoop", "Biens de l'UE, achat", "Goods from the EU, purchase", "purchases"),
    12: VatType("Diensten uit de EU, inkoop", "Services de l'UE, achat", "Services from the EU, purchase", "purchases"),
    13: VatType("Van buiten de EU, inkoop", "Hors UE, achat", "From outside the EU, purchase", "purchases"),
    14: VatType("Btw verlegd, inkoop", "TVA autoliquidation, achat", "VAT reverse-charged, purchase", "purchases"),
    15: VatType("Btw midden, inkoop", "TVA taux intermédiaire, achat", "VAT medium, purchase", "purchases"),
    16: VatType("Btw vrijgesteld, inkoop", "TVA exonérée, achat", "VAT exempt, purchase", "purchases"),
}
"""VAT types. Those of sales are the reference's (8.1). Of purchases it knows one example alone, 5 with 21%: the others
are ours, and nothing should rest on their numbers but what ActiveVATCodesList says beside them."""

PER_COUNTRY: Final = frozenset({8, 40})
"""Types whose codes hold for customers of one country."""
INSIDE_EU: Final = frozenset({7, 19, 20})
"""Types of deliveries to companies elsewhere in the EU, which want a VAT number."""
REVERSED: Final = frozenset({11, 12, 13, 14})
"""Types of purchases on which the buyer owes the VAT."""

OSS_FROM: Final = "2021-07-01"
OSS: Final = {
    "AT": (20, 13, 10), "BE": (21, 12, 6), "BG": (20, 9), "CY": (19, 9, 5), "CZ": (21, 12), "DE": (19, 7), "DK": (25,),
    "EE": (24, 22, 9), "ES": (21, 10, 4), "FI": (25.5, 24, 14, 10), "FR": (20, 10, 5.5), "GR": (24, 13, 6),
    "HR": (25, 13, 5), "HU": (27, 18, 5), "IE": (23, 13.5, 9), "IT": (22, 10, 5, 4), "LT": (21, 9, 5),
    "LU": (17, 14, 8), "LV": (21, 12, 5), "MT": (18, 7, 5), "NL": (21, 9), "PL": (23, 8, 5), "PT": (23, 13, 6),
    "RO": (21, 19, 9, 5), "SE": (25, 12, 6), "SI": (22, 9.5, 5), "SK": (23, 20, 19, 10, 5),
}  # fmt: skip
"""Rates that a customer in another country of the EU is charged."""

_ZERO_RATES = (0, 4, 6, 7, 17, 19, 20)


def vat_codes(country: str) -> list[Row]:
    """The VAT codes of a company there: `{type, percentage, country, start, end}`."""
    high, low = 21, 6 if country == "BE" else 9
    rows: list[Row] = [
        {"type": 1, "percentage": high},
        {"type": 2, "percentage": low, "start": None if country == "BE" else "2019-01-01"},
        *({"type": kind, "percentage": 0} for kind in _ZERO_RATES),
        {"type": 5, "percentage": high},
        {"type": 9, "percentage": low, "start": None if country == "BE" else "2019-01-01"},
        *({"type": kind, "percentage": 0} for kind in (10, 16)),
        *({"type": kind, "percentage": high} for kind in sorted(REVERSED)),
    ]
    if country == "BE":
        rows += [{"type": 21, "percentage": 12}, {"type": 15, "percentage": 12}]
    else:
        rows += [{"type": kind, "percentage": 6, "end": "2018-12-31"} for kind in (2, 9)]
    for land, rates in OSS.items():
        if land != country:
            rows += [{"type": 40, "percentage": rate, "country": land, "start": OSS_FROM} for rate in rates]
    return [{"country": country, **row} for row in rows]


CURRENCIES: Final = {  # euros for one unit
    code: Decimal(rate)
    for code, rate in {
        "EUR": "1",
        "CAD": "0.63",
        "CHF": "1.06",
        "CZK": "0.0405",
        "DKK": "0.134",
        "GBP": "1.17",
        "HUF": "0.0025",
        "NOK": "0.085",
        "PLN": "0.235",
        "RON": "0.2",
        "SEK": "0.089",
        "USD": "0.92",
    }.items()
}

PAYMENT_METHODS: Final = {
    # name in a sales document: (number, Dutch, French, English, whether it is paid at once)
    "Unspecified": (0, "Niet gespecificeerd", "Non spécifié", "Unspecified", False),
    "ElectronicTransfer": (1, "Elektronische overboeking", "Virement électronique", "Electronic transfer", False),
    "DirectCollection": (2, "Automatische incasso", "Domiciliation", "Direct collection", False),
    "ToSettle": (3, "Te verrekenen", "À compenser", "To settle", False),
    "DebitCard": (4, "Bancontact zakelijk", "Bancontact professionnel", "Debit card", True),
    "CreditCard": (5, "Creditcard zakelijk", "Carte de crédit professionnelle", "Credit card", True),
    "Cash": (6, "Contant", "Espèces", "Cash", True),
    "iDeal": (7, "iDEAL", "iDEAL", "iDEAL", True),
    "Online": (8, "Online", "En ligne", "Online", True),
    "PaidPrivately": (10, "Privé betaald", "Payé en privé", "Paid privately", True),
}
"""Ways to pay. Numbers 0, 4, 5 and 10 are the reference's (8.3, for uploads), 1 and 2 are guesses of one client there,
the others are ours."""
SALES_METHODS: Final = frozenset(PAYMENT_METHODS) - {"PaidPrivately"}

COUNTRIES: Final = frozenset(OSS) | frozenset(
    {
        "AD", "AE", "AR", "AU", "BA", "BR", "CA", "CH", "CL", "CN", "CO", "EG", "FO", "GB", "GI", "HK", "IL", "IN",
        "IS", "JP", "KR", "LI", "MA", "MC", "MD", "ME", "MK", "MX", "MY", "NO", "NZ", "PH", "RS", "RU", "SA", "SG",
        "SM", "TH", "TN", "TR", "TW", "UA", "US", "VA", "VN", "XI", "XK", "ZA",
    }
)  # fmt: skip
"""Countries that are known; a contact of another has none."""
