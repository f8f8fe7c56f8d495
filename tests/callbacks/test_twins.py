"""Each guard of a callback, taken out: what it keeps away gets through, so it is what keeps it."""

import pytest
from flask.testing import FlaskClient

from app.billing.models import InvoiceStatus
from app.billing.queries import get_invoice
from app.callbacks import receiving
from app.channels import alipay, alipay_calls, wechat_calls, wechat_reading
from app.channels.base import ChannelName
from app.core.db import Transaction
from app.identity import clocks
from app.identity.models import Mode
from tests.callbacks.calls import ALIPAY, WECHAT, is_heard, paid_notice, send
from tests.callbacks.conftest import Due

channels = pytest.mark.parametrize("channel", ChannelName)


def pass_by(*_: object, **__: object) -> None:
    """Stand in for a check, and check nothing."""


def is_paid(transaction: Transaction, due: Due) -> bool:
    with transaction() as session:
        return get_invoice(session, due.invoice_id).status is InvoiceStatus.PAID


@channels
def test_without_the_signature_a_stranger_pays(
    client: FlaskClient,
    transaction: Transaction,
    due: Due,
    channel: ChannelName,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wechat_calls.Calls, "verify", pass_by)
    monkeypatch.setattr(alipay_calls.Calls, "verify_notice", pass_by)
    body = paid_notice(due, channel)

    unsigned = client.post(f"/api/webhooks/{channel}", data=body.replace(b"&sign=", b"&sign=0"))

    assert is_heard(unsigned, channel)
    assert is_paid(transaction, due)


@pytest.mark.parametrize(
    ("channel", "account"),
    [
        (ALIPAY, {"app_id": "2021000000000000"}),
        (ALIPAY, {"seller_id": "2088000000000000"}),
        (WECHAT, {"appid": "wx0000000000000000"}),
        (WECHAT, {"mchid": "1900000000"}),
    ],
)
def test_without_the_account_money_of_another_pays(
    client: FlaskClient,
    transaction: Transaction,
    due: Due,
    channel: ChannelName,
    account: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = paid_notice(due, channel, **account)
    assert not is_heard(send(client, channel, body), channel)
    assert not is_paid(transaction, due)

    monkeypatch.setattr(alipay, "expect", pass_by)
    monkeypatch.setattr(wechat_reading, "expect", pass_by)

    assert is_heard(send(client, channel, body), channel)
    assert is_paid(transaction, due)


@channels
def test_without_the_echo_another_merchants_name_pays(
    client: FlaskClient,
    transaction: Transaction,
    due: Due,
    channel: ChannelName,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receiving, "_check_order", pass_by)

    body = paid_notice(due, channel, echo="00000000001")

    assert is_heard(send(client, channel, body), channel)
    assert is_paid(transaction, due)


@channels
def test_without_the_mode_a_sandboxs_keys_pay_live_orders(
    client: FlaskClient,
    transaction: Transaction,
    due: Due,
    channel: ChannelName,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receiving, "_check_order", pass_by)
    with transaction() as session:
        clocks.get_merchant(session).mode = Mode.LIVE

    assert is_heard(send(client, channel, paid_notice(due, channel)), channel)
    assert is_paid(transaction, due)
