"""What the web process holds: settings, the two pools, plugins, vault, publisher."""

import asyncio
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from fastapi import Request

from dagboek.catalogue import Catalogue
from dagboek.database import Database
from dagboek.embedded import Services
from dagboek.plugins import Plugins
from dagboek.publisher import Publisher
from dagboek.settings import Settings
from dagboek.vault import Vault
from dagboek.web.signin.oidc import Provider
from dagboek.web.tenancy import RequestDatabase


@dataclass(eq=False)
class Web:
    """One for each process."""

    settings: Settings
    core: Database
    """Under the service's own role: who asks, and work with tools, which counts limits that belong to no tenant."""
    requests: RequestDatabase
    """Under the role of requests, which sees one tenant at a time."""
    plugins: Plugins
    vault: Vault
    publisher: Publisher
    services: Services
    """Where brokers and database are."""
    catalogue: Catalogue = field(init=False)
    """Texts of all issues."""
    oidc: Provider | None = field(init=False)
    """Where people sign in besides here."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process ends: what is open for long ends too."""

    def __post_init__(self) -> None:
        self.catalogue = self.plugins.catalogue
        self.oidc = Provider.of(self.settings)

    @property
    def oidc_title(self) -> str | None:
        """What the provider is called on the sign-in page; None where there is none."""
        return self.settings.oidc_title if self.oidc else None

    @property
    def sends_mail(self) -> bool:
        """Whether this installation has a mail server."""
        return self.settings.smtp_host is not None

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by https."""
        return urlsplit(self.settings.web_url or "").scheme == "https"


def web_of(request: Request) -> Web:
    """What the process holds, for a route."""
    return cast("Web", request.app.state.web)
