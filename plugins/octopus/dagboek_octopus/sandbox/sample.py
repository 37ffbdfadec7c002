"""Sample data, all invented: a Belgian chart of accounts, VAT codes, journals, cost centres, currencies.

Everything here is only the default of a dossier; each list can be given when a dossier is made
(`POST /_sandbox/dossiers`), in the same row shapes.
"""

from typing import Any

Row = dict[str, Any]

CURRENCIES = ("EUR", "CHF", "CZK", "DKK", "GBP", "HUF", "NOK", "PLN", "SEK", "USD")

COST_CENTRES: tuple[Row, ...] = (
    {"id": 1, "nl": "Algemeen", "fr": "Général", "en": "General"},
    {"id": 2, "nl": "Winkel", "fr": "Magasin", "en": "Shop"},
    {"id": 3, "nl": "Oude werf", "fr": "Ancien chantier", "en": "Old site", "closed": True},
)

JOURNALS: tuple[Row, ...] = (
    {"key": "A1", "nl": "Aankopen", "fr": "Achats", "en": "Purchases"},
    {"key": "A2", "nl": "Creditnota's aankoop", "fr": "Notes de crédit achats", "en": "Purchase credit notes"},
    {"key": "V1", "nl": "Verkopen", "fr": "Ventes", "en": "Sales"},
    {"key": "V2", "nl": "Creditnota's verkoop", "fr": "Notes de crédit ventes", "en": "Sales credit notes"},
    {"key": "V3", "nl": "Facturatie", "fr": "Facturation", "en": "Invoicing", "insertion_type": 2},
    {"key": "F1", "nl": "Bank", "fr": "Banque", "en": "Bank", "account": 550000, "currency": "EUR"},
    {"key": "D1", "nl": "Diverse verrichtingen", "fr": "Opérations diverses", "en": "Sundry operations"},
)

# The accounts the sandbox itself posts to; a chart that lacks one gets it.
RECEIVABLE = 400000
PAYABLE = 440000
VAT_TO_RECOVER = 411000
VAT_DUE = 451000
BANK = 550000

