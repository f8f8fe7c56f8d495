"""What a payment channel can do for us, in words that belong to none of them."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

from app.core.errors import Conflict, Refusal, Unavailable
from app.core.money import Currency, Money


class ChannelName(StrEnum):
    WECHAT = "wechat"
    ALIPAY = "alipay"


class Method(StrEnum):
    NATIVE = "native"  # WeChat Pay: a QR code on our page
    JSAPI = "jsapi"  # WeChat Pay: inside WeChat's own browser
    H5 = "h5"  # WeChat Pay: from any other mobile browser
    PRECREATE = "precreate"  # Alipay: a QR code on our page
    PAGE = "page"  # Alipay: its own page, on a desktop
    WAP = "wap"  # Alipay: from a mobile browser


RETURNING = frozenset({Method.H5, Method.PAGE, Method.WAP})
"""The methods that send the payer away, and have to know where he comes back."""


class ChannelUnavailable(Unavailable):
    """The result is unknown: no answer in time, a broken one, or one we can not believe.

    Never proof of failure. Query the same `out_trade_no` before anything else is tried.
    """

    code = "channel_unavailable"


class StatementNotReady(Unavailable):
    """The statement of this day does not exist yet; ask again later."""

    code = "statement_not_ready"


class BadStatement(Refusal):
    """A statement that is broken, of another day or account, or does not add up: use no row."""

    code = "bad_statement"


class ChannelRefused(Conflict):
    """The channel said no, definitely. `channel_code` is its own word for why."""

    code = "channel_refused"

    def __init__(self, channel_code: str, channel_message: str) -> None:
        super().__init__(f"{channel_code}: {channel_message}")
        self.channel_code = channel_code
        self.channel_message = channel_message


class ChannelShort(ChannelRefused):
    """Our account at the channel holds too little to pay a refund from.

    Nothing was paid back; the same ask succeeds once the account is filled.
    """

    code = "channel_short"


class BadNotice(Refusal):
    """A callback that is forged, stale, unreadable or meant for another account. Book nothing."""

    code = "bad_notice"


_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_-]{6,32}")  # what every channel takes
_OUT_REFUND_NO = re.compile(r"[0-9A-Za-z_-]{6,64}")
_ATTACH_BYTES = 128  # the smallest limit of any channel: WeChat Pay's


@dataclass(frozen=True, slots=True)
class Ask:
    """One payment to open, payable until `expires_at`, in CNY whatever the invoice was priced in.

    `out_trade_no` is unique for ever and the only handle on a callback's public URL; `attach`
    names the merchant, travels through the channel and must come back equal. H5 needs the payer's
    address, JSAPI his `openid`; H5, PAGE and WAP bring him back to `return_url`, which proves
    nothing. Raises ValueError on what no channel would take.
    """

    out_trade_no: str
    amount: Money
    description: str
    expires_at: datetime
    notify_url: str
    attach: str
    method: Method
    payer_ip: str = ""
    openid: str = ""
    return_url: str = ""

    def __post_init__(self) -> None:
        _check_order(self.out_trade_no, self.amount)
        if self.expires_at.tzinfo is None:
            raise ValueError("expires_at needs a time zone")
        if len(self.attach.encode()) > _ATTACH_BYTES:
            raise ValueError(f"attach is longer than {_ATTACH_BYTES} bytes")
        if self.method is Method.JSAPI and not self.openid:
            raise ValueError("a payment inside WeChat needs the payer's openid")
        if self.method is Method.H5:
            ipaddress.ip_address(self.payer_ip)
        if self.method in RETURNING and not self.return_url:
            raise ValueError(f"{self.method} needs to know where the payer comes back")


def _check_order(out_trade_no: str, amount: Money) -> None:
    if not _OUT_TRADE_NO.fullmatch(out_trade_no):
        raise ValueError(f"no channel takes the order number {out_trade_no!r}")
    if amount.currency is not Currency.CNY or amount.minor <= 0:
        raise ValueError(f"a channel collects more than 0.00 CNY, not {amount}")


@dataclass(frozen=True, slots=True)
class Opened:
    """Where the payer goes next.

    `payload` is the opaque text of a QR code (NATIVE, PRECREATE), the URL to send the payer to
    (H5, PAGE, WAP), or the prepay id that WeChat's browser is invoked with (JSAPI).
    """

    method: Method
    payload: str


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


@dataclass(frozen=True, slots=True)
class RefundAsk:
    """One refund, whole or a part, of an order whose payer paid `total`.

    `out_refund_no` is unique for ever: the same ask sent again never pays back twice. Raises
    ValueError on what no channel would take.
    """

    out_refund_no: str
    out_trade_no: str
    amount: Money
    total: Money
    reason: str
    notify_url: str

    def __post_init__(self) -> None:
        _check_order(self.out_trade_no, self.amount)
        if not _OUT_REFUND_NO.fullmatch(self.out_refund_no):
            raise ValueError(f"no channel takes the refund number {self.out_refund_no!r}")
        if self.total.currency is not Currency.CNY or self.total.minor < self.amount.minor:
            raise ValueError(f"{self.amount} can not be refunded out of {self.total}")


class RefundState(StrEnum):
    PROCESSING = "processing"  # accepted; the channel will tell, or be asked
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # definitely not paid back and never will be under this number
    ABNORMAL = "abnormal"  # the payer's account can not take it: somebody has to say where to
    NOT_FOUND = "not_found"  # the channel knows no refund of this number


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as the channel sees it; `raw_state` is the channel's own word.

    `amount` is what goes back of the order's total and is there whenever it went back. The id is
    WeChat Pay's: Alipay has none. `succeeded_at` is None where the channel does not say.
    """

    state: RefundState
    out_refund_no: str
    out_trade_no: str
    raw_state: str
    channel_refund_id: str | None = None
    amount: Money | None = None
    succeeded_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.state is RefundState.SUCCEEDED and self.amount is None:
            raise ValueError(f"{self.out_refund_no} succeeded without an amount")


