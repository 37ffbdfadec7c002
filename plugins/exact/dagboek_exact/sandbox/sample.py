"""Sample data, all invented: charts, VAT codes, journals, conditions of a Belgian and a Dutch company.

Everything here is only the default of a division; each list can be given when one is made, in the same row shapes.
"""

from typing import Any

Row = dict[str, Any]
_Account = tuple[str, str, int, Row]
_Code = tuple[str, str, float, str, Row]

CURRENCIES = {  # units of the company's currency for one unit
    "EUR": "1",
    "CHF": "1.06",
    "CZK": "0.0405",
    "DKK": "0.134",
    "GBP": "1.17",
    "HUF": "0.0025",
    "NOK": "0.085",
    "PLN": "0.235",
    "SEK": "0.089",
    "USD": "0.92",
}

STATES = {
    "NL": ("DR", "FL", "FR", "GD", "GR", "LB", "NB", "NH", "OV", "UT", "ZH", "ZL"),
    "BE": ("ANT", "BRU", "HAI", "LIE", "LIM", "LUX", "NAM", "OVL", "VBR", "WBR", "WVL"),
}
COUNTRIES = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CH",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GB",
        "GR",
        "HR",
        "HU",
        "IE",
        "IS",
        "IT",
        "LI",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "NO",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
        "US",
        "CA",
        "CN",
        "IN",
        "JP",
        "AU",
        "TR",
        "ZA",
        "BR",
        "MX",
        "UA",
        "RS",
    ]
)

COST_CENTRES: tuple[Row, ...] = (
    {"code": "ALG", "name": "Algemeen"},
    {"code": "WIN", "name": "Winkel"},
    {"code": "OUD", "name": "Oude werf", "ended": True},
)
COST_UNITS: tuple[Row, ...] = ({"code": "P1", "name": "Product 1"}, {"code": "P2", "name": "Product 2"})

# code, description, days, month ends, method, discount
CONDITIONS: tuple[Row, ...] = (
    {"code": "00", "name": "Contant", "days": 0, "method": "K"},
    {"code": "14", "name": "14 dagen", "days": 14},
    {"code": "15", "name": "15 dagen", "days": 15},
    {"code": "30", "name": "30 dagen", "days": 30},
    {"code": "60", "name": "60 dagen", "days": 60},
    {"code": "EM", "name": "30 dagen einde maand", "days": 30, "month_ends": 1},
    {"code": "IN", "name": "Automatische incasso 14 dagen", "days": 14, "method": "I"},
    {"code": "KB", "name": "30 dagen, 2% korting binnen 8", "days": 30, "discount": "0.02", "discount_days": 8},
)

# id, description, may be made
DOCUMENT_TYPES: tuple[tuple[int, str, bool], ...] = (
    (5, "Inkomende e-mail", True),
    (10, "Verkoopfactuur", True),
    (20, "Inkoopfactuur", True),
    (55, "Diversen", True),
    (111, "Werkgeversaangifte", False),
)

BALANCE = {10, 12, 14, 16, 20, 21, 22, 24, 25, 26, 27, 29, 30, 32, 35, 40, 50, 52, 55, 60, 90}
"""Types of ledger accounts that stand on the balance sheet."""

NOT_ON_LINES = {10, 12, 14, 16, 20, 22, 24}
"""Types that a line of an entry may not have."""

