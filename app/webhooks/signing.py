"""Sign what we send: Standard Webhooks 1.0, symmetric, version `v1`."""

import hmac
import secrets as randomness
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256

PREFIX = "whsec_"
SECRET_BYTES = 32  # the standard asks for 24 to 64


def new_secret() -> str:
    """Make a secret for one endpoint: `whsec_` and the base64 of 32 random bytes."""
    return PREFIX + b64encode(randomness.token_bytes(SECRET_BYTES)).decode("ascii")


def sign(body: bytes, *, secrets: Sequence[str], message_id: str, timestamp: int) -> dict[str, str]:
    """Return the three headers that prove `body` comes from us and is fresh.

    `message_id` stays the same in every attempt, so the receiver can drop repeats; `timestamp`
    (Unix seconds) is that of this attempt. While a secret is being rotated both are given, the
    newer first, and the receiver may verify with either. Raises ValueError on an id with a dot
    (the dot separates the signed parts) or on no secret at all.
    """
    if "." in message_id or not secrets:
        raise ValueError("a message needs an id without dots and at least one secret")
    signed = f"{message_id}.{timestamp}.".encode("ascii") + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    # The key is what the base64 stands for, not the printed text (there Stripe differs).
    key = b64decode(secret.removeprefix(PREFIX), validate=True)
    return "v1," + b64encode(hmac.digest(key, signed, sha256)).decode("ascii")
