"""What a payment channel can do for us, in words that belong to none of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.core.errors import Conflict, Refusal, Unavailable
from app.core.money import Currency, Money


class ChannelName(StrEnum):
    WECHAT = "wechat"
    ALIPAY = "alipay"


class Method(StrEnum):
    NATIVE = "native"  # WeChat Pay: a QR code on our page
    PRECREATE = "precreate"  # Alipay: the same


class ChannelUnavailable(Unavailable):
    """The result is unknown: no answer in time, a broken one, or one we can not believe.

    Never proof of failure. Query the same `out_trade_no` before anything else is tried.
    """

    code = "channel_unavailable"


class ChannelRefused(Conflict):
    """The channel said no, definitely. `channel_code` is its own word for why."""

    code = "channel_refused"

    def __init__(self, channel_code: str, channel_message: str) -> None:
        super().__init__(f"{channel_code}: {channel_message}")
        self.channel_code = channel_code
        self.channel_message = channel_message


class BadNotice(Refusal):
    """A callback that is forged, stale, unreadable or meant for another account. Book nothing."""

    code = "bad_notice"


_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_-]{6,32}")  # what every channel takes
_ATTACH_BYTES = 128  # the smallest limit of any channel: WeChat Pay's


@dataclass(frozen=True, slots=True)
class Ask:
    """One payment to open, payable until `expires_at`, in CNY whatever the invoice was priced in.

    `out_trade_no` is unique for ever and the only handle on a callback's public URL; `attach`
    names the merchant, travels through the channel and must come back equal. Raises ValueError
    on what no channel would take.
    """

    out_trade_no: str
    amount: Money
    description: str
    expires_at: datetime
    notify_url: str
    attach: str

    def __post_init__(self) -> None:
        if not _OUT_TRADE_NO.fullmatch(self.out_trade_no):
            raise ValueError(f"no channel takes the order number {self.out_trade_no!r}")
        if self.amount.currency is not Currency.CNY or self.amount.minor <= 0:
            raise ValueError(f"a channel collects more than 0.00 CNY, not {self.amount}")
        if self.expires_at.tzinfo is None:
            raise ValueError("expires_at needs a time zone")
        if len(self.attach.encode()) > _ATTACH_BYTES:
            raise ValueError(f"attach is longer than {_ATTACH_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class Opened:
    """Where the payer goes next: draw `qr_payload`, an opaque text, as a QR code."""

    method: Method
    qr_payload: str


class TradeState(StrEnum):
    PENDING = "pending"  # can still be paid
    PAID = "paid"  # money was received; a refund since then does not unmake that
    CLOSED = "closed"  # was never paid and can not be any more
    NOT_FOUND = "not_found"  # the channel knows no such order (Alipay: nobody scanned it yet)


@dataclass(frozen=True, slots=True)
class Trade:
    """An order as the channel sees it; `raw_state` is the channel's own word.

    `paid` is the order's total before any coupon, there with `channel_txn_id` exactly when the
    state is PAID. `paid_at` and `attach` are None where the channel does not say: Alipay echoes
    `attach` in notices only, and a WeChat Pay refund notice tells neither.
    """

    state: TradeState
    out_trade_no: str
    raw_state: str
    channel_txn_id: str | None = None
    paid: Money | None = None
    paid_at: datetime | None = None
    attach: str | None = None

    def __post_init__(self) -> None:
        is_paid = self.state is TradeState.PAID
        if is_paid != (self.paid is not None) or (is_paid and self.channel_txn_id is None):
            raise ValueError(f"{self.out_trade_no} is {self.state} but paid {self.paid}")


class NoticeKind(StrEnum):
    PAYMENT = "payment"  # about the payment itself: paid, closed, or still waiting
    REFUND = "refund"  # about a refund of it: to be acknowledged, never booked as a payment


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified callback. A resent one has the same `notice_id`."""

    notice_id: str
    trade: Trade
    kind: NoticeKind = NoticeKind.PAYMENT

    @property
    def out_trade_no(self) -> str:
        return self.trade.out_trade_no


class Channel(Protocol):
    """One account at one channel. `now` is the real clock's: signatures are stamped with it."""

    @property
    def name(self) -> ChannelName: ...

    @property
    def method(self) -> Method: ...

    def open(self, ask: Ask, *, now: datetime) -> Opened:
        """Open an order and say where the payer goes.

        Repeating the very same `ask` never opens a second order. Raises ChannelUnavailable, and
        ChannelRefused, which may be because it is paid or open already: query tells.
        """
        ...

    def query(self, out_trade_no: str, *, now: datetime) -> Trade:
        """Ask what became of an order. Raises ChannelUnavailable and ChannelRefused."""
        ...

    def close(self, out_trade_no: str, *, now: datetime) -> None:
        """Make an order unpayable; one that is closed or unknown to the channel counts as done.

        An Alipay code nobody scanned can not be closed and lives until it expires, so money may
        still come. Raises ChannelUnavailable, and ChannelRefused when it was paid meanwhile:
        query, and settle it.
        """
        ...

    def read_notice(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Notice:
        """Verify a callback over its raw bytes and say what it says.

        Signature, freshness, known key and our own account are checked here; order, amount and
        `attach` are the caller's to compare. Raises BadNotice.
        """
        ...