# number, nl, fr, en, and what differs from the defaults. Numbers under 1000 are headings.
_CHART: tuple[tuple[int, str, str, str, Row], ...] = (
    (40, "Handelsvorderingen", "Créances commerciales", "Trade receivables", {}),
    (RECEIVABLE, "Handelsdebiteuren", "Clients", "Trade debtors", {}),
    (404000, "Te innen opbrengsten", "Produits à recevoir", "Income to be received", {}),
    (VAT_TO_RECOVER, "Terug te vorderen btw", "TVA à récupérer", "VAT to recover", {}),
    (44, "Handelsschulden", "Dettes commerciales", "Trade payables", {}),
    (PAYABLE, "Leveranciers", "Fournisseurs", "Suppliers", {}),
    (444000, "Te ontvangen facturen", "Factures à recevoir", "Invoices to be received", {}),
    (VAT_DUE, "Te betalen btw", "TVA à payer", "VAT payable", {}),
    (499000, "Wachtrekening", "Compte d'attente", "Suspense account", {}),
    (BANK, "Zichtrekening", "Compte à vue", "Current account", {}),
    (570000, "Kas", "Caisse", "Cash", {}),
    (580000, "Interne overboekingen", "Virements internes", "Internal transfers", {}),
    (60, "Handelsgoederen en grondstoffen", "Marchandises et matières", "Goods and materials", {}),
    (600000, "Aankopen grondstoffen", "Achats de matières premières", "Raw materials", {"purchase": "G21"}),
    (601000, "Aankopen hulpstoffen", "Achats de fournitures", "Consumables", {"purchase": "G21"}),
    (604000, "Aankopen handelsgoederen", "Achats de marchandises", "Goods for resale", {"purchase": "G21"}),
    (604100, "Aankopen intracommunautair", "Achats intracommunautaires", "Intra-community goods", {"purchase": "GIC"}),
    (608000, "Ontvangen kortingen op aankopen", "Remises obtenues", "Discounts on purchases", {}),
    (61, "Diensten en diverse goederen", "Services et biens divers", "Services and sundry goods", {}),
    (610000, "Huur en huurlasten", "Loyers et charges locatives", "Rent", {"purchase": "D00"}),
    (611000, "Onderhoud en herstellingen", "Entretien et réparations", "Maintenance", {"purchase": "D21"}),
    (612000, "Water, gas en elektriciteit", "Eau, gaz, électricité", "Utilities", {"purchase": "D21"}),
    (612100, "Kantoorbenodigdheden", "Fournitures de bureau", "Office supplies", {"purchase": "D21"}),
    (612200, "Telefoon en internet", "Téléphone et internet", "Telephone and internet", {"purchase": "D21"}),
    (613000, "Erelonen en diensten van derden", "Honoraires", "Professional fees", {"purchase": "D21"}),
    (613100, "Onderaanneming", "Sous-traitance", "Subcontracting", {"purchase": "DMC"}),
    (613200, "Projectkosten", "Frais de projets", "Project costs", {"purchase": "D21", "cost_centre": 1}),
    (614000, "Publiciteit", "Publicité", "Advertising", {"purchase": "D21", "cost_centre": 2}),
    (615000, "Verplaatsingen", "Déplacements", "Travel", {"purchase": "D06"}),
    (616000, "Autokosten", "Frais de voiture", "Car costs", {"purchase": "D21", "vat_recovery": 50}),
    (620000, "Bezoldigingen", "Rémunérations", "Wages", {}),
    (640000, "Bedrijfsbelastingen", "Taxes d'exploitation", "Business taxes", {}),
    (65, "Financiële kosten", "Charges financières", "Financial costs", {}),
    (650000, "Rente", "Intérêts", "Interest", {}),
    (654000, "Wisselverschillen (kosten)", "Différences de change", "Exchange losses", {}),
    (657000, "Toegestane financiële kortingen", "Escomptes accordés", "Discounts granted", {}),
    (659000, "Afrondingsverschillen (kosten)", "Différences d'arrondi", "Rounding differences (costs)", {}),
    (70, "Omzet", "Chiffre d'affaires", "Turnover", {}),
    (700000, "Verkopen 0% en algemeen", "Ventes 0% et général", "Sales 0% and general", {"sales": "00"}),
    (700006, "Verkopen 6%", "Ventes 6%", "Sales 6%", {"sales": "06"}),
    (700012, "Verkopen 12%", "Ventes 12%", "Sales 12%", {"sales": "12"}),
    (700021, "Verkopen 21%", "Ventes 21%", "Sales 21%", {"sales": "21"}),
    (700100, "Verkopen intracommunautair", "Ventes intracommunautaires", "Intra-community sales", {"sales": "ICG"}),
    (700200, "Verkopen uitvoer", "Ventes à l'exportation", "Export sales", {"sales": "EX"}),
    (700300, "Verkopen medecontractant", "Ventes cocontractant", "Co-contractor sales", {"sales": "MC"}),
    (700400, "Verkopen vrijgesteld", "Ventes exonérées", "Exempt sales", {"sales": "VR"}),
    (700500, "Verkopen buitenlands btw-tarief", "Ventes taux étranger", "Sales at a foreign rate", {}),
    (708000, "Toegekende kortingen", "Remises accordées", "Discounts on sales", {}),
    (744000, "Diverse bedrijfsopbrengsten", "Produits divers", "Sundry income", {}),
    (75, "Financiële opbrengsten", "Produits financiers", "Financial income", {}),
    (754000, "Wisselverschillen (opbrengsten)", "Différences de change", "Exchange gains", {}),
    (757000, "Verkregen financiële kortingen", "Escomptes obtenus", "Discounts received", {}),
    (759000, "Afrondingsverschillen (opbrengsten)", "Différences d'arrondi", "Rounding differences (income)", {}),
)

CHART: tuple[Row, ...] = tuple(
    {"account": number, "nl": nl, "fr": fr, "en": en, "heading": number < 1000, **extra}
    for number, nl, fr, en, extra in _CHART
)

_RATES = ((21, "21"), (12, "12"), (6, "06"), (0, "00"))
# Standard and reduced rates of other countries, for sellers registered there.
_FOREIGN_RATES = (25, 20, 19, 15, 10, 9, 7)

