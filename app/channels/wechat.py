"""WeChat Pay API v3, Native: a QR code on our page, scanned with WeChat."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

import httpx

from app.channels import signing, wechat_crypto, wire
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
from app.channels.wire import (
    Answer,
    Untrusted,
    expect,
    json_object,
    member,
    optional_text,
    text,
)
from app.core.money import Currency, Money

_ORDERS = "/v3/pay/transactions"
_DESCRIPTION_BYTES = 127

_STATES = {
    "NOTPAY": TradeState.PENDING,
    "SUCCESS": TradeState.PAID,
    "REFUND": TradeState.PAID,  # any refund, even a partial one, of what was paid
    "CLOSED": TradeState.CLOSED,
}
_REFUND_EVENTS = {"REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"}

# Error codes without underscores: the documents spell them either way.
_UNKNOWN_ORDER = {"ORDERNOTEXIST", "RESOURCENOTEXISTS"}
_UNKNOWN_RESULT = {"SYSTEMERROR", "FREQUENCYLIMITED"}


@dataclass(frozen=True)
class WechatSettings:
    """One merchant account, its keys in PEM.

    `platform_public_key_*` is what WeChat Pay signs with: its public key and the id of it, or a
    platform certificate and its serial. While it changes from one to the other both arrive for
    about a week: `platform_keys` holds the further ones by their serial.
    """

    base_url: str
    mchid: str
    appid: str
    merchant_serial: str
    merchant_private_key_pem: str = field(repr=False)
    api_v3_key: str = field(repr=False)
    platform_public_key_id: str
    platform_public_key_pem: str = field(repr=False)
    platform_keys: Mapping[str, str] = field(default_factory=dict, repr=False)


class Wechat:
    """WeChat Pay as a `Channel`, to be shared between threads. Raises ValueError on a bad key."""

    name: Final = ChannelName.WECHAT
    method: Final = Method.NATIVE

    def __init__(
        self,
        settings: WechatSettings,
        *,
        client: httpx.Client | None = None,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16).upper(),
    ) -> None:
        self._settings = settings
        self._client = client or wire.new_client()
        self._nonce = nonce
        self._private_key = signing.load_private_key(settings.merchant_private_key_pem)
        self._api_v3_key = wechat_crypto.load_api_v3_key(settings.api_v3_key)
        pems = {
            **settings.platform_keys,
            settings.platform_public_key_id: settings.platform_public_key_pem,
        }
        self._platform_keys = {serial: signing.load_public_key(pem) for serial, pem in pems.items()}

    def open(self, ask: Ask, *, now: datetime) -> Opened:
        """Order a Native payment. The code lives two hours, then the same `ask` gets a new one."""
        order = {
            "appid": self._settings.appid,
            "mchid": self._settings.mchid,
            "description": _clipped(ask.description),
            "out_trade_no": ask.out_trade_no,
            "time_expire": ask.expires_at.astimezone(wire.CHINA).isoformat(timespec="seconds"),
            "attach": ask.attach,
            "notify_url": ask.notify_url,
            "amount": {"total": ask.amount.minor, "currency": ask.amount.currency},
        }
        answer = self._call("POST", f"{_ORDERS}/native", order, now=now)
        try:
            return Opened(self.method, text(json_object(answer), "code_url"))
        except Untrusted as fault:
            raise ChannelUnavailable(f"wechat's order: {fault}") from fault

    def query(self, out_trade_no: str, *, now: datetime) -> Trade:
        """Ask for an order. NOT_FOUND is an answer, not a refusal."""
        path = f"{_order_path(out_trade_no)}?mchid={quote(self._settings.mchid, safe='')}"
        try:
            fields = json_object(self._call("GET", path, now=now))
            expect(fields, out_trade_no=out_trade_no)
            return self._trade(fields)
        except ChannelRefused as refusal:
            if _spelled(refusal.channel_code) not in _UNKNOWN_ORDER:
                raise
            return Trade(TradeState.NOT_FOUND, out_trade_no, refusal.channel_code)
        except Untrusted as fault:
            raise ChannelUnavailable(f"wechat's trade: {fault}") from fault

    def close(self, out_trade_no: str, *, now: datetime) -> None:
        """Close an unpaid order; repeating it is fine."""
        path = f"{_order_path(out_trade_no)}/close"
        try:
            self._call("POST", path, {"mchid": self._settings.mchid}, now=now)
        except ChannelRefused as refusal:
            if _spelled(refusal.channel_code) not in _UNKNOWN_ORDER | {"ORDERCLOSED"}:
                raise

    def read_notice(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Notice:
        """Read a payment or a refund callback: verify the envelope, then open it."""
        try:
            wechat_crypto.verify(self._platform_keys, headers, body, now=now)
            envelope = json_object(body)
            expect(envelope, resource_type="encrypt-resource")
            resource = member(envelope, "resource")
            fields = json_object(wechat_crypto.decrypt(self._api_v3_key, resource))
            notice_id, event = text(envelope, "id"), text(envelope, "event_type")
            if event == "TRANSACTION.SUCCESS":
                return Notice(notice_id, self._trade(fields))
            if event in _REFUND_EVENTS:
                return Notice(notice_id, self._refunded_trade(fields), NoticeKind.REFUND)
        except Untrusted as fault:
            raise BadNotice(f"wechat: {fault}") from fault
        raise BadNotice(f"wechat: {event} is no event we asked for")

    def _call(
        self, method: str, path: str, fields: Mapping[str, object] | None = None, *, now: datetime
    ) -> bytes:
        """Send a signed request and return the verified body of its answer."""
        body = b"" if fields is None else _compact(fields)
        url = httpx.URL(self._settings.base_url.rstrip("/") + path)
        timestamp, nonce = str(int(now.timestamp())), self._nonce()
        signed = wechat_crypto.signed_text(method, url.raw_path, timestamp, nonce, body)
        headers = {
            **wire.HEADERS,
            "Wechatpay-Serial": self._settings.platform_public_key_id,
            "Authorization": wechat_crypto.authorization(
                self._private_key,
                signed,
                mchid=self._settings.mchid,
                serial=self._settings.merchant_serial,
                nonce=nonce,
                timestamp=timestamp,
            ),
        }
        if body:
            headers["Content-Type"] = "application/json"
        request = self._client.build_request(method, url, headers=headers, content=body or None)
        answer = wire.send(self._client, request)
        if answer.status not in {httpx.codes.OK, httpx.codes.NO_CONTENT}:
            raise _refusal(answer)  # errors are never signed
        try:
            wechat_crypto.verify(self._platform_keys, answer.headers, answer.body, now=now)
        except Untrusted as fault:
            raise ChannelUnavailable(f"wechat's answer: {fault}") from fault
        return answer.body

    def _trade(self, fields: Mapping[str, object]) -> Trade:
        """Read a transaction of ours: the answer to a query, or what a payment callback holds."""
        expect(fields, mchid=self._settings.mchid, appid=self._settings.appid)
        raw_state, out_trade_no = text(fields, "trade_state"), text(fields, "out_trade_no")
        if raw_state not in _STATES:
            raise Untrusted(f"trade_state {raw_state} is none of a Native order")
        attach = optional_text(fields, "attach")
        if _STATES[raw_state] is not TradeState.PAID:
            return Trade(_STATES[raw_state], out_trade_no, raw_state, attach=attach)
        return Trade(
            TradeState.PAID,
            out_trade_no,
            raw_state,
            channel_txn_id=text(fields, "transaction_id"),
            paid=_total(fields),
            paid_at=_success_time(fields),
            attach=attach,
        )

    def _refunded_trade(self, fields: Mapping[str, object]) -> Trade:
        """Read the payment behind a refund callback, which knows neither appid nor attach."""
        expect(fields, mchid=self._settings.mchid)
        return Trade(
            TradeState.PAID,
            text(fields, "out_trade_no"),
            text(fields, "refund_status"),
            channel_txn_id=text(fields, "transaction_id"),
            paid=_total(fields),
        )


def _total(fields: Mapping[str, object]) -> Money:
    """Read the order's total in fen; a refund callback leaves the currency out, it is CNY."""
    amount = member(fields, "amount")
    total = amount.get("total")
    if type(total) is not int or total <= 0:  # a bool is an int too
        raise Untrusted("amount.total is not a number of fen")
    currency = optional_text(amount, "currency") or Currency.CNY
    if currency not in Currency.__members__:
        raise Untrusted(f"amount.currency {currency} is none we know")
    return Money(total, Currency(currency))


