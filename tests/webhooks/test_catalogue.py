"""Every event has a name, a sentence, a type and one shape."""

import json
from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from app.webhooks.catalogue import SUBSCRIBABLE, EventType, envelope
from app.webhooks.examples import EXAMPLES
from app.webhooks.payloads import CustomerData

SHANGHAI = timezone(timedelta(hours=8))


def test_a_merchant_can_subscribe_to_these_events() -> None:
    assert sorted(SUBSCRIBABLE) == [
        "contract.created",
        "contract.ended",
        "contract.updated",
        "credit_note.created",
        "customer.created",
        "customer.updated",
        "dispute.closed",
        "dispute.opened",
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
        "payment.closed",
        "payment.created",
        "payment.succeeded",
        "payment.unapplied",
        "payout.completed",
        "payout.created",
        "payout.failed",
        "refund.created",
        "refund.failed",
        "refund.succeeded",
    ]


@pytest.mark.parametrize("event_type", EventType)
def test_every_event_is_described_in_one_sentence(event_type: EventType) -> None:
    assert event_type.description.endswith(".")
    assert "\n" not in event_type.description


@pytest.mark.parametrize("event_type", EventType)
def test_every_event_has_a_type_of_its_own_object(event_type: EventType) -> None:
    example = EXAMPLES[event_type]

    assert type(example) is event_type.payload
    told = msgspec.to_builtins(example)
    assert example.object_id in told.values()
    assert msgspec.convert(told, event_type.payload) == example


def test_only_payouts_are_not_sent_yet() -> None:
    assert {each.group for each in EventType if each.is_reserved} == {"payout"}


def test_the_body_says_what_happened_when_in_utc() -> None:
    body = envelope(
        "msg_1",
        EventType.CUSTOMER_CREATED,
        CustomerData(
            customer_id="cus_1",
            external_id="星图",
            status="active",
            language="en",
            is_reminded=True,
            is_tax_exempt=False,
            tax_rate_id=None,
        ),
        sequence=1,
        created_at=datetime(2026, 11, 20, 20, 0, 0, 1_000, tzinfo=SHANGHAI),
    )

    assert body == (
        '{"id":"msg_1","type":"customer.created","createdAt":"2026-11-20T12:00:00.001Z",'
        '"objectId":"cus_1","sequence":1,"data":{"customerId":"cus_1","externalId":"星图",'
        '"status":"active","language":"en","isReminded":true,"isTaxExempt":false,'
        '"taxRateId":null}}'
    )
    assert json.loads(body)["data"]["externalId"] == "星图"
