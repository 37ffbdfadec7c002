"""Security of the way to Kafka, for the client that Faust uses.

The settings hold librdkafka's properties, which all other parts take as they are; Faust's client (aiokafka) has
names of its own, and wants an SSL context in place of files.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import faust
from dagboek.settings import SettingsError

_PROTOCOLS: Final = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_USED: Final = frozenset(
    {
        "security.protocol",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.password",
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
        "ssl.endpoint.identification.algorithm",
        "enable.ssl.certificate.verification",
    }
)


def credentials_of(security: Mapping[str, str]) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """What Faust is given for librdkafka's properties; None for a broker without security.

    SettingsError names what a worker cannot use: left out quietly, it would connect in another way than asked.
    """
    unknown = sorted(set(security) - _USED)
    if unknown:
        raise _unusable(f"a worker cannot use {', '.join(unknown)}; it can use {', '.join(sorted(_USED))}")
    protocol = _one_of(security, "security.protocol", _PROTOCOLS, "plaintext")
    context = _context(security) if protocol.endswith("ssl") else None
    if protocol.startswith("sasl"):
        return _sasl(security, context)
    return faust.SSLCredentials(context) if context else None


def _sasl(security: Mapping[str, str], context: ssl.SSLContext | None) -> faust.SASLCredentials:
    name = "sasl.mechanism" if "sasl.mechanism" in security else "sasl.mechanisms"  # two names for one
    mechanism = _one_of(security, name, _MECHANISMS, "GSSAPI")
    for needed in ("sasl.username", "sasl.password"):
        if not security.get(needed):
            raise _unusable(f"{needed} is missing; {mechanism} needs it")
    return faust.SASLCredentials(
        mechanism=mechanism,
        username=security["sasl.username"],
        password=security["sasl.password"],
        ssl_context=context,
    )


def _context(security: Mapping[str, str]) -> ssl.SSLContext:
    place = security.get("ssl.ca.location")
    folder = place is not None and Path(place).is_dir()
    try:
        context = ssl.create_default_context(
            cafile=None if folder else place, capath=place if folder else None, cadata=security.get("ssl.ca.pem")
        )
    except (OSError, ValueError) as error:
        raise _unusable(f"ssl.ca.location or ssl.ca.pem holds no certificates that can be read ({error})") from None
    if _one_of(security, "ssl.endpoint.identification.algorithm", ("https", "none"), "https") == "none":
        context.check_hostname = False
    if _one_of(security, "enable.ssl.certificate.verification", ("true", "false"), "true") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _show_ourselves(context, security)
    return context


def _show_ourselves(context: ssl.SSLContext, security: Mapping[str, str]) -> None:
    certificate, key = security.get("ssl.certificate.location"), security.get("ssl.key.location")
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise _unusable("ssl.certificate.location and ssl.key.location go together")
    try:
        # A password in any case: without one, the library would ask for it on the terminal.
        context.load_cert_chain(certificate, key, security.get("ssl.key.password", ""))
    except (OSError, ValueError) as error:
        names = "ssl.certificate.location, ssl.key.location, ssl.key.password"
        raise _unusable(f"{names}: certificate and key cannot be read together ({error})") from None


def _one_of(security: Mapping[str, str], name: str, known: tuple[str, ...], default: str) -> str:
    value = security.get(name, default)
    found = next((one for one in known if one.casefold() == value.casefold()), None)
    if found is None:
        raise _unusable(f"{name} is {value}; a worker can use {', '.join(known)}")
    return found


def _unusable(why: str) -> SettingsError:
    return SettingsError(f"DAGBOEK_KAFKA_SECURITY: {why}.")
