"""Settings of a connection to Octopus: where it is, who logs in, and what its documentation leaves open."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dagboek_sdk.settings import NO_ADDRESS, CallDeadline, LiftLimits, Words, WrongSetting, words
from pydantic import AfterValidator, AliasChoices, BaseModel, Field, SecretStr

ADDRESS = "https://service.inaras.be/octopus-rest-api/v1"


class CreditNoteStyle(StrEnum):
    """How a document that lowers what the other party owes is written (api.md sections 4.3 and 12.4)."""

    NEGATIVE_TOTAL = "negative_total"
    """Total negative, the lines that make it up positive: what the provider's manual says."""
    NEGATIVE_LINES = "negative_lines"
    """Total and lines negative."""


class RateStyle(StrEnum):
    """What one unit of `exchangeRate` means; the documentation says no more than 1.0 for EUR."""

    BOOKS_PER_UNIT = "books_per_unit"
    """Euros for one unit of the foreign currency."""
    UNITS_PER_BOOKS = "units_per_books"
    """Units of the foreign currency for one euro."""


def _address(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise WrongSetting(**NO_ADDRESS)
    return value.strip().rstrip("/")


def _account(number: str, nl: str, fr: str) -> Any:
    """A ledger account that previews show."""
    return Field(
        number,
        description="shown in previews; Octopus books on its own account",
        json_schema_extra=words(
            nl=Words(nl, "getoond in voorbeelden; Octopus boekt op zijn eigen rekening"),
            fr=Words(fr, "montré dans les aperçus ; Octopus comptabilise sur son propre compte"),
        ),
    )


class OctopusSettings(BaseModel):
    """What it takes to log in to Octopus. The dossier is chosen afterwards, it is the administration."""

    base_url: Annotated[str, AfterValidator(_address)] = Field(
        ADDRESS,
        title="Address of the service",
        json_schema_extra=words(nl=Words("Adres van de dienst"), fr=Words("Adresse du service")),
    )
    software_house_uuid: str = Field(
        title="Software house id",
        description="given by Octopus support",
        json_schema_extra=words(
            nl=Words("Software house id", "u krijgt het van de helpdesk van Octopus"),
            fr=Words("Identifiant software house", "communiqué par le support d'Octopus"),
        ),
        validation_alias=AliasChoices("software_house_uuid", "softwareHouseUuid"),
    )
    user: str = Field(
        title="User",
        description="a user made only for this link: a new password breaks it",
        json_schema_extra=words(
            nl=Words(
                "Gebruiker", "een gebruiker die alleen hiervoor dient: een nieuw wachtwoord verbreekt de koppeling"
            ),
            fr=Words("Utilisateur", "un utilisateur réservé à ce lien : un nouveau mot de passe le rompt"),
        ),
    )
    password: SecretStr = Field(
        title="Password", json_schema_extra=words(nl=Words("Wachtwoord"), fr=Words("Mot de passe"))
    )
    locale: Literal["dossier", "nl", "fr", "en", "de"] = Field(
        "dossier",
        title="Language of Octopus' messages",
        description="dossier: the language of the dossier",
        json_schema_extra=words(
            nl=Words(
                "Taal van de meldingen van Octopus",
                choices={
                    "dossier": "die van het dossier",
                    "nl": "Nederlands",
                    "fr": "Frans",
                    "en": "Engels",
                    "de": "Duits",
                },
            ),
            fr=Words(
                "Langue des messages d'Octopus",
                choices={
                    "dossier": "celle du dossier",
                    "nl": "néerlandais",
                    "fr": "français",
                    "en": "anglais",
                    "de": "allemand",
                },
            ),
            en=Words(
                "Language of Octopus' messages",
                choices={
                    "dossier": "that of the dossier",
                    "nl": "Dutch",
                    "fr": "French",
                    "en": "English",
                    "de": "German",
                },
            ),
        ),
    )
    credit_note_style: CreditNoteStyle = Field(
        CreditNoteStyle.NEGATIVE_TOTAL,
        title="Signs of credit notes",
        json_schema_extra=words(
            nl=Words(
                "Tekens van creditnota's",
                choices={
                    "negative_total": "totaal negatief, regels positief",
                    "negative_lines": "totaal en regels negatief",
                },
            ),
            fr=Words(
                "Signes des notes de crédit",
                choices={
                    "negative_total": "total négatif, lignes positives",
                    "negative_lines": "total et lignes négatifs",
                },
            ),
            en=Words(
                "Signs of credit notes",
                choices={
                    "negative_total": "total negative, lines positive",
                    "negative_lines": "total and lines negative",
                },
            ),
        ),
    )
    exchange_rate_style: RateStyle = Field(
        RateStyle.BOOKS_PER_UNIT,
        title="Meaning of the exchange rate",
        json_schema_extra=words(
            nl=Words(
                "Betekenis van de wisselkoers",
                choices={
                    "books_per_unit": "euro voor één eenheid vreemde munt",
                    "units_per_books": "vreemde munt voor één euro",
                },
            ),
            fr=Words(
                "Sens du taux de change",
                choices={"books_per_unit": "euros pour une unité de devise", "units_per_books": "devise pour un euro"},
            ),
            en=Words(
                "Meaning of the exchange rate",
                choices={
                    "books_per_unit": "euros for one unit of the foreign currency",
                    "units_per_books": "foreign currency for one euro",
                },
            ),
        ),
    )
    external_id_base: int = Field(
        1_000_000_000,
        ge=0,
        le=1_500_000_000,
        title="First external relation number",
        description="our numbers start after it, so as not to meet numbers typed on relation cards",
        json_schema_extra=words(
            nl=Words(
                "Eerste extern relatienummer",
                "onze nummers beginnen daarna, om geen nummers op relatiefiches te kruisen",
            ),
            fr=Words("Premier numéro externe de relation", "nos numéros commencent après, pour éviter ceux des fiches"),
        ),
    )
    customers_account: str = _account("400000", nl="Rekening klanten", fr="Compte clients")
    suppliers_account: str = _account("440000", nl="Rekening leveranciers", fr="Compte fournisseurs")
    vat_due_account: str = _account("451000", nl="Rekening verschuldigde btw", fr="Compte TVA due")
    vat_deductible_account: str = _account("411000", nl="Rekening aftrekbare btw", fr="Compte TVA déductible")
    call_deadline: CallDeadline = 30.0
    lift_limits: LiftLimits = False

    @property
    def locale_id(self) -> int:
        """The number that Octopus gives the language of its messages."""
        return ("dossier", "nl", "fr", "en", "de").index(self.locale)
