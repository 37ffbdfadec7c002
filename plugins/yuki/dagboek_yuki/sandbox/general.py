"""The operations that every service has: sessions, domains, administrations, language."""

from collections.abc import Callable

from lxml import etree

from .access import Key, Session
from .call import Call, Fault, Operation

LANGUAGES = {
    "nl": ("Nederlands", "Dutch"),
    "nl-be": ("Nederlands (België)", "Dutch (Belgium)"),
    "fr": ("Français", "French"),
    "en": ("English", "English"),
}
"""Codes with what the language is called in itself, and in English."""
_DEFAULT_LANGUAGE = {"nl": "nl", "be": "nl-be"}

INVALID_KEY = "Invalid access key"
INVALID_CLIENT = "Invalid client id or client secret"
INVALID_USER = "Invalid user name or password"


def authenticate(call: Call) -> Session:
    """Opens a session for an access key."""
    return _open(call, call.text("accessKey"))


def authenticate_client(call: Call) -> Session:
    """Opens a session for an access key and an app that Yuki knows."""
    secret = call.books.clients.get(call.text("clientID"))
    if secret is None or secret != call.text("clientSecret"):
        raise Fault(INVALID_CLIENT, "Client")
    return _open(call, call.text("accessKey"), known_app=True)


def authenticate_by_user_name(call: Call) -> Session:
    """People's logins are not part of the sandbox."""
    raise Fault(INVALID_USER, "Client")


def domains(call: Call) -> etree._Element:
    """The domains that the key sees."""
    root = etree.Element("Domains")
    for each in call.books.visible_domains(_session(call)):
        row = etree.SubElement(root, "Domain", ID=each.id)
        etree.SubElement(row, "Name").text = each.name
        etree.SubElement(row, "URL").text = f"https://{each.name.lower().replace(' ', '')}.yukiworks.{each.site}"
    return root


def get_current_domain(call: Call) -> etree._Element:
    """The domain that the session is in."""
    root = etree.Element("Domains")
    row = etree.SubElement(root, "Domain", ID=call.domain.id)
    etree.SubElement(row, "Name").text = call.domain.name
    return root


def set_current_domain(call: Call) -> None:
    """Moves the session to another domain."""
    domain = call.books.visible_domain(call.session, call.text("domainID"))
    _session(call).domain = domain.id


def administrations(call: Call) -> etree._Element:
    """The administrations of the current domain that the key sees."""
    return _administrations(call, code=False)


def administrations_with_code(call: Call) -> etree._Element:
    """The same, each with the accountant's own code."""
    return _administrations(call, code=True)


def companies(call: Call) -> etree._Element:
    """The same, with their names alone."""
    root = etree.Element("Companies")
    for each in call.books.visible(_session(call)):
        row = etree.SubElement(root, "Company", ID=each.id)
        etree.SubElement(row, "Name").text = each.name
        etree.SubElement(row, "Active").text = _truth(each.active)
    return root


def administration_id(call: Call) -> str:
    """The id of the administration with a name; empty when there is none."""
    name = call.text("administrationName")
    return next((each.id for each in call.books.visible(_session(call)) if each.name == name), "")


def language(call: Call) -> str:
    """The session's language."""
    return call.language


def set_language(call: Call) -> None:
    """Descriptions are in this language from now on."""
    wanted = call.text("language").lower()
    if wanted not in LANGUAGES:
        raise Fault(f"Language '{wanted}' is not supported", "Client")
    _session(call).language = wanted


def supported_languages(call: Call) -> etree._Element:
    """What may be set."""
    root = etree.Element("Languages")
    for code, (native, description) in LANGUAGES.items():
        row = etree.SubElement(root, "Language", Code=code)
        etree.SubElement(row, "Description").text = description
        etree.SubElement(row, "NativeDescription").text = native
    return root


OPENING: dict[str, Callable[[Call], Session]] = {
    "Authenticate": authenticate,
    "AuthenticateClient": authenticate_client,
    "AuthenticateByUserName": authenticate_by_user_name,
}
"""Those that answer a session's id."""

OPERATIONS: dict[str, Operation] = {
    **OPENING,
    "Domains": domains,
    "GetCurrentDomain": get_current_domain,
    "SetCurrentDomain": set_current_domain,
    "Administrations": administrations,
    "AdministrationsWithInternalCustomerCode": administrations_with_code,
    "Companies": companies,
    "AdministrationID": administration_id,
    "Language": language,
    "SetLanguage": set_language,
    "SupportedLanguages": supported_languages,
}
"""By name: every service has them."""


def _open(call: Call, text: str, *, known_app: bool = False) -> Session:
    key = call.books.keys.get(text.strip().lower())
    if key is None or not key.active or key.site != call.site:
        raise Fault(INVALID_KEY, "Client")
    return call.books.sessions.open(
        key, _first_domain(call, key), _DEFAULT_LANGUAGE[call.site], call.at, known_app=known_app
    )


def _first_domain(call: Call, key: Key) -> str:
    reach = [each for each in call.books.domains.values() if key.sees_domain(each.id, each.site)]
    if not reach:
        raise Fault(INVALID_KEY, "Client")
    if key.administrations is not None:
        homes = [one.domain for one in call.books.administrations.values() if one.id in key.administrations]
        reach = [each for each in reach if each.id in homes] or reach
    return reach[0].id


def _administrations(call: Call, *, code: bool) -> etree._Element:
    root = etree.Element("Administrations")
    for each in call.books.visible(_session(call)):
        row = etree.SubElement(root, "Administration", ID=each.id)
        values = {
            "Name": each.name,
            "AddressLine": each.address_line,
            "Postcode": each.postcode,
            "City": each.city,
            "Country": each.country,
            "CoCNumber": each.coc_number,
            "VATNumber": each.vat_number,
            "StartDate": each.start_date.isoformat(),
            "DomainID": each.domain,
            "Active": _truth(each.active),
        }
        for name, value in values.items():
            etree.SubElement(row, name).text = value
        if code:
            etree.SubElement(row, "InternalCustomerCode").text = each.customer_code
    return root


def _session(call: Call) -> Session:
    assert call.session is not None
    return call.session


def _truth(value: bool) -> str:
    return "true" if value else "false"
