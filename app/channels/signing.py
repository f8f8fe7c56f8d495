"""RSASSA-PKCS1-v1_5 with SHA-256, the one signature both channels use, and the keys for it."""

import base64
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from app.channels.wire import Untrusted

_SHORTEST_KEY_BITS = 2048


def load_private_key(pem: str) -> RSAPrivateKey:
    """Read an unencrypted RSA key, PKCS#8 or PKCS#1. Raises ValueError."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:  # TypeError: it is encrypted
        raise ValueError("our private key is not one in PEM, without a password") from fault
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SHORTEST_KEY_BITS:
        raise ValueError("our private key is not an RSA private key of at least 2048 bits")
    return key


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A channel's public key, and the certificate it came in, whose end is its own, too."""

    key: RSAPublicKey
    certificate: x509.Certificate | None = None

    def is_valid(self, now: datetime) -> bool:
        if self.certificate is None:
            return True
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return begin <= now < end


def load_verifying_key(pem: str) -> VerifyingKey:
    """Read an RSA public key, or a certificate with one. Raises ValueError."""
    raw, certificate = pem.encode(), None
    try:
        if b"BEGIN CERTIFICATE" in raw:
            certificate = x509.load_pem_x509_certificate(raw)
            key: object = certificate.public_key()
        else:
            key = serialization.load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise ValueError("the channel's key is neither a public key nor a certificate") from fault
    if not isinstance(key, RSAPublicKey) or key.key_size < _SHORTEST_KEY_BITS:
        raise ValueError("the channel's key is not an RSA public key of at least 2048 bits")
    return VerifyingKey(key, certificate)


def sign(key: RSAPrivateKey, message: bytes) -> str:
    """Return the signature of `message` in base64."""
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def verify(key: RSAPublicKey, message: bytes, signature: str) -> None:
    """Check a base64 signature. The hash is ours to choose, never the sender's. Raises Untrusted.

    Only the one canonical base64 text of a signature passes, so no bit of it can be changed.
    """
    try:
        raw = base64.b64decode(signature, validate=True)
        if base64.b64encode(raw).decode() != signature:
            raise Untrusted("the signature is not in canonical base64")
        key.verify(raw, message, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError) as fault:
        raise Untrusted("the signature is wrong") from fault
