"""Settings of a connection to Exact Online: which site, which app, and what the tenant chooses."""

import os
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from dagboek_sdk.oauth import OAuthSettings
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


def _sandbox(value: str | None) -> str | None:
    """Tokens and documents go to this address: it must be this machine's, or one that an operator allows."""
    if value is None or not value.strip():
        return None
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that begins with http:// or https://")
    allowed = {host.strip() for host in os.environ.get(ALLOWED, "").split(",")}
    if not (_loopback(parts.hostname) or parts.hostname in allowed):
        raise ValueError(f"must be an address of this machine; an operator may allow others with {ALLOWED}")
    return value.strip().rstrip("/")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class ExactSettings(OAuthSettings):
    """What it takes to reach Exact Online. The division is chosen afterwards, it is the administration."""

    site: Site = Field("be", title="Site", description="the country site that you log in to, start.exactonline....")
    base_url: Annotated[str | None, AfterValidator(_sandbox)] = Field(
        None, title="Address of a sandbox", description="instead of Exact's own"
    )
    by_name: ByName = Field(ByName.ASK, title="Relations that only the name fits")
    default_payment_condition: str | None = Field(
        None,
        title="Default payment condition",
        description="code in Exact, for credit notes and terms that Exact does not have; empty: Exact's default",
    )
    first_relation_code: int = Field(
        1_000_000_000,
        ge=0,
        le=10**17,
        title="First relation code",
        description="codes of relations that we make start after it, so as not to meet those that people give",
    )
    document_type: int = Field(55, title="Document type", description="of files that are attached; 55: miscellaneous")
    calls_per_minute: int = Field(60, ge=1, title="Calls a minute", description="that Exact allows the app")
    calls_per_day: int = Field(5000, ge=1, title="Calls a day", description="that Exact allows the app")
    call_deadline: float = Field(
        30.0, gt=0, le=300, title="Seconds that a call may take", description="what takes longer is looked up later"
    )
    lift_limits: bool = Field(
        False, title="No limits", description="for sandboxes and benches only: Exact itself counts calls"
    )

    @property
    def address(self) -> str:
        """Where authorisation, tokens and the API are: one host for all."""
        return self.base_url or f"https://start.exactonline.{self.site}"
