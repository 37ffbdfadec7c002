"""Settings of a connection that are the same for every tool (product.md sections 1.3 and 4); where a sandbox may be."""

import os
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from ipaddress import ip_address
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

from dagboek_schemas.documents import Currency, Direction, Kind
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.fields import FieldInfo

WORDS: Final = "x-words"
"""Under which a setting's schema has its words."""

Rate = Annotated[Decimal, Field(ge=0, le=100, max_digits=6, decimal_places=3)]


class VatKey(BaseModel):
    """What a VAT-code mapping is looked up by: a rate alone does not decide (ubl-and-vat.md section 4.5).

    `region` is the other party's: `BE`, `NL`, ... for the administration's own country, `EU`, `NON_EU`; None
    matches any. `vat_name` is the UBL.BE name, such as `46/GO`. More precise rows win over less precise ones.
    """

    model_config = ConfigDict(frozen=True)

    category: str = Field("S", description="UNCL5305: S, Z, E, AE, K, G, O, L, M")
    rate: Rate = Decimal(0)
    region: str | None = None
    vat_name: str | None = None
    credit_note: bool | None = Field(None, description="None: for both")


class VatCode(BaseModel):
    """A row of the VAT-code map: from what the document says to the tool's code."""

    model_config = ConfigDict(frozen=True)

    key: VatKey
    code: str
    reverse_rate: Rate | None = Field(
        None, description="rate that the receiver owes on a document without VAT; None where none is due"
    )


class LedgerRule(BaseModel):
    """Ledger account for lines that bear none: by VAT rate and category, or the default when both are None."""

    model_config = ConfigDict(frozen=True)

    account: str
    rate: Rate | None = None
    category: str | None = None


class Side(BaseModel):
    """Settings of one side: sales or purchases."""

    invoice_journal: str | None = None
    credit_note_journal: str | None = None
    vat_codes: tuple[VatCode, ...] = ()
    ledger_accounts: tuple[LedgerRule, ...] = ()
    discount_account: str | None = Field(None, description="for allowances on the document as a whole")
    charge_account: str | None = Field(None, description="for charges on the document as a whole")
    rounding_account: str | None = None
    prepaid_account: str | None = None

    def journal(self, kind: Kind) -> str | None:
        """The journal for documents of `kind`."""
        return self.invoice_journal if kind is Kind.INVOICE else self.credit_note_journal


class PaymentTerm(BaseModel):
    """A payment term of the source and the tool's code for it."""

    model_config = ConfigDict(frozen=True)

    days: int
    end_of_month: bool = False
    code: str


class ConnectionSettings(BaseModel):
    """Settings of a connection, whatever the tool."""

    start_date: date | None = Field(None, description="documents dated before it are not booked")
    currency: Currency = Field("EUR", description="currency that the administration's books are kept in")
    country: str = Field("BE", description="country of the administration")
    sales: Side = Side()
    purchases: Side = Side()
    payment_terms: tuple[PaymentTerm, ...] = ()
    exchange_rates: dict[str, Decimal] = Field(
        default_factory=dict, description="units of `currency` for one unit of each foreign currency"
    )
    default_payment_days: int = 30
    automatic: bool = Field(False, description="synchronise every night")
    check_vat_numbers: bool = Field(True, description="refuse numbers whose format or check digit is wrong")

    def side(self, direction: Direction) -> Side:
        """Settings for documents of `direction`."""
        return self.sales if direction is Direction.SALES else self.purchases


class Words(NamedTuple):
    """What a setting is called for people, in one language."""

    title: str
    hint: str = ""
    choices: Mapping[str, str] = {}
    """What each value of a choice means; a value that is not here is shown as it is."""


def words(nl: Words, fr: Words, en: Words | None = None) -> dict[str, JsonValue]:
    """What a setting of a plugin is called in each language, for `json_schema_extra` of its field.

        user: str = Field(title="User", json_schema_extra=words(nl=Words("Gebruiker"), fr=Words("Utilisateur")))

    `en` where values of a choice need words; else the field's own title and description are the English ones.
    """
    given = {"nl": nl, "fr": fr, **({"en": en} if en else {})}
    return {WORDS: {language: {**one._asdict(), "choices": dict(one.choices)} for language, one in given.items()}}


def words_of(field: FieldInfo, name: str, language: str) -> Words:
    """What the setting `name` is called in a language: in English where its plugin says no more."""
    extra = field.json_schema_extra
    told: Any = extra.get(WORDS, {}) if isinstance(extra, dict) else {}
    if language in told:
        return Words(**told[language])
    return Words(field.title or name.replace("_", " ").capitalize(), field.description or "")


CallDeadline = Annotated[
    float,
    Field(
        gt=0,
        le=300,
        title="Seconds that a call may take",
        description="what takes longer is looked up later",
        json_schema_extra=words(
            nl=Words("Seconden dat een oproep mag duren", "wat langer duurt, wordt later nagekeken"),
            fr=Words("Secondes que peut durer un appel", "ce qui dure plus longtemps est vérifié plus tard"),
        ),
    ),
]
"""For the setting `call_deadline` of a plugin."""
LiftLimits = Annotated[
    bool,
    Field(
        title="No limits",
        description="for sandboxes and benches only: the tool itself counts calls",
        json_schema_extra=words(
            nl=Words("Geen limieten", "alleen voor proefomgevingen: het pakket telt zelf de oproepen"),
            fr=Words(
                "Sans limites", "pour les environnements d'essai seulement : le logiciel compte lui-même les appels"
            ),
        ),
    ),
]
"""For the setting `lift_limits` of a plugin."""


class WrongSetting(ValueError):
    """For the validators of a plugin's settings: what is wrong, in each language; it follows on the setting's name."""

    def __init__(self, en: str, *, nl: str, fr: str) -> None:
        super().__init__(en)
        self.words: Final[Mapping[str, str]] = {"nl": nl, "fr": fr, "en": en}


NO_ADDRESS: Final = {
    "en": "must be an address that begins with http:// or https://",
    "nl": "moet een adres zijn dat met http:// of https:// begint",
    "fr": "doit être une adresse qui commence par http:// ou https://",
}
"""Words for `WrongSetting(**NO_ADDRESS)`."""


def sandbox_address(allowed: str) -> Callable[[str | None], str | None]:
    """A validator for the address of a sandbox, where credentials and documents go: None where none is given.

    ValueError unless it is an http or https address of this machine, or of a host in the environment variable that
    `allowed` names, with commas between them: an operator's.
    """

    def checked(value: str | None) -> str | None:
        if value is None or not value.strip():
            return None
        parts = urlsplit(value.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WrongSetting(**NO_ADDRESS)
        hosts = {host.strip() for host in os.environ.get(allowed, "").split(",")}
        if not (_loopback(parts.hostname) or parts.hostname in hosts):
            raise WrongSetting(
                f"must be an address of this machine; an operator may allow others with {allowed}",
                nl=f"moet een adres van deze machine zijn; een operator kan andere toelaten met {allowed}",
                fr=f"doit être une adresse de cette machine ; un opérateur peut en autoriser d'autres avec {allowed}",
            )
        return value.strip().rstrip("/")

    return checked


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
