"""Alipay's gateway: a QR code on our page, or Alipay's own page on a desktop or a mobile."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from urllib.parse import quote, unquote

import httpx

from app.channels import alipay_bill, alipay_crypto, statements, wire
from app.channels.alipay_calls import TIME, AlipaySettings, Calls
from app.channels.base import (
    Ask,
    BadNotice,
    ChannelName,
    ChannelRefused,
    ChannelShort,
    ChannelUnavailable,
    Method,
    Notice,
    NoticeKind,
    Opened,
    Refund,
    RefundAsk,
    RefundState,
    Statement,
    StatementNotReady,
    Trade,
    TradeState,
)
from app.channels.breaker import Breaker
from app.channels.wire import Untrusted, expect, optional_text, text
from app.core.money import Currency, Money

__all__ = ["Alipay", "AlipaySettings"]

_SUBJECT_CHARACTERS = 256
_REASON_CHARACTERS = 256
# The first three are refused; a comma would move the columns of the bill.
_SUBJECT_FORBIDDEN = str.maketrans("/=&,", "    ")
_PAGES = {
    Method.PAGE: ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
    Method.WAP: ("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
}

# TRADE_CLOSED is both: never paid, or paid and then refunded in full. The time of payment tells.
_STATES = {
    "WAIT_BUYER_PAY": TradeState.PENDING,
    "TRADE_SUCCESS": TradeState.PAID,
    "TRADE_FINISHED": TradeState.PAID,
    "TRADE_CLOSED": TradeState.CLOSED,
}
_REFUNDED = "REFUND_SUCCESS"

_UNKNOWN_ORDER = "ACQ.TRADE_NOT_EXIST"
_OUR_FAULT = "isv."  # the gateway refuses a call of this form, whatever it is about
# Only these say that a refund was not made. After any other word of theirs it has to be queried,
# DISCORDANT_REPEAT_REQUEST above all: something else went back under our number.
_NOT_REFUNDED = frozenset(
    {
        "ACQ.ACCESS_FORBIDDEN",
        "ACQ.BUYER_ENABLE_STATUS_FORBID",
        "ACQ.BUYER_NOT_EXIST",
        "ACQ.INVALID_PARAMETER",
        "ACQ.NOT_ALLOW_PARTIAL_REFUND",
        "ACQ.REASON_TRADE_BEEN_FREEZEN",
        "ACQ.REASON_TRADE_REFUND_FEE_ERR",
        "ACQ.REASON_TRADE_STATUS_INVALID",
        "ACQ.REFUND_ACCOUNT_NOT_EXIST",
        "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
        "ACQ.REFUND_FEE_ERROR",
        "ACQ.TRADE_HAS_CLOSE",
        "ACQ.TRADE_HAS_FINISHED",
        "ACQ.TRADE_NOT_ALLOW_REFUND",
        "ACQ.TRADE_NOT_EXIST",
        "ACQ.TRADE_STATUS_ERROR",
    }
)
_SHORT = "ACQ.SELLER_BALANCE_NOT_ENOUGH"
_EMPTY_DAY, _NOT_THERE = "NO_BILL_DATA", "BILL_NOT_EXIST"
_YUAN = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")


class Alipay:
    """Alipay as a `Channel`, to be shared between threads. Raises ValueError on a bad key."""

    name: Final = ChannelName.ALIPAY
    methods: Final = frozenset({Method.PRECREATE, *_PAGES})

    def __init__(
        self,
        settings: AlipaySettings,
        *,
        client: httpx.Client | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self._settings = settings
        self._calls = Calls(settings, client=client, breaker=breaker)

    def open(self, ask: Ask, *, now: datetime) -> Opened:
        """Order a payment code, or sign the URL of Alipay's own page, which calls nobody.

        The code lives two hours. Either way no trade exists until the payer has come to it.
        """
        if ask.method not in self.methods:
            raise ValueError(f"Alipay has no {ask.method}")
        if ask.method is not Method.PRECREATE:
            return Opened(ask.method, self._page(ask, now=now))
        order = _order(ask, self._settings.product_code)
        fields = self._calls.call(
            "alipay.trade.precreate", order, now=now, notify_url=ask.notify_url
        )
        try:
            expect(fields, out_trade_no=ask.out_trade_no)
            return Opened(ask.method, text(fields, "qr_code"))
        except Untrusted as fault:
            raise ChannelUnavailable(f"alipay's order: {fault}") from fault

    def query(self, out_trade_no: str, *, now: datetime) -> Trade:
        """Ask for a trade. NOT_FOUND is what it is until the payer has come to it."""
        try:
            fields = self._calls.call("alipay.trade.query", {"out_trade_no": out_trade_no}, now=now)
            expect(fields, out_trade_no=out_trade_no)
            return _trade(fields, paid_at="send_pay_date")
        except ChannelRefused as refusal:
            if refusal.channel_code != _UNKNOWN_ORDER:
                raise
            return Trade(TradeState.NOT_FOUND, out_trade_no, refusal.channel_code)
        except Untrusted as fault:
            raise ChannelUnavailable(f"alipay's trade: {fault}") from fault

    def close(self, out_trade_no: str, *, now: datetime) -> None:
        """Close a scanned, unpaid trade. A code nobody scanned stays payable until it expires."""
        try:
            self._calls.call("alipay.trade.close", {"out_trade_no": out_trade_no}, now=now)
        except ChannelRefused as refusal:
            if refusal.channel_code != _UNKNOWN_ORDER:
                raise

    def refund(self, ask: RefundAsk, *, now: datetime) -> Refund:
        """Refund at once; without a change of funds it has to be queried, ten seconds later."""
        order = {
            "out_trade_no": ask.out_trade_no,
            "refund_amount": str(ask.amount.major),
            "out_request_no": ask.out_refund_no,
            **({"refund_reason": ask.reason[:_REASON_CHARACTERS]} if ask.reason else {}),
        }
        try:
            fields = self._calls.call("alipay.trade.refund", order, now=now)
            return _refund(fields, ask)
        except ChannelRefused as refusal:
            code = refusal.channel_code
            if code == _SHORT:
                raise ChannelShort(code, refusal.channel_message) from refusal
            if code in _NOT_REFUNDED or code.startswith(_OUR_FAULT):
                raise
            raise ChannelUnavailable(f"alipay's refund: {refusal}") from refusal
        except Untrusted as fault:
            raise ChannelUnavailable(f"alipay's refund: {fault}") from fault

    def query_refund(self, ask: RefundAsk, *, now: datetime) -> Refund:
        """Ask for a refund. No status at all means that there is none of this number."""
        question = {
            "out_trade_no": ask.out_trade_no,
            "out_request_no": ask.out_refund_no,
            "query_options": ["gmt_refund_pay"],
        }
        try:
            fields = self._calls.call("alipay.trade.fastpay.refund.query", question, now=now)
            return _found_refund(fields, ask)
        except ChannelRefused as refusal:
            if refusal.channel_code != _UNKNOWN_ORDER:
                raise
            return Refund(
                RefundState.NOT_FOUND, ask.out_refund_no, ask.out_trade_no, refusal.channel_code
            )
        except Untrusted as fault:
            raise ChannelUnavailable(f"alipay's refund: {fault}") from fault

    def fetch_statement(self, day: date, *, now: datetime) -> Statement:
        """Fetch the bill of a day's trades, which exists from ten o'clock on the next."""
        question = {"bill_type": "trade", "bill_date": day.isoformat()}
        try:
            fields = self._calls.call(
                "alipay.data.dataservice.bill.downloadurl.query", question, now=now
            )
            url = text(fields, "bill_download_url")
        except ChannelRefused as refusal:
            return self._without_file(refusal, day, now=now)
        except Untrusted as fault:
            raise ChannelUnavailable(f"alipay's statement: {fault}") from fault
        raw = self._calls.download(url)
        rows = alipay_bill.read_trades(
            alipay_bill.unpack(raw), day=day, seller_id=self._settings.seller_id
        )
        return statements.of(self.name, day, raw, rows=rows)

    def read_notice(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - Alipay signs and says nothing in headers
        body: bytes,
        *,
        now: datetime,
    ) -> Notice:
        """Read a notification of a trade, or of a refund of it.

        A resent one keeps its time, so it can not be stale: `notice_id` guards against replay.
        """
        try:
            fields = alipay_crypto.read_form(body)
            self._calls.verify_notice(fields, now=now)
            expect(
                fields,
                app_id=self._settings.app_id,
                seller_id=self._settings.seller_id,
                notify_type="trade_status_sync",
            )
            kind = NoticeKind.REFUND if "gmt_refund" in fields else NoticeKind.PAYMENT
            return Notice(text(fields, "notify_id"), _trade(fields, paid_at="gmt_payment"), kind)
        except Untrusted as fault:
            raise BadNotice(f"alipay: {fault}") from fault

    def _without_file(self, refusal: ChannelRefused, day: date, *, now: datetime) -> Statement:
        """Tell a day of no trade from one whose file is not written: one word stands for both."""
        word = refusal.channel_code.upper()
        if _NOT_THERE not in word and _EMPTY_DAY not in word:
            raise refusal
        if _EMPTY_DAY in word or statements.is_written(day, now=now):
            return statements.empty(self.name, day)
        raise StatementNotReady(f"alipay has no statement of {day} yet") from refusal

    def _page(self, ask: Ask, *, now: datetime) -> str:
        method, product_code = _PAGES[ask.method]
        order = _order(ask, product_code)
        if ask.method is Method.WAP:
            order["quit_url"] = ask.return_url
        return self._calls.address(
            method, order, now=now, notify_url=ask.notify_url, return_url=ask.return_url
        )


def _order(ask: Ask, product_code: str) -> dict[str, object]:
    return {
        "out_trade_no": ask.out_trade_no,
        "total_amount": str(ask.amount.major),
        "subject": ask.description.translate(_SUBJECT_FORBIDDEN)[:_SUBJECT_CHARACTERS],
        "product_code": product_code,
        "time_expire": ask.expires_at.astimezone(wire.CHINA).strftime(TIME),
        "passback_params": quote(ask.attach, safe=""),
    }


def _trade(fields: Mapping[str, object], *, paid_at: str) -> Trade:
    """Read a trade; `paid_at` names the field with the time of payment. Raises Untrusted."""
    raw_state, out_trade_no = text(fields, "trade_status"), text(fields, "out_trade_no")
    if raw_state not in _STATES:
        raise Untrusted(f"trade_status {raw_state} is none we know")
    passback = optional_text(fields, "passback_params")
    attach = None if passback is None else unquote(passback)
    moment = _moment(fields, paid_at)
    was_refunded = raw_state == "TRADE_CLOSED" and moment is not None
    if _STATES[raw_state] is not TradeState.PAID and not was_refunded:
        return Trade(_STATES[raw_state], out_trade_no, raw_state, attach=attach)
    return Trade(
        TradeState.PAID,
        out_trade_no,
        raw_state,
        channel_txn_id=text(fields, "trade_no"),
        paid=_yuan(fields, "total_amount"),
        paid_at=moment,
        attach=attach,
    )


def _refund(fields: Mapping[str, object], ask: RefundAsk) -> Refund:
    """Read the answer to a refund, whose `refund_fee` is all that went back so far."""
    expect(fields, out_trade_no=ask.out_trade_no)
    raw_state = f"fund_change={text(fields, 'fund_change')}"
    if raw_state != "fund_change=Y":
        return Refund(RefundState.PROCESSING, ask.out_refund_no, ask.out_trade_no, raw_state)
    if _yuan(fields, "refund_fee").minor < ask.amount.minor:
        raise Untrusted("less went back than was asked for")
    return Refund(
        RefundState.SUCCEEDED,
        ask.out_refund_no,
        ask.out_trade_no,
        raw_state,
        amount=ask.amount,
        succeeded_at=_moment(fields, "gmt_refund_pay"),
    )


def _found_refund(fields: Mapping[str, object], ask: RefundAsk) -> Refund:
    """Read the answer to the query of a refund, which has to be the one asked about."""
    status = optional_text(fields, "refund_status")
    if status is None:
        return Refund(RefundState.NOT_FOUND, ask.out_refund_no, ask.out_trade_no, "")
    expect(
        fields,
        refund_status=_REFUNDED,
        out_trade_no=ask.out_trade_no,
        out_request_no=ask.out_refund_no,
    )
    if _yuan(fields, "refund_amount") != ask.amount:
        raise Untrusted(f"another amount than {ask.amount} went back")
    return Refund(
        RefundState.SUCCEEDED,
        ask.out_refund_no,
        ask.out_trade_no,
        status,
        amount=ask.amount,
        succeeded_at=_moment(fields, "gmt_refund_pay"),
    )


def _yuan(fields: Mapping[str, object], name: str) -> Money:
    """Read yuan with at most two decimals, exactly."""
    written = text(fields, name)
    if not _YUAN.fullmatch(written):
        raise Untrusted(f"{name} is not yuan with two decimals")
    return Money(int(Decimal(written).scaleb(2)), Currency.CNY)


def _moment(fields: Mapping[str, object], name: str) -> datetime | None:
    written = optional_text(fields, name)
    if written is None:
        return None
    try:
        return datetime.strptime(written, TIME).replace(tzinfo=wire.CHINA)
    except ValueError as fault:
        raise Untrusted(f"{name} is not a time") from fault
