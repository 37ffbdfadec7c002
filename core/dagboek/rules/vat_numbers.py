"""Form and check digit of VAT numbers.

Forms: product.md section 4.1 for BE, NL, FR, IT, ES and CH; the others as the European Commission lists them for
VIES. In a form 9 is a digit and X a letter or digit. Check digits: python-stdnum.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

import stdnum
from dagboek_schemas.identity import normal_number
from stdnum.exceptions import ValidationError

_FORMS: Final = {
    "AT": (r"U\d{8}", "ATU99999999"),
    "BE": (r"[01]\d{9}", "BE0999999999, BE1999999999"),
    "BG": (r"\d{9,10}", "BG999999999, BG9999999999"),
    "CH": (r"E\d{9}(TVA|MWST|IVA)?", "CHE-999.999.999 TVA, MWST, IVA"),
    "CY": (r"\d{8}[A-Z]", "CY99999999X"),
    "CZ": (r"\d{8,10}", "CZ99999999, CZ999999999, CZ9999999999"),
    "DE": (r"\d{9}", "DE999999999"),
    "DK": (r"\d{8}", "DK99999999"),
    "EE": (r"\d{9}", "EE999999999"),
    "EL": (r"\d{9}", "EL999999999"),
    "ES": (r"(?!\d{9}$)[0-9A-Z]\d{7}[0-9A-Z]", "ESX9999999X"),
    "FI": (r"\d{8}", "FI99999999"),
    "FR": (r"[0-9A-Z]{2}\d{9}", "FRXX999999999"),
    "GB": (r"(\d{9}|\d{12}|(GD|HA)\d{3})", "GB999999999, GB999999999999"),
    "HR": (r"\d{11}", "HR99999999999"),
    "HU": (r"\d{8}", "HU99999999"),
    "IE": (r"\d[0-9A-Z]?\d{5}[A-Z]{1,2}", "IE9X99999X, IE9999999XX"),
    "IT": (r"\d{11}", "IT99999999999"),
    "LT": (r"(\d{9}|\d{12})", "LT999999999, LT999999999999"),
    "LU": (r"\d{8}", "LU99999999"),
    "LV": (r"\d{11}", "LV99999999999"),
    "MT": (r"\d{8}", "MT99999999"),
    "NL": (r"\d{9}B\d{2}", "NL999999999B99"),
    "NO": (r"\d{9}(MVA)?", "NO999999999MVA"),
    "PL": (r"\d{10}", "PL9999999999"),
    "PT": (r"\d{9}", "PT999999999"),
    "RO": (r"\d{2,10}", "RO99 .. RO9999999999"),
    "SE": (r"\d{12}", "SE999999999999"),
    "SI": (r"\d{8}", "SI99999999"),
    "SK": (r"\d{10}", "SK9999999999"),
    "XI": (r"(\d{9}|\d{12}|(GD|HA)\d{3})", "XI999999999, XI999999999999"),
}
_PATTERNS: Final = {prefix: re.compile(pattern) for prefix, (pattern, _) in _FORMS.items()}

_PREFIX_OF: Final = {
    "GR": "EL",
    "UK": "GB",
    **dict.fromkeys(("MC", "GP", "GF", "MQ", "RE", "YT", "MF"), "FR"),
    "IM": "GB",
    "AX": "FI",
    "LI": "CH",
}
"""Countries and territories whose VAT numbers bear another prefix than their ISO 3166 code."""

_COUNTRY_OF: Final = {"EL": "GR", "XI": "GB"}


class Fault(Enum):
    """What is wrong with a number."""

    FORM = "form"
    CHECK_DIGIT = "check digit"


@dataclass(frozen=True, slots=True)
class VatNumber:
    """What a VAT number says of itself."""

    prefix: str
    fault: Fault | None

    @property
    def country(self) -> str:
        """ISO 3166 code of the country that gave the number."""
        return _COUNTRY_OF.get(self.prefix, self.prefix)

    @property
    def form(self) -> str:
        """The form that a number of this country has, for people."""
        return _FORMS[self.prefix][1]

    def fits(self, country: str | None) -> bool:
        """Whether an address in `country` goes with it; an unknown country does."""
        if not country:
            return True
        expected = _PREFIX_OF.get(country, country)
        return self.prefix == expected or (self.prefix == "XI" and expected == "GB")


@lru_cache(maxsize=8192)
def vat_number(written: str, country: str | None) -> VatNumber | None:
    """What `written` is; a number without a prefix is read as one of `country`. None: of a country unknown here."""
    number = normal_number(written)
    home = _PREFIX_OF.get(country or "", country or "")
    for prefix, rest in ((number[:2], number[2:]), (home, number)):
        if prefix in _PATTERNS and _PATTERNS[prefix].fullmatch(rest):
            return VatNumber(prefix, None if _check_digit_right(prefix, rest) else Fault.CHECK_DIGIT)
    prefix = number[:2] if number[:2] in _PATTERNS else home
    return VatNumber(prefix, Fault.FORM) if prefix in _PATTERNS else None


def _check_digit_right(prefix: str, rest: str) -> bool:
    country = _COUNTRY_OF.get(prefix, prefix).lower()
    if prefix == "CH":
        module, number = stdnum.get_cc_module("ch", "uid"), f"CH{rest[:10]}"
    elif prefix == "NO":
        module, number = stdnum.get_cc_module("no", "orgnr"), rest[:9]
    else:
        module, number = stdnum.get_cc_module("gb" if prefix == "XI" else country, "vat"), rest
    try:
        return module is None or bool(module.validate(number))
    except ValidationError:
        return False