class NoticeKind(StrEnum):
    PAYMENT = "payment"  # about the payment itself: paid, closed, or still waiting
    REFUND = "refund"  # about a refund of it: never to be booked as a payment


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified callback. A resent one has the same `notice_id`.

    `refund` is there with WeChat Pay's refund notices. Alipay's name no refund: whoever gets one
    asks about those that are under way.
    """

    notice_id: str
    trade: Trade
    kind: NoticeKind = NoticeKind.PAYMENT
    refund: Refund | None = None

    @property
    def out_trade_no(self) -> str:
        return self.trade.out_trade_no


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One line of a channel's daily statement; `amount` is above zero for refunds, too.

    `fee` is in yuan with all its decimals, positive where it costs us. `raw_state` is the
    channel's own word.
    """

    kind: Literal["payment", "refund"]
    out_trade_no: str
    channel_txn_id: str
    amount: Money
    fee: Decimal
    at: datetime
    raw_state: str
    out_refund_no: str | None = None
    channel_refund_id: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What a channel says happened on one day of China. `raw` is the file as it came.

    The rows add up to the totals the file itself names. An empty day has neither rows nor file.
    """

    channel: ChannelName
    day: date
    rows: tuple[StatementRow, ...]
    raw: bytes
    sha256: str


class Channel(Protocol):
    """One account at one channel. `now` is the real clock's: signatures are stamped with it."""

    @property
    def name(self) -> ChannelName: ...

    @property
    def methods(self) -> frozenset[Method]: ...

    def open(self, ask: Ask, *, now: datetime) -> Opened:
        """Open an order and say where the payer goes.

        Repeating the very same `ask` never opens a second order. Raises ChannelUnavailable, and
        ChannelRefused, which may be because it is paid or open already: query tells. Raises
        ValueError on a method that is not among `methods`.
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

    def refund(self, ask: RefundAsk, *, now: datetime) -> Refund:
        """Ask for a refund and say whether it is done or under way.

        The same `ask` never refunds twice. Raises ChannelUnavailable: the result is unknown, so
        query it, and repeat the same `ask` when it is NOT_FOUND. Raises ChannelRefused: definitely
        nothing was paid back.
        """
        ...

    def query_refund(self, ask: RefundAsk, *, now: datetime) -> Refund:
        """Ask what became of a refund. Raises ChannelUnavailable and ChannelRefused."""
        ...

    def fetch_statement(self, day: date, *, now: datetime) -> Statement:
        """Fetch the statement of a day of China; a day of no trade has an empty one.

        Raises StatementNotReady, BadStatement, ChannelUnavailable and ChannelRefused.
        """
        ...

    def read_notice(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Notice:
        """Verify a callback over its raw bytes and say what it says.

        Signature, freshness, known key and our own account are checked here; order, amount and
        `attach` are the caller's to compare. Raises BadNotice.
        """
        ...