_CHART_BE: tuple[_Account, ...] = (
    ("160000", "Voorzieningen", 55, {}),
    ("230000", "Installaties en machines", 30, {"vat": "A21"}),
    ("400000", "Handelsdebiteuren", 20, {}),
    ("411000", "Terug te vorderen btw", 24, {}),
    ("440000", "Leveranciers", 22, {}),
    ("451000", "Te betalen btw", 24, {}),
    ("490000", "Over te dragen kosten", 26, {}),
    ("499000", "Wachtrekening", 90, {}),
    ("550000", "Zichtrekening", 12, {}),
    ("570000", "Kas", 10, {}),
    ("580000", "Interne overboekingen", 90, {}),
    ("600000", "Aankopen grondstoffen", 111, {"vat": "A21"}),
    ("601000", "Aankopen hulpstoffen", 111, {"vat": "A21"}),
    ("604000", "Aankopen handelsgoederen", 111, {"vat": "A21"}),
    ("608000", "Ontvangen kortingen op aankopen", 111, {}),
    ("610000", "Huur en huurlasten", 121, {"vat": "A00"}),
    ("611000", "Onderhoud en herstellingen", 121, {"vat": "A21"}),
    ("612000", "Water, gas en elektriciteit", 121, {"vat": "A21"}),
    ("612100", "Kantoorbenodigdheden", 121, {"vat": "A21"}),
    ("612200", "Telefoon en internet", 121, {"vat": "A21"}),
    ("613000", "Erelonen en diensten van derden", 121, {"vat": "A21"}),
    ("613100", "Onderaanneming", 121, {"vat": "AMC"}),
    ("613200", "Projectkosten", 121, {"vat": "A21", "cost_centre": 1}),
    ("614000", "Publiciteit", 121, {"vat": "A21"}),
    ("616000", "Autokosten", 121, {"vat": "A21", "not_deductible": "0.5"}),
    ("620000", "Bezoldigingen", 125, {"cost_centre": 2}),
    ("650000", "Rente", 120, {}),
    ("654000", "Wisselverschillen (kosten)", 120, {}),
    ("657000", "Toegestane financiële kortingen", 120, {}),
    ("659000", "Afrondingsverschillen (kosten)", 120, {}),
    ("690000", "Oude kosten", 120, {"blocked": True}),
    ("700000", "Verkopen algemeen", 110, {"vat": "V21"}),
    ("700006", "Verkopen 6%", 110, {"vat": "V06"}),
    ("700012", "Verkopen 12%", 110, {"vat": "V12"}),
    ("700021", "Verkopen 21%", 110, {"vat": "V21"}),
    ("700100", "Verkopen intracommunautair", 110, {"vat": "ICG"}),
    ("700200", "Verkopen uitvoer", 110, {"vat": "EXP"}),
    ("700300", "Verkopen medecontractant", 110, {"vat": "MC"}),
    ("700400", "Verkopen vrijgesteld", 110, {"vat": "VRS"}),
    ("708000", "Toegekende kortingen", 110, {}),
    ("744000", "Diverse bedrijfsopbrengsten", 110, {}),
    ("754000", "Wisselverschillen (opbrengsten)", 160, {}),
    ("757000", "Verkregen financiële kortingen", 160, {}),
    ("759000", "Afrondingsverschillen (opbrengsten)", 160, {}),
)

_CHART_NL: tuple[_Account, ...] = (
    ("0200", "Inventaris", 30, {"vat": "2"}),
    ("1000", "Kas", 10, {}),
    ("1100", "Bank", 12, {}),
    ("1300", "Debiteuren", 20, {}),
    ("1500", "Te betalen btw", 24, {}),
    ("1520", "Te vorderen btw", 24, {}),
    ("1600", "Crediteuren", 22, {}),
    ("2000", "Vraagposten", 90, {}),
    ("4000", "Lonen en salarissen", 125, {"cost_centre": 2}),
    ("4100", "Huur", 121, {"vat": "2"}),
    ("4200", "Kantoorkosten", 121, {"vat": "2"}),
    ("4300", "Projectkosten", 121, {"vat": "2", "cost_centre": 1}),
    ("4400", "Verkoopkosten", 121, {"vat": "2"}),
    ("4500", "Algemene kosten", 121, {"vat": "2"}),
    ("4580", "Oude kosten", 121, {"blocked": True}),
    ("4900", "Afrondingsverschillen (kosten)", 120, {}),
    ("7000", "Inkopen handelsgoederen", 111, {"vat": "2"}),
    ("7080", "Ontvangen kortingen op inkopen", 111, {}),
    ("7100", "Inkopen diensten van derden", 111, {"vat": "2"}),
    ("8000", "Omzet hoog tarief", 110, {"vat": "2"}),
    ("8010", "Omzet laag tarief", 110, {"vat": "1"}),
    ("8020", "Omzet 0% en vrijgesteld", 110, {"vat": "4"}),
    ("8030", "Omzet binnen de EU", 110, {"vat": "5"}),
    ("8040", "Omzet buiten de EU", 110, {"vat": "7"}),
    ("8050", "Omzet btw verlegd", 110, {"vat": "8"}),
    ("8080", "Verleende kortingen op verkopen", 110, {}),
    ("8900", "Diverse opbrengsten en toeslagen", 110, {}),
    ("9000", "Afrondingsverschillen (opbrengsten)", 160, {}),
)

_FOREIGN_RATES = (25, 24, 23, 20, 19, 15, 10, 7)

