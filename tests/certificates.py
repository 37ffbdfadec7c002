"""A certificate authority for a test, with a server on the loopback address and a client."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "of the client's key"


def write_certificates(folder: Path) -> None:
    """Writes `ca.pem`, `server.pem` (key and certificate), and `client.pem` with its key, encrypted, in `client.key`.

    `stranger.pem` is an authority that nobody here knows.
    """
    key, authority = _authority("Test authority")
    _, stranger = _authority("Stranger")
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (folder / "stranger.pem").write_bytes(stranger.public_bytes(serialization.Encoding.PEM))
    server_key, server = _signed("server", key, authority)
    (folder / "server.pem").write_bytes(_key(server_key) + server)
    client_key, client = _signed("client", key, authority)
    (folder / "client.pem").write_bytes(client)
    (folder / "client.key").write_bytes(_key(client_key, PASSWORD))


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    made = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    return key, made.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, authority: x509.Certificate
) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    own = ec.generate_private_key(ec.SECP256R1())
    issuer = str(authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    places = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    made = _builder(name, issuer, own).add_extension(places, critical=False).add_extension(identifier, critical=False)
    return own, made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _builder(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key(key: ec.EllipticCurvePrivateKey, password: str | None = None) -> bytes:
    secret = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
