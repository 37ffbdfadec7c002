"""Settings of a connection to Exact Online: which site, which app, and what the tenant chooses."""

from enum import StrEnum
from typing import Annotated, Literal

from dagboek_sdk.oauth import OAuthSettings
from dagboek_sdk.settings import CallDeadline, LiftLimits, Words, sandbox_address, words
from pydantic import AfterValidator, Field

Site = Literal["nl", "be", "de", "fr", "es", "co.uk", "com", "us"]

ALLOWED = "DAGBOEK_EXACT_HOSTS"
"""Environment variable of an operator: hosts, beside this machine, that a sandbox may run on; commas between them."""


class ByName(StrEnum):
    """What is done with a relation that has a party's name and no number that tells more."""

    ASK = "ask"
    """A person is asked."""
    TAKE = "take"
    """One that has the whole name, the same country where both are known, and no other number, is taken."""
    NEVER = "never"
    """A new relation is made."""


class ExactSettings(OAuthSettings):
    """What it takes to reach Exact Online. The division is chosen afterwards, it is the administration."""

    site: Site = Field(
        "be",
        title="Site",
        description="the country site that you log in to, start.exactonline....",
        json_schema_extra=words(
            nl=Words("Site", "de site waarop u zich aanmeldt: start.exactonline. en dan dit"),
            fr=Words("Site", "le site où vous vous connectez : start.exactonline. suivi de ceci"),
        ),
    )
    base_url: Annotated[str | None, AfterValidator(sandbox_address(ALLOWED))] = Field(
        None,
        title="Address of a sandbox",
        description="instead of Exact's own",
        json_schema_extra=words(
            nl=Words("Adres van een proefomgeving", "in plaats van dat van Exact"),
            fr=Words("Adresse d'un environnement d'essai", "au lieu de celle d'Exact"),
        ),
    )
    by_name: ByName = Field(
        ByName.ASK,
        title="Relations that only the name fits",
        json_schema_extra=words(
            nl=Words(
                "Relaties waarvan alleen de naam past",
                choices={"ask": "aan mij vragen", "take": "deze relatie nemen", "never": "een nieuwe relatie maken"},
            ),
            fr=Words(
                "Relations dont seul le nom correspond",
                choices={
                    "ask": "me demander",
                    "take": "prendre cette relation",
                    "never": "créer une nouvelle relation",
                },
            ),
            en=Words(
                "Relations that only the name fits",
                choices={"ask": "ask me", "take": "take that relation", "never": "make a new relation"},
            ),
        ),
    )
    default_payment_condition: str | None = Field(
        None,
        title="Default payment condition",
        description="code in Exact, for credit notes and terms that Exact does not have; empty: Exact's default",
        json_schema_extra=words(
            nl=Words(
                "Standaard betalingsconditie",
                "code in Exact, voor creditnota's en termijnen die Exact niet heeft; leeg: de standaard van Exact",
            ),
            fr=Words(
                "Condition de paiement par défaut",
                "code dans Exact, pour les notes de crédit et les délais qu'Exact n'a pas ; vide : celle d'Exact",
            ),
        ),
    )
    first_relation_code: int = Field(
        1_000_000_000,
        ge=0,
        le=10**17,
        title="First relation code",
        description="codes of relations that we make start after it, so as not to meet those that people give",
        json_schema_extra=words(
            nl=Words(
                "Eerste relatiecode",
                "codes van relaties die wij maken beginnen daarna, om geen codes van mensen te kruisen",
            ),
            fr=Words(
                "Premier code de relation",
                "les codes des relations que nous créons commencent après, pour éviter ceux que l'on donne à la main",
            ),
        ),
    )
    document_type: int = Field(
        55,
        title="Document type",
        description="of files that are attached; 55: miscellaneous",
        json_schema_extra=words(
            nl=Words("Documenttype", "van bestanden die worden bijgevoegd; 55: diversen"),
            fr=Words("Type de document", "des fichiers joints ; 55 : divers"),
        ),
    )
    calls_per_minute: int = Field(
        60,
        ge=1,
        title="Calls a minute",
        description="that Exact allows the app",
        json_schema_extra=words(
            nl=Words("Oproepen per minuut", "die Exact de app toestaat"),
            fr=Words("Appels par minute", "qu'Exact permet à l'app"),
        ),
    )
    calls_per_day: int = Field(
        5000,
        ge=1,
        title="Calls a day",
        description="that Exact allows the app",
        json_schema_extra=words(
            nl=Words("Oproepen per dag", "die Exact de app toestaat"),
            fr=Words("Appels par jour", "qu'Exact permet à l'app"),
        ),
    )
    call_deadline: CallDeadline = 30.0
    lift_limits: LiftLimits = False

    @property
    def address(self) -> str:
        """Where authorisation, tokens and the API are: one host for all."""
        return self.base_url or f"https://start.exactonline.{self.site}"
