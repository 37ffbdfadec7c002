"""Settings of a connection to Octopus: where it is, who logs in, and what its documentation leaves open."""

from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urlsplit

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
        raise ValueError("must be an address that begins with https:// or http://")
    return value.strip().rstrip("/")


class OctopusSettings(BaseModel):
    """What it takes to log in to Octopus. The dossier is chosen afterwards, it is the administration."""

    base_url: Annotated[str, AfterValidator(_address)] = Field(ADDRESS, title="Address of the service")
    software_house_uuid: str = Field(
        title="Software house id",
        description="given by Octopus support",
        validation_alias=AliasChoices("software_house_uuid", "softwareHouseUuid"),
    )
    user: str = Field(title="User", description="a user made only for this link: a new password breaks it")
    password: SecretStr = Field(title="Password")
    locale: Literal["dossier", "nl", "fr", "en", "de"] = Field(
        "dossier", title="Language of Octopus' messages", description="dossier: the language of the dossier"
    )
    credit_note_style: CreditNoteStyle = Field(CreditNoteStyle.NEGATIVE_TOTAL, title="Signs of credit notes")
    exchange_rate_style: RateStyle = Field(RateStyle.BOOKS_PER_UNIT, title="Meaning of the exchange rate")
    external_id_base: int = Field(
        1_000_000_000,
        ge=0,
        le=1_500_000_000,
        title="First external relation number",
        description="our numbers start after it, so as not to meet numbers typed on relation cards",
    )
    customers_account: str = Field("400000", description="shown in previews; Octopus books on its own account")
    suppliers_account: str = Field("440000", description="shown in previews; Octopus books on its own account")
    vat_due_account: str = Field("451000", description="shown in previews; Octopus books on its own account")
    vat_deductible_account: str = Field("411000", description="shown in previews; Octopus books on its own account")
    call_deadline: float = Field(
        30.0, gt=0, le=300, title="Seconds that a call may take", description="what takes longer is looked up later"
    )
    lift_limits: bool = Field(
        False, title="No limits", description="for sandboxes and benches only: Octopus itself counts calls a day"
    )

    @property
    def locale_id(self) -> int:
        """The number that Octopus gives the language of its messages."""
        return ("dossier", "nl", "fr", "en", "de").index(self.locale)
