"""WeChat Pay API v3: what is signed, what is verified, what is decrypted."""

import base64
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.channels import signing
from app.channels.wire import Untrusted, optional_text, text

SCHEME = "WECHATPAY2-SHA256-RSA2048"
FRESHNESS = timedelta(seconds=300)
_CIPHER = "AEAD_AES_256_GCM"
_API_V3_KEY_BYTES = 32
_UNIX_SECONDS = re.compile(r"[0-9]{1,10}")


def signed_text(*lines: str | bytes) -> bytes:
    """Put every line, the last and the empty ones too, before its own newline.

    A request signs method, target, timestamp, nonce, body; an answer or a callback timestamp,
    nonce, body; the pay parameters of a page inside WeChat appid, timestamp, nonce, package.
    """
    return b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)


def authorization(
    key: RSAPrivateKey, text: bytes, *, mchid: str, serial: str, nonce: str, timestamp: str
) -> str:
    """Return the Authorization header for the signed text of a request."""
    return (
        f'{SCHEME} mchid="{mchid}",nonce_str="{nonce}",signature="{signing.sign(key, text)}",'
        f'timestamp="{timestamp}",serial_no="{serial}"'
    )


def verify(
    keys: Mapping[str, RSAPublicKey], headers: Mapping[str, str], body: bytes, *, now: datetime
) -> None:
    """Check that WeChat Pay signed `body` within five minutes of `now`. Raises Untrusted.

    The key is looked up by its exact serial and never fetched because a stranger names one.
    Test signatures (`WECHATPAY/SIGNTEST/`) are wrong on purpose and simply fail.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    timestamp = text(sent, "wechatpay-timestamp")
    nonce = text(sent, "wechatpay-nonce")
    serial = text(sent, "wechatpay-serial")
    signature = text(sent, "wechatpay-signature")
    if sent.get("wechatpay-signature-type", SCHEME) != SCHEME:
        raise Untrusted("the signature is of another type")
    if not _UNIX_SECONDS.fullmatch(timestamp):
        raise Untrusted("the timestamp is not one")
    if abs(now - datetime.fromtimestamp(int(timestamp), now.tzinfo)) > FRESHNESS:
        raise Untrusted("the timestamp is outside five minutes")
    if serial not in keys:
        raise Untrusted("the serial is none of ours")
    signing.verify(keys[serial], signed_text(timestamp, nonce, body), signature)


def load_api_v3_key(key: str) -> AESGCM:
    """Take the merchant's APIv3 key, 32 ASCII characters used as they are. Raises ValueError."""
    raw = key.encode("ascii")
    if len(raw) != _API_V3_KEY_BYTES:
        raise ValueError("an APIv3 key has 32 characters")
    return AESGCM(raw)


def decrypt(key: AESGCM, resource: Mapping[str, object]) -> bytes:
    """Decrypt the `resource` of a callback, or a platform certificate. Raises Untrusted."""
    if text(resource, "algorithm") != _CIPHER:
        raise Untrusted("the resource is encrypted in another way")
    nonce = text(resource, "nonce").encode()
    associated = (optional_text(resource, "associated_data") or "").encode()
    try:
        ciphertext = base64.b64decode(text(resource, "ciphertext"), validate=True)
        return key.decrypt(nonce, ciphertext, associated)
    except (InvalidTag, ValueError) as fault:
        raise Untrusted("the resource does not decrypt") from fault
