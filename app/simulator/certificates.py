"""X.509, as far as the channels use it: somebody's key under somebody's name, with a serial."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.x509.oid import NameOID

# The same keys make the same certificates, at every start.
VALID_FROM, VALID_TO = datetime(2026, 1, 1, tzinfo=UTC), datetime(2056, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Chain:
    """Alipay's three certificates, in PEM: the root's, its own, and the merchant's."""

    root: str
    alipay: str
    app: str

    @property
    def app_serial(self) -> str:
        return serial_of(self.app)

    @property
    def alipay_serial(self) -> str:
        return serial_of(self.alipay)

    @property
    def root_serial(self) -> str:
        """Return the serials of the root's certificates, of which there is one."""
        return serial_of(self.root)


@dataclass(frozen=True, slots=True)
class Issuer:
    name: str
    key: RSAPrivateKey


def chain(alipay: RSAPrivateKey, app: RSAPublicKey) -> Chain:
    """Certify both sides' keys. Alipay is its own root here: it has no other key."""
    root = Issuer("Simulated Alipay Root", alipay)
    return Chain(
        root=issue(root.name, alipay.public_key(), root),
        alipay=issue("Simulated Alipay", alipay.public_key(), root),
        app=issue("Simulated Merchant", app, root),
    )


def issue(
    name: str,
    key: RSAPublicKey,
    issuer: Issuer,
    *,
    valid_from: datetime = VALID_FROM,
    valid_to: datetime = VALID_TO,
) -> str:
    """Return a certificate of `key` in PEM, its serial made of name and key."""
    encoded = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashlib.sha256(name.encode() + encoded).digest()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer.name))
        .public_key(key)
        # 40 hexadecimal digits, none of them lost: the first bit is 0, the second 1.
        .serial_number(int.from_bytes(digest[:20], "big") >> 2 | 1 << 158)
        .not_valid_before(valid_from)
        .not_valid_after(valid_to)
        .sign(issuer.key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def hex_serial(pem: str) -> str:
    """Return the serial as WeChat Pay writes it."""
    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:040X}"


def serial_of(pem: str) -> str:
    """Return the "SN" of Alipay: a digest of who issued the certificate, and its serial."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    text = f"{certificate.issuer.rfc4514_string()}{certificate.serial_number}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _name(common: str) -> x509.Name:
    # In this order, so that the text of it begins with CN and ends with C.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Channel simulator"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