def _success_time(fields: Mapping[str, object]) -> datetime | None:
    written = optional_text(fields, "success_time")
    if written is None:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as fault:
        raise Untrusted("success_time is not a time") from fault
    if moment.tzinfo is None:
        raise Untrusted("success_time has no offset")
    return moment


def _refusal(answer: Answer) -> ChannelRefused | ChannelUnavailable:
    """Say what a status other than success means. Without the channel's own code: nothing."""
    try:
        fields = json_object(answer.body)
        code, message = text(fields, "code"), optional_text(fields, "message") or ""
    except Untrusted:
        return ChannelUnavailable(f"wechat answered {answer.status} in words not its own")
    if not httpx.codes.is_client_error(answer.status) or _spelled(code) in _UNKNOWN_RESULT:
        return ChannelUnavailable(f"wechat answered {answer.status} {code}")
    return ChannelRefused(code, message)


def _order_path(out_trade_no: str) -> str:
    return f"{_ORDERS}/out-trade-no/{quote(out_trade_no, safe='')}"


def _spelled(code: str) -> str:
    return code.replace("_", "").upper()


def _compact(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _clipped(description: str) -> str:
    """Cut by bytes: whether the channel counts characters or bytes is not written anywhere."""
    return description.encode()[:_DESCRIPTION_BYTES].decode(errors="ignore")
