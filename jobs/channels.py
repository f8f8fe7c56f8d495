"""Keep WeChat Pay's certificates fresh, for all processes."""

import structlog

from app.channels.base import ChannelRefused, ChannelUnavailable
from app.channels.wechat import Wechat
from app.core import clock
from app.extensions import ChannelNotConfigured, runtime
from app.identity.models import Mode

FRESH_FOR = 12 * 3600
NONE_FOR = 600

log = structlog.get_logger()


def refresh_certificates() -> None:
    """Fetch the certificates of every mode whose list is twelve hours old, or lost.

    An account that has a public key has none. Where the channel is silent the next beat tries
    again, and what was learned before stays good until it expires.
    """
    for mode in Mode:
        if runtime().certificates.is_kept(mode):
            continue
        try:
            _refresh(runtime().wechat(mode), mode)
        except ChannelNotConfigured:
            continue
        except ChannelUnavailable as silence:
            log.warning("certificates not fetched", mode=mode, why=str(silence))


def _refresh(gateway: Wechat, mode: Mode) -> None:
    try:
        listed, seconds = gateway.fetch_certificates(now=clock.now()), FRESH_FOR
    except ChannelRefused as refusal:
        log.info("no certificates", mode=mode, why=str(refusal))
        listed, seconds = b"", NONE_FOR
    runtime().certificates.keep(mode, listed, seconds=seconds)
