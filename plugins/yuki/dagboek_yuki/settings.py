"""Settings of a connection to Yuki: which site, which access key, and what the tenant chooses."""

from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal, Self

from dagboek_sdk.settings import CallDeadline, LiftLimits, Words, WrongSetting, sandbox_address, words
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, model_validator

Site = Literal["nl", "be"]

ALLOWED = "DAGBOEK_YUKI_HOSTS"
"""Environment variable of an operator: hosts, beside this machine, that a sandbox may run on; commas between them."""


class Purchases(StrEnum):
    """The way that purchase documents go (api.md section 5)."""

    UPLOAD = "upload"
    """Into the archive, where Yuki's recognition or the accountant books them later."""
    PROCESS = "process"
    """By the Purchase service, which books at once; Yuki gives access to it on request."""


def _key(value: SecretStr) -> SecretStr:
    """Keys are copied from a web page, with blanks around them."""
    return SecretStr(value.get_secret_value().strip())


def _filled(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise WrongSetting("must not be empty", nl="moet worden ingevuld", fr="doit être rempli")
    return value


def _none_if_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


class YukiSettings(BaseModel):
    """What it takes to reach Yuki. The administration is chosen afterwards."""

    site: Site = Field(
        "be",
        title="Site",
        description="nl or be: the country whose Yuki you use; a key fits one only",
        json_schema_extra=words(
            nl=Words(
                "Site", "het land waarvan u Yuki gebruikt; een sleutel past op één", {"nl": "Nederland", "be": "België"}
            ),
            fr=Words(
                "Site",
                "le pays dont vous utilisez Yuki ; une clé ne va qu'à un seul",
                {"nl": "Pays-Bas", "be": "Belgique"},
            ),
            en=Words(
                "Site", "the country whose Yuki you use; a key fits one only", {"nl": "Netherlands", "be": "Belgium"}
            ),
        ),
    )
    access_key: Annotated[SecretStr, AfterValidator(_key), AfterValidator(_filled)] = Field(
        title="Web service access key",
        description="made in Yuki under Settings > Web services",
        json_schema_extra=words(
            nl=Words("Toegangssleutel voor webservices", "te maken in Yuki bij Instellingen > Webservices"),
            fr=Words("Clé d'accès aux services web", "à créer dans Yuki sous Paramètres > Services web"),
        ),
    )
    purchases: Purchases = Field(
        Purchases.UPLOAD,
        title="How purchases go",
        description="upload: into the archive, booked by Yuki later; process: booked at once, needs Yuki's permission",
        json_schema_extra=words(
            nl=Words(
                "Hoe aankopen gaan",
                "meteen boeken vraagt toestemming van Yuki",
                {"upload": "naar het archief, Yuki boekt later", "process": "meteen geboekt"},
            ),
            fr=Words(
                "Voie des achats",
                "comptabiliser aussitôt demande l'accord de Yuki",
                {"upload": "dans l'archive, Yuki comptabilise plus tard", "process": "comptabilisés aussitôt"},
            ),
            en=Words(
                "How purchases go",
                "booking at once needs Yuki's permission",
                {"upload": "into the archive, booked by Yuki later", "process": "booked at once"},
            ),
        ),
    )
    client_id: Annotated[str | None, BeforeValidator(_none_if_blank)] = Field(
        None,
        title="Client id",
        description="given by Yuki; needed where purchases are booked at once",
        json_schema_extra=words(
            nl=Words("Client-id", "van Yuki; nodig waar aankopen meteen geboekt worden"),
            fr=Words("Identifiant client", "donné par Yuki ; requis si les achats sont comptabilisés aussitôt"),
        ),
    )
    client_secret: Annotated[SecretStr | None, BeforeValidator(_none_if_blank)] = Field(
        None,
        title="Client secret",
        description="given by Yuki with the client id",
        json_schema_extra=words(
            nl=Words("Client-geheim", "van Yuki, bij het client-id"),
            fr=Words("Secret client", "donné par Yuki avec l'identifiant"),
        ),
    )
    calls_per_day: int = Field(
        1000,
        ge=1,
        title="Calls a day",
        description="that the domain has, for all who use it: 5000 or 10000 if paid for",
        json_schema_extra=words(
            nl=Words(
                "Oproepen per dag", "die het domein heeft, voor allen die het gebruiken: 5000 of 10000 indien betaald"
            ),
            fr=Words("Appels par jour", "dont dispose le domaine, pour tous ses utilisateurs : 5000 ou 10000 si payés"),
        ),
    )
    debtors_account: str = Field(
        "",
        title="Debtors account",
        description="on which sales are looked for in Yuki; empty: 13000 (nl), 400000 (be)",
        json_schema_extra=words(
            nl=Words("Rekening debiteuren", "waarop verkopen in Yuki worden gezocht; leeg: 13000 (nl), 400000 (be)"),
            fr=Words("Compte débiteurs", "où les ventes sont cherchées dans Yuki ; vide : 13000 (nl), 400000 (be)"),
        ),
    )
    creditors_account: str = Field(
        "",
        title="Creditors account",
        description="on which purchases are looked for in Yuki; empty: 16000 (nl), 440000 (be)",
        json_schema_extra=words(
            nl=Words("Rekening crediteuren", "waarop aankopen in Yuki worden gezocht; leeg: 16000 (nl), 440000 (be)"),
            fr=Words("Compte créditeurs", "où les achats sont cherchés dans Yuki ; vide : 16000 (nl), 440000 (be)"),
        ),
    )
    base_url: Annotated[str | None, AfterValidator(sandbox_address(ALLOWED))] = Field(
        None,
        title="Address of a sandbox",
        description="instead of Yuki's own",
        json_schema_extra=words(
            nl=Words("Adres van een proefomgeving", "in plaats van dat van Yuki"),
            fr=Words("Adresse d'un environnement d'essai", "au lieu de celle de Yuki"),
        ),
    )
    call_deadline: CallDeadline = 60.0
    lift_limits: LiftLimits = False

    @model_validator(mode="after")
    def _has_what_purchases_need(self) -> Self:
        if self.purchases is Purchases.PROCESS and not (self.client_id and self.client_secret):
            raise WrongSetting(
                "purchases that are booked at once (process) need client_id and client_secret",
                nl="aankopen die meteen geboekt worden, vragen een client-id en een client-secret",
                fr="les achats comptabilisés aussitôt demandent un identifiant et un secret client",
            )
        return self

    @property
    def address(self) -> str:
        """Where the services are: one host for all of a country."""
        return self.base_url or f"https://api.yukiworks.{self.site}"

    @property
    def tool_user(self) -> str:
        """Tells the logins of several keys apart, as a key names no user. Nothing leads back from it to the key."""
        return f"key {sha256(self.access_key.get_secret_value().lower().encode()).hexdigest()[:8]}"
