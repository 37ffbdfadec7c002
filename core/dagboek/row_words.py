"""What the names of a tool's journals, VAT codes and accounts say, in Dutch, French, English.

Every administration names its own; there is no other hint in most tools. Used for proposals alone: a person confirms.
"""

import re
import unicodedata
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final

from dagboek_sdk.accounting import Row


class Word(StrEnum):
    """What a name speaks of."""

    SALES = "sales"
    PURCHASES = "purchases"
    CREDIT_NOTE = "credit notes"
    GOODS = "goods"
    SERVICES = "services"
    INVESTMENTS = "investments"
    INTRA_EU = "intra-community"
    NON_EU = "outside the EU"
    CONTRACTOR = "reverse charge"
    EXEMPT = "exempt"
    OUTSIDE_VAT = "not subject to VAT"
    FOREIGN_RATE = "foreign rate"
    SPECIAL = "special scheme"
    DISCOUNT = "discounts"
    FINANCIAL = "financial"
    CHARGE = "charges"
    ROUNDING = "rounding"
    GENERAL = "general"


_PATTERNS = {
    Word.SALES: r"\bverko|\bvente|\bsale|\bomzet|chiffre d'affaires|turnover|revenue",
    Word.PURCHASES: r"\baanko|\binko|\bachat|\bpurchase|\bvoorbelasting",
    Word.CREDIT_NOTE: r"credit ?not|\bnotes? de credit|\bcn\b|\bnc\b|\bcredit invoice",
    Word.GOODS: r"\bgoed|handelsgoed|marchandise|\bgoods|\bbiens\b|\blevering(?!en van diensten)|\blivraison",
    Word.SERVICES: r"\bdienst|\bservice|\bprestation|werk in onroerende",
    Word.INVESTMENTS: r"investe|bedrijfsmiddel|\bactifs?\b",
    Word.NON_EU: r"\b(uit|in)voer\b|\bex ?port|\bimport|buiten (de )?(eu|eg)\b|hors (ue|cee)\b|outside (the )?eu\b"
    r"|\b(non|niet)[- ](eu|ue)\b|\bde(rde)? landen|pays tiers|third countr",
    Word.INTRA_EU: r"intra ?-?com|binnen (de )?(eu|eg)\b|\b(eu|ue|eg|icl|icv|icp)\b",
    Word.CONTRACTOR: r"medecontract|co-?contract|verlegd|verlegging|autoliquid|reverse|report de perception",
    Word.EXEMPT: r"vrijgesteld|vrijstelling|exoner|exempt|\bart(\.|ikel|icle)? ?44\b",
    Word.OUTSIDE_VAT: r"niet[- ]onderworpen|non[- ]soumis|non[- ]assujetti|not subject|hors champ|outside the scope"
    r"|buiten (de )?(btw|toepassing)|geen btw|no vat",
    Word.FOREIGN_RATE: r"buitenland|etranger|foreign",
    Word.SPECIAL: r"\bmarge|\bmargin|\boss\b|\bmoss\b|one[- ]stop|aftrekbaar|deductible|niet[- ]recup|ander tarief"
    r"|afstandsverko|kassa|prive|nullen|tabak",
    Word.DISCOUNT: r"korting|remise|ristourne|rabais|discount|rebate",
    Word.FINANCIAL: r"financie|escompte|betalingskorting|kredietbeperking|contant|cash",
    Word.CHARGE: r"toeslag|doorgerekend|doorberekend|frais (de port|factures)|verzendkosten|portkosten|shipping"
    r"|surcharge|carriage",
    Word.ROUNDING: r"afrond|arrondi|rounding",
    Word.GENERAL: r"algemeen|general|\bdivers|\bsundr",
}
_COMPILED = {word: re.compile(pattern) for word, pattern in _PATTERNS.items()}
_OUTSIDE: Final = re.compile(r"buiten|hors|outside|\b(non|niet)[- ]|derde|tiers|third")
"""With it a name that speaks of both means a country outside the EU; without, an export that stays inside."""
_INSIDE: Final = re.compile(r"intra ?-?com|\b(binnen|within|inside|in|dans) (de |the |l'|l’)?(eu|ue|eg)\b")
_PERCENT = re.compile(r"(?<![\d.,])(\d{1,2}(?:[.,]\d{1,3})?) ?%")


@lru_cache(maxsize=8192)
def words_of(name: str) -> frozenset[Word]:
    """What `name` speaks of. Outside the EU is not inside it: `buiten de EU`, unlike `export binnen de EU`."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    text = "".join(letter for letter in plain if not unicodedata.combining(letter))
    found = {word for word, pattern in _COMPILED.items() if pattern.search(text)}
    if Word.NON_EU in found and _INSIDE.search(text) and not _OUTSIDE.search(text):
        found.discard(Word.NON_EU)
    if Word.NON_EU in found:
        found.discard(Word.INTRA_EU)
    return frozenset(found)


def rate_of(row: Row) -> Decimal | None:
    """The row's rate in per cent, else the only one that its name shows."""
    return row.rate if row.rate is not None else rate_in(row.name)


def rate_in(name: str) -> Decimal | None:
    """The only rate that `name` shows, in per cent."""
    found = _PERCENT.findall(name)
    return Decimal(found[0].replace(",", ".")) if len(found) == 1 else None