# code, description, per cent, side (S, P, B), and what differs: type, charged, eu, earlier rates.
_VAT_BE: tuple[_Code, ...] = (
    ("GEE", "Geen btw", 0, "B", {"type": "N"}),
    ("BAS", "Basisbedrag zonder btw, ander tarief", 0, "B", {"type": "B"}),
    ("I21", "Verkopen 21% inclusief, kassa", 21, "S", {"type": "I"}),
    ("V21", "Verkopen 21%", 21, "S", {}),
    ("V12", "Verkopen 12%", 12, "S", {}),
    ("V06", "Verkopen 6%", 6, "S", {}),
    ("V00", "Verkopen 0%", 0, "S", {}),
    ("VRS", "Verkopen vrijgesteld", 0, "S", {}),
    ("NOS", "Verkopen niet onderworpen", 0, "S", {}),
    ("MC", "Verkopen medecontractant, btw verlegd", 0, "S", {"charged": True}),
    ("ICG", "Intracommunautaire levering van goederen", 0, "S", {"eu": "L"}),
    ("ICD", "Intracommunautaire diensten", 0, "S", {"eu": "S"}),
    ("EXP", "Uitvoer buiten de EU", 0, "S", {}),
    ("A21", "Aankopen 21%", 21, "P", {}),
    ("A12", "Aankopen 12%", 12, "P", {}),
    ("A06", "Aankopen 6%", 6, "P", {}),
    ("A00", "Aankopen 0%", 0, "P", {}),
    ("AVR", "Aankopen vrijgesteld", 0, "P", {}),
    ("ANO", "Aankopen niet onderworpen", 0, "P", {}),
    ("AMC", "Aankopen medecontractant, btw verlegd", 21, "P", {"charged": True}),
    ("AM6", "Aankopen medecontractant 6%, btw verlegd", 6, "P", {"charged": True}),
    ("AIG", "Aankopen goederen intracommunautair", 21, "P", {"charged": True}),
    ("AID", "Aankopen diensten intracommunautair", 21, "P", {"charged": True}),
    ("AIV", "Invoer van goederen van buiten de EU, btw verlegd", 21, "P", {"charged": True}),
    ("OUD", "Verkopen 19,5%", 19.5, "S", {"blocked": True}),
)

_VAT_NL: tuple[_Code, ...] = (
    ("0", "Geen btw", 0, "B", {"type": "N"}),
    ("1", "Btw laag tarief", 9, "B", {"earlier": ("2018-12-31", 6)}),
    ("2", "Btw hoog tarief", 21, "B", {}),
    ("3", "Btw hoog tarief, inclusief, kassa", 21, "B", {"type": "I"}),
    ("4", "Btw 0%", 0, "B", {}),
    ("5", "Verkopen levering van goederen binnen de EU (ICL)", 0, "S", {"eu": "L"}),
    ("6", "Verkopen diensten binnen de EU", 0, "S", {"eu": "S"}),
    ("7", "Verkopen uitvoer buiten de EU", 0, "S", {}),
    ("8", "Verkopen btw verlegd", 0, "S", {"charged": True}),
    ("9", "Vrijgesteld van btw", 0, "B", {}),
    ("10", "Inkopen goederen binnen de EU (ICV)", 21, "P", {"charged": True}),
    ("11", "Inkopen diensten binnen de EU", 21, "P", {"charged": True}),
    ("12", "Inkopen btw verlegd", 21, "P", {"charged": True}),
    ("13", "Invoer van buiten de EU, btw verlegd", 21, "P", {"charged": True}),
)


def _chart(rows: tuple[_Account, ...]) -> tuple[Row, ...]:
    return tuple({"code": code, "name": name, "type": kind, **more} for code, name, kind, more in rows)


def _vat(rows: tuple[_Code, ...]) -> tuple[Row, ...]:
    foreign: tuple[_Code, ...] = tuple(
        (f"{letter}{rate:02}", f"{word} buitenlands tarief {rate}%", rate, side, {})
        for letter, word, side in (("B", "Verkopen", "S"), ("F", "Aankopen", "P"))
        for rate in _FOREIGN_RATES
    )
    return tuple(
        {"code": code, "name": name, "percentage": rate, "side": side, **more}
        for code, name, rate, side, more in (*rows, *foreign)
    )


CHARTS = {"BE": _chart(_CHART_BE), "NL": _chart(_CHART_NL)}
VAT_CODES = {"BE": _vat(_VAT_BE), "NL": _vat(_VAT_NL)}

# receivable, payable, VAT to claim, VAT to pay, bank, exchange differences
ACCOUNTS = {
    "BE": {"receivable": "400000", "payable": "440000", "to_claim": "411000", "to_pay": "451000", "bank": "550000"},
    "NL": {"receivable": "1300", "payable": "1600", "to_claim": "1520", "to_pay": "1500", "bank": "1100"},
}


def journals(country: str) -> tuple[Row, ...]:
    """Journals of a company: `type` 10 cash, 12 bank, 20 sales, 22 purchase, 90 general."""
    bank = ACCOUNTS[country]
    return (
        {"code": "10", "name": "Kas", "type": 10, "account": "570000" if country == "BE" else "1000"},
        {"code": "20", "name": "Bank", "type": 12, "account": bank["bank"]},
        {"code": "60", "name": "Inkoopboek", "type": 22, "account": bank["payable"]},
        {"code": "61", "name": "Inkoop creditnota's", "type": 22, "account": bank["payable"]},
        {"code": "70", "name": "Verkoopboek", "type": 20, "account": bank["receivable"]},
        {"code": "71", "name": "Verkoop creditnota's", "type": 20, "account": bank["receivable"]},
        {"code": "90", "name": "Memoriaal", "type": 90, "account": None},
    )
