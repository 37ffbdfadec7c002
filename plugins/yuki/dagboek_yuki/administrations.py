"""What an access key reaches: administrations in domains; and the rights that it lacks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dagboek_schemas.issues import Issue
from dagboek_sdk.accounting import Administration
from dagboek_sdk.errors import AccessDenied, LoginBroken, Refused, Throttled, ToolError, ToolUnavailable
from lxml.etree import _Element as Element

from dagboek_yuki import errors
from dagboek_yuki.client import SCOPES, Services
from dagboek_yuki.reading import flag, rows, text
from dagboek_yuki.settings import Purchases, YukiSettings

SERVICE: Final = "AccountingInfo"

_CONTACTS: Final = {
    "searchOption": "Code",
    "searchValue": "0",
    "sortOrder": "Name",
    "active": "Both",
    "pageNumber": 1,
}
_PROBES: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("AccountingInfo", "GetGLAccountScheme", {}),
    ("Vat", "ActiveVATCodesList", {}),
    ("Sales", "GetSalesItems", {}),
    ("Contact", "SearchContacts", _CONTACTS),
    ("Archive", "DocumentFolders", {}),
)


async def administrations(services: Services) -> Sequence[Administration]:
    """All that the key reaches, in all its domains. A domain that cannot be used keeps the others from nobody."""
    found: dict[str, Administration] = {}
    troubles: list[ToolError] = []
    for domain in await _domains(services):
        try:
            result = await services.call(SERVICE, "Administrations", in_domain=domain)
        except (AccessDenied, LoginBroken, Throttled) as trouble:
            troubles.append(trouble)
            continue
        found |= {one.id: one for one in (_read(row, domain) for row in rows(result, "Administration")) if one.id}
    if troubles and not found:
        raise troubles[0]
    return sorted(found.values(), key=lambda one: (one.name.casefold(), one.id))


async def _domains(services: Services) -> Sequence[str]:
    """The domains of the key; the one that a session begins in where they are not told."""
    try:
        result = await services.call(SERVICE, "Domains")
    except (AccessDenied, Refused):
        return ("",)
    return [domain for row in rows(result, "Domain") if (domain := text(row, "@ID"))] or ("",)


def _read(row: Element, domain: str) -> Administration:
    country = text(row, "Country").upper()
    return Administration(
        id=text(row, "@ID"),
        name=text(row, "Name") or text(row, "@ID"),
        vat_number=text(row, "VATNumber") or None,
        country=country if len(country) == 2 and country.isalpha() else None,
        disabled=not flag(row, "Active", absent=True),
        domain=text(row, "DomainID") or domain,
    )


async def missing_rights(services: Services, settings: YukiSettings) -> Sequence[Issue]:
    """Rights and modules that reads show, one call for each group; those to write come out at the first write.

    Few of Yuki's words for what is missing are known, so a fault that nobody knows is told too.
    """
    found: dict[tuple[str, str], Issue] = {}
    for service, operation, given in _PROBES:
        try:
            await services.call(service, operation, **given)
        except AccessDenied as denied:
            found[denied.issue.code, denied.scope] = denied.issue
        except (Refused, ToolUnavailable) as error:
            if not errors.is_unknown(error):
                raise
            facts = {"scope": SCOPES[service], "words": error.tool_words or "?"}
            issue = Issue(code=errors.ODD, facts=facts, tool_words=error.tool_words)
            found[issue.code, SCOPES[service]] = issue
    if settings.purchases is Purchases.PROCESS:
        try:
            await services.ready("Purchase")
        except AccessDenied as denied:
            found[denied.issue.code, denied.scope] = denied.issue
    return tuple(found.values())
