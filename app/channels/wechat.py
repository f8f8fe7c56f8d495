"""WeChat Pay API v3: a QR code on our page, inside WeChat's own browser, or from any other one."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Final
from urllib.parse import quote

import httpx

from app.channels import (
    signing,
    statements,
    wechat_bill,
    wechat_calls,
    wechat_crypto,
    wechat_file,
    wechat_funds,
    wechat_keys,
    wechat_reading,
    wire,
)
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
from app.channels.wechat_calls import Calls, WechatSettings, spelled
from app.channels.wechat_funds import Movement
from app.channels.wire import Untrusted, expect, json_object, member, text

__all__ = ["Wechat", "WechatSettings"]

_ORDERS = "/v3/pay/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"
_DESCRIPTION_BYTES = 127
_REASON_BYTES = 80

_HANDED_OUT = {Method.NATIVE: "code_url", Method.JSAPI: "prepay_id", Method.H5: "h5_url"}
_REFUND_EVENTS = frozenset({"REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"})

# Error codes without underscores: the documents spell them either way.
_UNKNOWN_ORDER = frozenset({"ORDERNOTEXIST", "RESOURCENOTEXISTS"})
# Only these say that a refund was not made. After any other word of theirs it has to be queried.
_NOT_REFUNDED = _UNKNOWN_ORDER | {
    "APPIDMCHIDNOTMATCH",
    "INVALIDREQUEST",
    "MCHNOTEXISTS",
    "NOAUTH",
    "PARAMERROR",
    "RULELIMIT",
    "SIGNERROR",
    "TRADEERROR",
    "USERACCOUNTABNORMAL",
}
_SHORT = "NOTENOUGH"
_EMPTY_DAY = "NOSTATEMENTEXIST"
_STATEMENT_NOT_READY = "STATEMENTCREATING"


class Wechat:
    """WeChat Pay as a `Channel`, to be shared between threads. Raises ValueError on a bad key."""

    name: Final = ChannelName.WECHAT
    methods: Final = frozenset(_HANDED_OUT)

    def __init__(
        self,
        settings: WechatSettings,
        *,
        client: httpx.Client | None = None,
        breaker: Breaker | None = None,
        nonce: Callable[[], str] = wechat_calls.new_nonce,
    ) -> None:
        self._settings = settings
        self._calls = Calls(settings, client=client, breaker=breaker, nonce=nonce)

    def open(self, ask: Ask, *, now: datetime) -> Opened:
        """Order a payment. Codes and prepay ids live two hours, H5's URL five minutes.

        After that the same `ask` gets a new one.
        """
        if ask.method not in _HANDED_OUT:
            raise ValueError(f"WeChat Pay has no {ask.method}")
        order = {
            "appid": self._settings.appid,
            "mchid": self._settings.mchid,
            "description": _clipped(ask.description, _DESCRIPTION_BYTES),
            "out_trade_no": ask.out_trade_no,
            "time_expire": ask.expires_at.astimezone(wire.CHINA).isoformat(timespec="seconds"),
            "attach": ask.attach,
            "notify_url": ask.notify_url,
            "amount": {"total": ask.amount.minor, "currency": ask.amount.currency},
            **_about_the_payer(ask),
        }
        answer = self._calls.call("POST", f"{_ORDERS}/{ask.method}", order, now=now)
        try:
            payload = text(json_object(answer), _HANDED_OUT[ask.method])
        except Untrusted as fault:
            raise ChannelUnavailable(f"wechat's order: {fault}") from fault
        if ask.method is Method.H5:
            payload += f"&redirect_url={quote(ask.return_url, safe='')}"
        return Opened(ask.method, payload)

    def invocation(self, prepay_id: str, *, now: datetime) -> dict[str, str]:
        """Return what a page inside WeChat hands to `getBrandWCPayRequest`, signed afresh."""
        timestamp, nonce = str(int(now.timestamp())), self._calls.nonce()
        package = f"prepay_id={prepay_id}"
        signed = wechat_crypto.signed_text(self._settings.appid, timestamp, nonce, package)
        return {
            "appId": self._settings.appid,
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": signing.sign(self._calls.private_key, signed),
        }

    def query(self, out_trade_no: str, *, now: datetime) -> Trade:
        """Ask for an order. NOT_FOUND is an answer, not a refusal."""
        path = f"{_order_path(out_trade_no)}?mchid={quote(self._settings.mchid, safe='')}"
        try:
            fields = json_object(self._calls.call("GET", path, now=now))
            expect(fields, out_trade_no=out_trade_no)
            return self._trade(fields)
        except ChannelRefused as refusal:
            if spelled(refusal.channel_code) not in _UNKNOWN_ORDER:
                raise
            return Trade(TradeState.NOT_FOUND, out_trade_no, refusal.channel_code)
        except Untrusted as fault:
            raise ChannelUnavailable(f"wechat's trade: {fault}") from fault

    def close(self, out_trade_no: str, *, now: datetime) -> None:
        """Close an unpaid order; repeating it is fine."""
        path = f"{_order_path(out_trade_no)}/close"
        try:
            self._calls.call("POST", path, {"mchid": self._settings.mchid}, now=now)
        except ChannelRefused as refusal:
            if spelled(refusal.channel_code) not in _UNKNOWN_ORDER | {"ORDERCLOSED"}:
                raise

    def refund(self, ask: RefundAsk, *, now: datetime) -> Refund:
        """Ask for a refund; what is answered is mostly that it is under way."""
        order = {
            "out_trade_no": ask.out_trade_no,
            "out_refund_no": ask.out_refund_no,
            **({"reason": _clipped(ask.reason, _REASON_BYTES)} if ask.reason else {}),
            "notify_url": ask.notify_url,
            "amount": {
                "refund": ask.amount.minor,
                "total": ask.total.minor,
                "currency": ask.total.currency,
            },
        }
        try:
            return _refund(self._calls.call("POST", _REFUNDS, order, now=now), ask)
        except ChannelRefused as refusal:
            code = spelled(refusal.channel_code)
            if code == _SHORT:
                raise ChannelShort(refusal.channel_code, refusal.channel_message) from refusal
            if code in _NOT_REFUNDED:
                raise
            raise ChannelUnavailable(f"wechat's refund: {refusal}") from refusal

    def query_refund(self, ask: RefundAsk, *, now: datetime) -> Refund:
        """Ask for a refund. NOT_FOUND is an answer, not a refusal."""
        path = f"{_REFUNDS}/{quote(ask.out_refund_no, safe='')}"
        try:
            return _refund(self._calls.call("GET", path, now=now), ask)
        except ChannelRefused as refusal:
            if spelled(refusal.channel_code) not in _UNKNOWN_ORDER:
                raise
            return Refund(
                RefundState.NOT_FOUND, ask.out_refund_no, ask.out_trade_no, refusal.channel_code
            )

    def fetch_statement(self, day: date, *, now: datetime) -> Statement:
        """Fetch the bill of a day's trades, which exists from ten o'clock on the next."""
        raw = self._fetch_file(f"tradebill?bill_date={day}&bill_type=ALL&tar_type=GZIP", now=now)
        if raw is None:
            return statements.empty(self.name, day)
        rows = wechat_bill.read_trades(raw, day=day, mchid=self._settings.mchid)
        return statements.of(self.name, day, raw, rows=rows)

    def fetch_movements(self, day: date, *, now: datetime) -> tuple[Movement, ...]:
        """Fetch what moved our balance on a day, as payouts and corrections do, too.

        Raises StatementNotReady, BadStatement, ChannelUnavailable and ChannelRefused.
        """
        path = f"fundflowbill?bill_date={day}&account_type=BASIC&tar_type=GZIP"
        raw = self._fetch_file(path, now=now)
        return () if raw is None else wechat_funds.read_movements(raw, day=day)

    def _fetch_file(self, path: str, *, now: datetime) -> bytes | None:
        """Return a bill that the channel keeps for us; None on a day of which there is none."""
        try:
            found = json_object(self._calls.call("GET", f"/v3/bill/{path}", now=now))
            expect(found, hash_type="SHA1")
            url, sha1 = text(found, "download_url"), text(found, "hash_value")
        except ChannelRefused as refusal:
            if spelled(refusal.channel_code) == _STATEMENT_NOT_READY:
                raise StatementNotReady(str(refusal)) from refusal
            if spelled(refusal.channel_code) != _EMPTY_DAY:
                raise
            return None
        except Untrusted as fault:
            raise ChannelUnavailable(f"wechat's statement: {fault}") from fault
        return wechat_file.unpack(self._calls.download(url, now=now), sha1=sha1)

    def fetch_certificates(self, *, now: datetime) -> bytes:
        """Fetch the list of platform certificates and trust it, and nothing learned before.

        Returns it as it came, still encrypted, for `learn_certificates` of other processes.
        Raises ChannelUnavailable, and ChannelRefused where the account has none.
        """
        return self._calls.fetch_certificates(now=now)

    def learn_certificates(self, listed: bytes) -> None:
        """Trust a list that was fetched elsewhere: it decrypts with our key only.

        Raises ValueError when it does not, as after a change of the APIv3 key.
        """
        try:
            found = wechat_keys.read_certificates(self._calls.api_v3_key, listed)
        except Untrusted as fault:
            raise ValueError(f"wechat's certificates: {fault}") from fault
        self._calls.platform_keys.learn(found)

    def read_notice(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Notice:
        """Read a payment or a refund callback: verify the envelope, then open it."""
        try:
            self._calls.verify(headers, body, now=now)
            envelope = json_object(body)
            expect(envelope, resource_type="encrypt-resource")
            resource = member(envelope, "resource")
            fields = json_object(wechat_crypto.decrypt(self._calls.api_v3_key, resource))
            notice_id, event = text(envelope, "id"), text(envelope, "event_type")
            if event == "TRANSACTION.SUCCESS":
                return Notice(notice_id, self._trade(fields))
            if event in _REFUND_EVENTS:
                trade = wechat_reading.refunded_trade(fields, mchid=self._settings.mchid)
                refund = wechat_reading.refund(fields, state="refund_status")
                return Notice(notice_id, trade, NoticeKind.REFUND, refund)
        except Untrusted as fault:
            raise BadNotice(f"wechat: {fault}") from fault
        raise BadNotice(f"wechat: {event} is no event we asked for")

    def _trade(self, fields: Mapping[str, object]) -> Trade:
        return wechat_reading.trade(fields, mchid=self._settings.mchid, appid=self._settings.appid)


def _about_the_payer(ask: Ask) -> dict[str, object]:
    if ask.method is Method.JSAPI:
        return {"payer": {"openid": ask.openid}}
    if ask.method is Method.H5:
        return {"scene_info": {"payer_client_ip": ask.payer_ip, "h5_info": {"type": "Wap"}}}
    return {}


def _refund(answer: bytes, ask: RefundAsk) -> Refund:
    """Read a refund that has to be the one asked about. Raises ChannelUnavailable."""
    try:
        fields = json_object(answer)
        expect(fields, out_refund_no=ask.out_refund_no, out_trade_no=ask.out_trade_no)
        refund = wechat_reading.refund(fields, state="status")
    except Untrusted as fault:
        raise ChannelUnavailable(f"wechat's refund: {fault}") from fault
    if refund.amount != ask.amount:
        raise ChannelUnavailable(f"wechat's refund is {refund.amount}, not {ask.amount}")
    return refund


def _order_path(out_trade_no: str) -> str:
    return f"{_ORDERS}/out-trade-no/{quote(out_trade_no, safe='')}"


def _clipped(written: str, most_bytes: int) -> str:
    """Cut by bytes: whether the channel counts characters or bytes is not written anywhere."""
    return written.encode()[:most_bytes].decode(errors="ignore")
