"""What a worker makes of the properties for TLS and SASL; what it cannot use is named before it starts."""

import ssl
from pathlib import Path
from typing import Any

import faust
import pytest
from certificates import PASSWORD, write_certificates
from dagboek.plugins import Plugins
from dagboek.settings import SettingsError
from dagboek.vault import Vault, new_key
from dagboek_workers.app import WorkerOptions, make_app
from dagboek_workers.security import credentials_of

USER = {"sasl.username": "clerk", "sasl.password": "hidden-word"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates."""
    made = tmp_path_factory.mktemp("certificates")
    write_certificates(made)
    return made


@pytest.mark.parametrize("security", [{}, {"security.protocol": "PLAINTEXT"}])
def test_without_security_there_are_no_credentials(security: dict[str, str]) -> None:
    assert credentials_of(security) is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("name", ["sasl.mechanism", "sasl.mechanisms"])
def test_a_user_and_password(name: str, mechanism: str) -> None:
    made = credentials_of({"security.protocol": "sasl_plaintext", name: mechanism, **USER})
    assert isinstance(made, faust.SASLCredentials)
    assert (made.protocol.value, made.mechanism.value) == ("SASL_PLAINTEXT", mechanism)
    assert (made.username, made.password, made.ssl_context) == ("clerk", "hidden-word", None)


def test_a_user_over_tls(folder: Path) -> None:
    authority = {"ssl.ca.location": str(folder / "ca.pem")}
    made = credentials_of({"security.protocol": "SASL_SSL", "sasl.mechanism": "plain", **USER, **authority})
    assert isinstance(made, faust.SASLCredentials)
    assert (made.protocol.value, made.mechanism.value) == ("SASL_SSL", "PLAIN")
    assert names(made.ssl_context) == {"Test authority"}


@pytest.mark.parametrize("form", ["file", "text"])
def test_tls_with_an_authority_of_our_own(folder: Path, form: str) -> None:
    file = folder / "ca.pem"
    authority = {"ssl.ca.location": str(file)} if form == "file" else {"ssl.ca.pem": file.read_text()}
    made = credentials_of({"security.protocol": "ssl", **authority})
    assert isinstance(made, faust.SSLCredentials)
    assert names(made.context) == {"Test authority"}
    assert (made.context.check_hostname, made.context.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_tls_that_asks_less_of_the_server_only_where_that_is_said() -> None:
    made = credentials_of({"security.protocol": "ssl", "ssl.endpoint.identification.algorithm": "none"})
    assert isinstance(made, faust.SSLCredentials)
    assert (made.context.check_hostname, made.context.verify_mode) == (False, ssl.CERT_REQUIRED)
    made = credentials_of({"security.protocol": "ssl", "enable.ssl.certificate.verification": "false"})
    assert isinstance(made, faust.SSLCredentials)
    assert (made.context.check_hostname, made.context.verify_mode) == (False, ssl.CERT_NONE)


def names(context: Any) -> set[str]:
    """Of the authorities that a context trusts."""
    return {dict(pair[0] for pair in one["subject"])["commonName"] for one in context.get_ca_certs()}


@pytest.mark.parametrize(
    ("security", "named"),
    [
        ({"ssl.keystore.location": "x.p12", "sasl.kerberos.principal": "x"}, "sasl.kerberos.principal, ssl.keystore."),
        ({"security.protocol": "tls"}, "security.protocol is tls"),
        ({"security.protocol": "sasl_ssl", "sasl.mechanism": "OAUTHBEARER", **USER}, "sasl.mechanism is OAUTHBEARER"),
        ({"security.protocol": "sasl_ssl", **USER}, "sasl.mechanisms is GSSAPI"),
        ({"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "x"}, "sasl.password is"),
        ({"security.protocol": "ssl", "ssl.ca.location": "/nowhere/ca.pem"}, "ssl.ca.location"),
        ({"security.protocol": "ssl", "ssl.ca.pem": "no certificate"}, "ssl.ca.pem"),
        ({"security.protocol": "ssl", "ssl.key.location": "/nowhere/key"}, "ssl.certificate.location and ssl.key."),
        ({"security.protocol": "ssl", "enable.ssl.certificate.verification": "no"}, "enable.ssl.certificate.verif"),
    ],
)
def test_what_a_worker_cannot_use_is_named(security: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        credentials_of(security)
    assert str(refused.value).startswith("DAGBOEK_KAFKA_SECURITY: ")
    assert named in str(refused.value)
    assert "hidden-word" not in str(refused.value)


@pytest.mark.parametrize("password", [{}, {"ssl.key.password": "wrong"}])
def test_a_key_is_never_asked_for_on_the_terminal(folder: Path, password: dict[str, str]) -> None:
    ours = {"ssl.certificate.location": str(folder / "client.pem"), "ssl.key.location": str(folder / "client.key")}
    credentials_of({"security.protocol": "ssl", **ours, "ssl.key.password": PASSWORD})
    with pytest.raises(SettingsError, match=r"ssl\.key\.password"):
        credentials_of({"security.protocol": "ssl", **ours, **password})


async def test_the_application_connects_with_them() -> None:
    security = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", **USER}
    options = WorkerOptions("127.0.0.1:1", "postgresql://me:hidden-word@127.0.0.1:1/x", security=security)
    app, _ = make_app(options, Plugins(entry_points=False), Vault([new_key()]))
    credentials = app.conf.broker_credentials
    assert isinstance(credentials, faust.SASLCredentials)
    assert credentials.username == "clerk"
    assert "hidden-word" not in repr(options)
