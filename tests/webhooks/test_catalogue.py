"""Every event has a name, a sentence and one shape."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from app.webhooks.catalogue import EventType, envelope

SHANGHAI = timezone(timedelta(hours=8))


def test_a_merchant_can_subscribe_to_these_events() -> None:
    assert sorted(EventType) == [
        "credit_note.created",
        "fapiao.issued",
        "fapiao.red_lettered",
        "fapiao.rejected",
        "fapiao.requested",
        "invoice.created",
        "invoice.marked_uncollectible",
        "invoice.overdue",
        "invoice.paid",
        "invoice.refunded",
        "invoice.reissued",
        "invoice.voided",
        "invoice.will_be_due",
        "payment.unapplied",
        "payout.completed",
    ]


@pytest.mark.parametrize("event_type", EventType)
def test_every_event_is_described_in_one_sentence(event_type: EventType) -> None:
    assert event_type.description.endswith(".")
    assert "\n" not in event_type.description


def test_the_body_says_what_happened_when_in_utc() -> None:
    body = envelope(
        "msg_1",
        EventType.INVOICE_PAID,
        {"invoiceId": "inv_1", "amountMinor": 14_900, "buyer": "王芳"},
        created_at=datetime(2026, 11, 20, 20, 0, 0, 1_000, tzinfo=SHANGHAI),
    )

    assert body == (
        '{"id":"msg_1","type":"invoice.paid","createdAt":"2026-11-20T12:00:00.001Z",'
        '"data":{"invoiceId":"inv_1","amountMinor":14900,"buyer":"王芳"}}'
    )
    assert json.loads(body)["data"]["buyer"] == "王芳"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_what_json_can_not_hold_is_a_fault(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        envelope(
            "msg_1",
            EventType.INVOICE_PAID,
            {"value": value},
            created_at=datetime(2026, 11, 20, tzinfo=SHANGHAI),
        )
