"""A call of either channel: what it says of a payment, signed as that channel signs."""

from datetime import datetime

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.channels.base import ChannelName
from app.core import clock
from app.payments.models import PaymentOrder
from tests.callbacks.conftest import Due
from tests.channels import signers

ALIPAY, WECHAT = ChannelName.ALIPAY, ChannelName.WECHAT
_YES = {ALIPAY: (200, b"success"), WECHAT: (204, b"")}


def path(channel: ChannelName) -> str:
    return f"/api/webhooks/{channel}"


def order_of(due: Due, channel: ChannelName) -> PaymentOrder:
    return due.alipay if channel is ALIPAY else due.wechat


def paid_notice(
    due: Due, channel: ChannelName, *, number: str = "", echo: str = "", **changes: str
) -> bytes:
    """Say that the order of `due` was paid to the fen; `changes` are in the channel's words."""
    order = order_of(due, channel)
    number, echo = number or order.out_trade_no, echo or due.merchant
    if channel is ALIPAY:
        fields = {"trade_no": f"2026{order.id}", "notify_id": f"notify-{order.id}"}
        fields |= {"out_trade_no": number, "passback_params": echo, "total_amount": "905.33"}
        return signers.alipay_notice(fields | changes)
    trade = signers.wechat_trade(
        **{"out_trade_no": number, "attach": echo, "transaction_id": f"4200{order.id}"} | changes,
        amount={"total": 90_533, "payer_total": 90_533, "currency": "CNY"},
    )
    return signers.wechat_notice(trade, id=f"EV-{order.id}")


def send(
    client: FlaskClient, channel: ChannelName, body: bytes, *, signed_at: datetime | None = None
) -> TestResponse:
    if channel is ALIPAY:
        form = "application/x-www-form-urlencoded"
        return client.post(path(channel), data=body, content_type=form)
    headers = signers.wechat_headers(body, at=signed_at or clock.now())
    return client.post(path(channel), data=body, headers=headers, content_type="application/json")


def is_heard(answer: TestResponse, channel: ChannelName) -> bool:
    """Say whether the channel will not call again."""
    return (answer.status_code, answer.data) == _YES[channel]
