"""Secrets: sealed at rest, hashed when only comparing is needed, compared in constant time."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12


class Unsealable(ValueError):
    """The text was sealed with a key we do not have, for another place, or was changed."""


@dataclass(frozen=True)
class Keyring:
    """The key-encryption keys by number. New texts use the highest; old ones stay readable."""

    keys: Mapping[int, bytes]

    def __post_init__(self) -> None:
        if not self.keys or any(len(key) != KEY_BYTES for key in self.keys.values()):
            raise ValueError(f"a keyring needs at least one key of {KEY_BYTES} bytes")

    def __repr__(self) -> str:
        return f"Keyring({sorted(self.keys)})"

    def seal(self, text: str, place: str) -> str:
        """Encrypt `text` for one place, as `v1.<key>.<nonce and ciphertext>`.

        `place` names merchant, table, column and row: a sealed text that is copied elsewhere
        can not be opened there.
        """
        number = max(self.keys)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self.keys[number]).encrypt(nonce, text.encode(), place.encode())
        return f"v1.{number}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def unseal(self, sealed: str, place: str) -> str:
        """Decrypt what `seal` wrote for the same place. Raises Unsealable."""
        try:
            version, number, body = sealed.split(".")
            raw = base64.urlsafe_b64decode(body)
            key = self.keys[int(number)] if version == "v1" else None
            if key is None:
                raise Unsealable(place)
            opened = AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode())
        except (ValueError, KeyError, InvalidTag) as error:
            raise Unsealable(place) from error
        return opened.decode()


def digest(pepper: bytes, text: str) -> bytes:
    """Hash a random secret for storage: HMAC-SHA256 under the server's pepper."""
    return hmac.new(pepper, text.encode(), hashlib.sha256).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(left, right)
