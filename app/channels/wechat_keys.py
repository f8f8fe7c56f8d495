"""What WeChat Pay signs with: its public key, or the platform certificates that come before it."""

from collections.abc import Mapping
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.channels import signing, wechat_crypto
from app.channels.signing import VerifyingKey
from app.channels.wire import Untrusted, json_object, member, text

_MOST_CERTIFICATES = 10  # there are one or, while they change, two


class PlatformKeys:
    """All keys by their serial, to be shared between threads.

    Configured ones stay; learned ones, out of WeChat Pay's own list of certificates, are replaced
    by the next list. None is ever looked for because a stranger named its serial. Raises
    ValueError on a key that is none, or on a certificate of another serial.
    """

    def __init__(self, pems: Mapping[str, str]) -> None:
        self._configured = {serial: _platform_key(serial, pem) for serial, pem in pems.items()}
        self._learned: Mapping[str, VerifyingKey] = {}

    def at(self, now: datetime) -> dict[str, RSAPublicKey]:
        """Return the keys that verify at this moment."""
        return valid({**self._learned, **self._configured}, now)

    def learn(self, certificates: Mapping[str, VerifyingKey]) -> None:
        """Trust these from now on, and those learned before no more."""
        self._learned = dict(certificates)


def valid(keys: Mapping[str, VerifyingKey], now: datetime) -> dict[str, RSAPublicKey]:
    """Return those of `keys` that verify at this moment."""
    return {serial: key.key for serial, key in keys.items() if key.is_valid(now)}


def read_certificates(api_v3_key: AESGCM, answer: bytes) -> dict[str, VerifyingKey]:
    """Decrypt the answer of `/v3/certificates`: that it decrypts proves whose it is.

    Raises Untrusted.
    """
    listed = json_object(answer).get("data")
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_CERTIFICATES:
        raise Untrusted("it lists no certificates")
    certificates = {}
    for entry in listed:
        if not isinstance(entry, dict):
            raise Untrusted("a certificate is not an object")
        serial, sealed = text(entry, "serial_no"), member(entry, "encrypt_certificate")
        pem = wechat_crypto.decrypt(api_v3_key, sealed)
        try:
            certificates[serial] = _platform_key(serial, pem.decode("ascii"))
        except ValueError as fault:
            raise Untrusted(f"the certificate {serial} is none") from fault
    return certificates


def _platform_key(serial: str, pem: str) -> VerifyingKey:
    key = signing.load_verifying_key(pem)
    if key.certificate is not None:
        found = f"{key.certificate.serial_number:X}"
        if found != serial.upper().lstrip("0"):
            raise ValueError(f"the certificate's serial is {found}, not {serial}")
    return key