_SPECIAL_SALES: tuple[Row, ...] = (
    {"code": "ICG", "description": "Intracommunautaire levering van goederen", "defaultSellBookingAccountNr": 700100},
    {"code": "ICD", "description": "Intracommunautaire diensten", "defaultSellBookingAccountNr": 700100},
    {"code": "EX", "description": "Uitvoer buiten de EU", "defaultSellBookingAccountNr": 700200},
    {"code": "MC", "description": "Medecontractant, btw verlegd", "defaultSellBookingAccountNr": 700300},
    {"code": "VR", "description": "Vrijgesteld", "defaultSellBookingAccountNr": 700400},
    {"code": "NO", "description": "Niet onderworpen", "defaultSellBookingAccountNr": 700400},
)

# Reverse charge: the buyer owes the VAT; `basePercentage` is the rate the buyer works out.
_REVERSE_PURCHASES: tuple[Row, ...] = (
    {"code": "GIC", "description": "Goederen intracommunautair", "basePercentage": 21, "reverse": True},
    {"code": "GIC06", "description": "Goederen intracommunautair 6%", "basePercentage": 6, "reverse": True},
    {"code": "DIC", "description": "Diensten intracommunautair", "basePercentage": 21, "reverse": True},
    {"code": "IIC", "description": "Investeringen intracommunautair", "basePercentage": 21, "reverse": True},
    {"code": "GMC", "description": "Goederen medecontractant", "basePercentage": 21, "reverse": True},
    {"code": "DMC", "description": "Diensten medecontractant", "basePercentage": 21, "reverse": True},
    {"code": "DMC06", "description": "Diensten medecontractant 6%", "basePercentage": 6, "reverse": True},
    {"code": "IMC", "description": "Investeringen medecontractant", "basePercentage": 21, "reverse": True},
    {"code": "GIV", "description": "Invoer van goederen, btw verlegd", "basePercentage": 21, "reverse": True},
)


def _invoice_codes() -> list[Row]:
    sales: list[Row] = [
        {"code": code, "description": f"Verkopen {rate}%", "basePercentage": rate, "type": 2,
         "defaultSellBookingAccountNr": 700000 + rate}
        for rate, code in _RATES
    ]  # fmt: skip
    sales += [{"basePercentage": 0, "type": 2, **row} for row in _SPECIAL_SALES]
    sales += [
        {"code": f"B{rate:02}", "description": f"Verkopen buitenlands tarief {rate}%", "basePercentage": rate,
         "type": 2, "defaultSellBookingAccountNr": 700500}
        for rate in _FOREIGN_RATES
    ]  # fmt: skip
    kinds = (("G", "Goederen"), ("D", "Diensten en diverse goederen"), ("I", "Investeringen"))
    purchases: list[Row] = [
        {"code": f"{letter}{code}", "description": f"{kind} {rate}%", "basePercentage": rate, "type": 1}
        for letter, kind in kinds
        for rate, code in _RATES
    ]
    purchases += [{"type": 1, **row} for row in _REVERSE_PURCHASES]
    purchases += [
        {"code": "DVR", "description": "Vrijgesteld of niet onderworpen", "basePercentage": 0, "type": 1},
        {"code": "GEX", "description": "Aankopen van buiten de EU zonder btw", "basePercentage": 0, "type": 1},
    ]
    purchases += [
        {
            "code": f"F{rate:02}",
            "description": f"Aankopen buitenlands tarief {rate}%",
            "basePercentage": rate,
            "type": 1,
        }
        for rate in _FOREIGN_RATES
    ]
    return sales + purchases


def _with_credit_notes(invoice_codes: list[Row]) -> tuple[Row, ...]:
    credit = [
        {**row, "code": f"C{row['code']}", "description": f"CN {row['description']}", "type": row["type"] + 2}
        for row in invoice_codes
    ]
    return (*invoice_codes, *credit)


# Types: 1 purchases, 2 sales, 3 purchase credit notes, 4 sales credit notes (code "C" + that of the invoice).
VAT_CODES: tuple[Row, ...] = _with_credit_notes(_invoice_codes())
