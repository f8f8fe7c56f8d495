"""What WeChat Pay's verified JSON says of a trade or a refund. All of it raises Untrusted."""

from collections.abc import Mapping
from datetime import datetime

from app.channels.base import Refund, RefundState, Trade, TradeState
from app.channels.wire import Untrusted, expect, member, optional_text, text
from app.core.money import Currency, Money

_TRADE_STATES = {
    "NOTPAY": TradeState.PENDING,
    "SUCCESS": TradeState.PAID,
    "REFUND": TradeState.PAID,  # any refund, even a partial one, of what was paid
    "CLOSED": TradeState.CLOSED,
}
_REFUND_STATES = {
    "PROCESSING": RefundState.PROCESSING,
    "SUCCESS": RefundState.SUCCEEDED,
    "CLOSED": RefundState.FAILED,
    "ABNORMAL": RefundState.ABNORMAL,
}


def trade(fields: Mapping[str, object], *, mchid: str, appid: str) -> Trade:
    """Read a transaction of ours: the answer to a query, or what a payment callback holds."""
    expect(fields, mchid=mchid, appid=appid)
    raw_state, out_trade_no = text(fields, "trade_state"), text(fields, "out_trade_no")
    if raw_state not in _TRADE_STATES:
        raise Untrusted(f"trade_state {raw_state} is none of our orders")
    attach = optional_text(fields, "attach")
    if _TRADE_STATES[raw_state] is not TradeState.PAID:
        return Trade(_TRADE_STATES[raw_state], out_trade_no, raw_state, attach=attach)
    return Trade(
        TradeState.PAID,
        out_trade_no,
        raw_state,
        channel_txn_id=text(fields, "transaction_id"),
        paid=_fen(fields, "total"),
        paid_at=_success_time(fields),
        attach=attach,
    )


def refunded_trade(fields: Mapping[str, object], *, mchid: str) -> Trade:
    """Read the payment behind a refund callback, which knows neither appid nor attach."""
    expect(fields, mchid=mchid)
    return Trade(
        TradeState.PAID,
        text(fields, "out_trade_no"),
        text(fields, "refund_status"),
        channel_txn_id=text(fields, "transaction_id"),
        paid=_fen(fields, "total"),
    )


def refund(fields: Mapping[str, object], *, state: str) -> Refund:
    """Read a refund; `state` names the field: answers and callbacks call it differently."""
    raw_state = text(fields, state)
    if raw_state not in _REFUND_STATES:
        raise Untrusted(f"{state} {raw_state} is none we know")
    return Refund(
        _REFUND_STATES[raw_state],
        text(fields, "out_refund_no"),
        text(fields, "out_trade_no"),
        raw_state,
        channel_refund_id=text(fields, "refund_id"),
        amount=_fen(fields, "refund"),
        succeeded_at=_success_time(fields),
    )


def _fen(fields: Mapping[str, object], name: str) -> Money:
    """Read an amount in fen; a refund callback leaves the currency out, it is CNY."""
    amount = member(fields, "amount")
    minor = amount.get(name)
    if type(minor) is not int or minor <= 0:  # a bool is an int too
        raise Untrusted(f"amount.{name} is not a number of fen")
    currency = optional_text(amount, "currency") or Currency.CNY
    if currency not in Currency.__members__:
        raise Untrusted(f"amount.currency {currency} is none we know")
    return Money(minor, Currency(currency))


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
