"""Verify a callback, keep it, book it: whoever returns from here has committed."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.channels.base import BadNotice, ChannelName, Notice, NoticeKind, TradeState
from app.core import ids
from app.core.errors import NotFound
from app.extensions import ChannelNotConfigured, runtime, transaction
from app.identity import clocks
from app.identity.models import Merchant, Mode
from app.payments import capture, quarantine, queries, refund_moves, refund_queries
from app.payments.models import ChannelCallback
from app.payments.trade_numbers import merchant_of_trade_no

_NOT_KEPT = frozenset({"authorization", "cookie"})


class UnknownOrder(NotFound):
    """A genuine callback about no order of ours; the channel may call again later."""

    code = "unknown_order"


def receive(
    channel: ChannelName, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> None:
    """Take in one call of `channel` and book the payment or the refund it tells of.

    `now` is real. A copy changes nothing, and money of another amount is booked aside: both are
    successes. Raises BadNotice and UnknownOrder; then nothing is booked.
    """
    mode, notice = _verified(channel, headers, body, now=now)
    merchant_id = merchant_of_trade_no(notice.out_trade_no)
    _keep(
        channel=channel,
        notice_id=notice.notice_id,
        merchant_id=merchant_id,
        headers={name: text for name, text in headers.items() if name.lower() not in _NOT_KEPT},
        body=body,
        received_at=now,
    )
    if merchant_id is None:
        raise UnknownOrder(f"{notice.out_trade_no} is no number of ours")
    with transaction(merchant_id) as session:
        _check_order(session, channel, notice, mode=mode)
        if notice.kind is NoticeKind.REFUND:
            _record_refund(session, channel, notice, now=now)
        elif notice.trade.state is TradeState.PAID:
            capture.record_capture(session, notice.trade, channel=channel, now=clocks.now(session))
        quarantine.note_booked(session, channel, notice.notice_id, now=now)


def _record_refund(
    session: Session, channel: ChannelName, notice: Notice, *, now: datetime
) -> None:
    """Book what the notice says of a refund; one that names none has those under way asked about.

    `now` is real. Raises UnknownOrder.
    """
    if notice.refund is None:
        order = queries.get_by_trade_no(session, channel, notice.out_trade_no)
        refund_queries.ask_soon(session, order.id, now=now)
        return
    try:
        refund = refund_queries.get_by_refund_no(session, channel, notice.refund.out_refund_no)
    except NotFound as unknown:
        raise UnknownOrder(str(unknown)) from unknown
    refund_moves.record(session, refund.id, notice.refund, now=clocks.now(session))


def _verified(
    channel: ChannelName, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> tuple[Mode, Notice]:
    """Return what the callback says and whose keys proved it. Raises BadNotice."""
    refusal = BadNotice(f"{channel} is not configured")
    for mode in Mode:
        try:
            gateway = runtime().channel(channel, mode)
        except ChannelNotConfigured:
            continue
        try:
            return mode, gateway.read_notice(headers, body, now=now)
        except BadNotice as found:
            refusal = found
    raise refusal


def _keep(**columns: object) -> None:
    """Write down a verified call, in a transaction of its own: also one that nothing can book."""
    with transaction(None) as session:
        session.execute(insert(ChannelCallback).values(columns).on_conflict_do_nothing())


def _check_order(session: Session, channel: ChannelName, notice: Notice, *, mode: Mode) -> None:
    """Compare what the channel echoes with our order. Raises UnknownOrder."""
    try:
        order = queries.get_by_trade_no(session, channel, notice.out_trade_no)
    except NotFound as unknown:
        raise UnknownOrder(str(unknown)) from unknown
    merchant: Merchant = clocks.get_merchant(session)
    if merchant.mode is not mode:
        raise UnknownOrder(f"{notice.out_trade_no} is no {mode} order")
    if notice.trade.attach not in {None, ids.show_merchant(order.merchant_id)}:
        raise UnknownOrder(f"{notice.out_trade_no} came back with another merchant's name")
