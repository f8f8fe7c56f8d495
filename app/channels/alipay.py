"""Alipay's gateway, precreate: a QR code on our page, scanned with Alipay."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final
from urllib.parse import quote, unquote, urlencode

import httpx

from app.channels import alipay_crypto, signing, wire
from app.channels.base import (
    Ask,
    BadNotice,
    ChannelName,
    ChannelRefused,
    ChannelUnavailable,
    Method,
    Notice,
    NoticeKind,
    Opened,
    Trade,
    TradeState,
)
from app.channels.wire import Answer, Untrusted, expect, json_object, optional_text, text
from app.core.money import Currency, Money

_TIME = "%Y-%m-%d %H:%M:%S"
_SUBJECT_CHARACTERS = 256
_SUBJECT_FORBIDDEN = str.maketrans("/=&", "   ")

# TRADE_CLOSED is both: never paid, or paid and then refunded in full. The time of payment tells.
_STATES = {
    "WAIT_BUYER_PAY": TradeState.PENDING,
    "TRADE_SUCCESS": TradeState.PAID,
    "TRADE_FINISHED": TradeState.PAID,
    "TRADE_CLOSED": TradeState.CLOSED,
}

_DONE = "10000"
_BUSINESS_REFUSED = "40004"
# The gateway itself says no, before it knows for whom to sign: these answers come unsigned.
_GATEWAY_REFUSED = {"20001", "40001", "40002", "40006"}
_UNKNOWN_ORDER = "ACQ.TRADE_NOT_EXIST"
_YUAN = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")


@dataclass(frozen=True)
class AlipaySettings:
    """One merchant's application, its keys in PEM.

    `alipay_public_key_pem` is Alipay's, not the one we uploaded. `product_code` depends on the
    merchant's contract: the order code, or face to face.
    """

    gateway_url: str
    app_id: str
    seller_id: str
    app_private_key_pem: str = field(repr=False)
    alipay_public_key_pem: str = field(repr=False)
    product_code: str = "QR_CODE_OFFLINE"


class Alipay:
    """Alipay as a `Channel`, to be shared between threads. Raises ValueError on a bad key."""

    name: Final = ChannelName.ALIPAY
    method: Final = Method.PRECREATE

    def __init__(self, settings: AlipaySettings, *, client: httpx.Client | None = None) -> None:
        self._settings = settings
        self._client = client or wire.new_client()
        self._private_key = signing.load_private_key(settings.app_private_key_pem)
        self._public_key = signing.load_public_key(settings.alipay_public_key_pem)

    def open(self, ask: Ask, *, now: datetime) -> Opened:
        """Order a payment code. It lives two hours, and no trade exists until it is scanned."""
        order = {
            "out_trade_no": ask.out_trade_no,
            "total_amount": str(ask.amount.major),
            "subject": ask.description.translate(_SUBJECT_FORBIDDEN)[:_SUBJECT_CHARACTERS],
            "product_code": self._settings.product_code,
            "time_expire": ask.expires_at.astimezone(wire.CHINA).strftime(_TIME),
            "passback_params": quote(ask.attach, safe=""),
        }
        fields = self._call("alipay.trade.precreate", order, notify_url=ask.notify_url, now=now)
        try:
            expect(fields, out_trade_no=ask.out_trade_no)
            return Opened(self.method, text(fields, "qr_code"))
        except Untrusted as fault:
            raise ChannelUnavailable(f"alipay's order: {fault}") from fault

    def query(self, out_trade_no: str, *, now: datetime) -> Trade:
        """Ask for a trade. NOT_FOUND is what it is until somebody scans the code."""
        try:
            fields = self._call("alipay.trade.query", {"out_trade_no": out_trade_no}, now=now)
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
            self._call("alipay.trade.close", {"out_trade_no": out_trade_no}, now=now)
        except ChannelRefused as refusal:
            if refusal.channel_code != _UNKNOWN_ORDER:
                raise

    def read_notice(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - Alipay signs and says nothing in headers
        body: bytes,
        *,
        now: datetime,  # noqa: ARG002 - a resent notice keeps its time: `notify_id` guards replay
    ) -> Notice:
        """Read a notification of a trade, or of a refund of it."""
        try:
            fields = alipay_crypto.read_form(body)
            alipay_crypto.verify_notice(self._public_key, fields)
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

    def _call(
        self, method: str, content: Mapping[str, str], *, now: datetime, notify_url: str = ""
    ) -> dict[str, object]:
        """Send a signed call and return what its verified answer says."""
        common = {
            "app_id": self._settings.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": alipay_crypto.SIGN_TYPE,
            "timestamp": now.astimezone(wire.CHINA).strftime(_TIME),
            "version": "1.0",
            **({"notify_url": notify_url} if notify_url else {}),
        }
        body = {"biz_content": json.dumps(content, ensure_ascii=False, separators=(",", ":"))}
        common["sign"] = alipay_crypto.sign_request(self._private_key, {**common, **body})
        request = self._client.build_request(
            "POST",
            f"{self._settings.gateway_url}?{urlencode(common)}",
            headers={
                **wire.HEADERS,
                "Content-Type": "application/x-www-form-urlencoded;charset=utf-8",
            },
            content=urlencode(body),
        )
        answer = wire.send(self._client, request)
        try:
            fields = self._verified(answer, method.replace(".", "_") + "_response")
        except Untrusted as fault:
            raise ChannelUnavailable(f"alipay's answer: {fault}") from fault
        return _unless_refused(fields)

    def _verified(self, answer: Answer, name: str) -> dict[str, object]:
        """Cut out what was signed, verify that text and read that text. Raises Untrusted."""
        if answer.status != httpx.codes.OK:
            raise Untrusted(f"status {answer.status}")
        try:
            members = alipay_crypto.raw_members(answer.body.decode())
        except UnicodeDecodeError as fault:
            raise Untrusted("not UTF-8") from fault
        raw = members.get(name) or members.get("error_response")
        if raw is None:
            raise Untrusted(f"{name} is missing")
        fields = json_object(raw)
        if "sign" in members:
            signing.verify(self._public_key, raw.encode(), text(json_object(answer.body), "sign"))
        elif fields.get("code") not in _GATEWAY_REFUSED:
            raise Untrusted("it is not signed")
        return fields


def _unless_refused(fields: dict[str, object]) -> dict[str, object]:
    """Return the fields of a call that was done. Raises ChannelRefused, ChannelUnavailable."""
    try:
        code = text(fields, "code")
        sub_code = optional_text(fields, "sub_code") or code
        message = optional_text(fields, "sub_msg") or optional_text(fields, "msg") or ""
    except Untrusted as fault:
        raise ChannelUnavailable(f"alipay's answer: {fault}") from fault
    if code == _DONE:
        return fields
    if code in _GATEWAY_REFUSED | {_BUSINESS_REFUSED} and "SYSTEM_ERROR" not in sub_code:
        raise ChannelRefused(sub_code, message)
    raise ChannelUnavailable(f"alipay answered {code} {sub_code}")


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
        paid=_yuan(text(fields, "total_amount")),
        paid_at=moment,
        attach=attach,
    )


def _yuan(written: str) -> Money:
    """Read yuan with at most two decimals, exactly."""
    if not _YUAN.fullmatch(written):
        raise Untrusted("total_amount is not yuan with two decimals")
    return Money(int(Decimal(written).scaleb(2)), Currency.CNY)


def _moment(fields: Mapping[str, object], name: str) -> datetime | None:
    written = optional_text(fields, name)
    if written is None:
        return None
    try:
        return datetime.strptime(written, _TIME).replace(tzinfo=wire.CHINA)
    except ValueError as fault:
        raise Untrusted(f"{name} is not a time") from fault
