"""Who comes back from WeChat's sign-in: the browser we sent there, for the link it was sent from.

`state` carries when it was made, a nonce that the browser's session has too, and our signature
over both and the link. WeChat takes letters and digits only, 128 at most.
"""

import hmac
import re
import secrets
from datetime import datetime, timedelta

LIFETIME = timedelta(minutes=10)
NONCE = "wechat_nonce"
"""Where the browser's session keeps the nonce; good for one return."""

_STATE = re.compile(r"([0-9a-f]{8})([0-9a-f]{32})([0-9a-f]{64})")


def new_state(key: bytes, link: str, *, now: datetime) -> tuple[str, str]:
    """Return a state, and the nonce in it."""
    made_at, nonce = f"{int(now.timestamp()):08x}", secrets.token_hex(16)
    return made_at + nonce + _signature(key, link, made_at + nonce), nonce


def is_state(key: bytes, link: str, state: str, *, nonce: str, now: datetime) -> bool:
    """Tell whether the state is ours, of this link and this browser, and not older than it may."""
    found = _STATE.fullmatch(state)
    if found is None or not hmac.compare_digest(found[2], nonce):
        return False
    age = now.timestamp() - int(found[1], 16)
    is_young = -1 <= age <= LIFETIME.total_seconds()
    return is_young and hmac.compare_digest(found[3], _signature(key, link, found[1] + found[2]))


def _signature(key: bytes, link: str, text: str) -> str:
    return hmac.new(key, f"checkout.wechat\n{link}\n{text}".encode(), "sha256").hexdigest()
