"""The delivery log shows a merchant everything of his, page by page, and nothing of others."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core.db import begin
from app.core.errors import NotFound
from app.webhooks import emitting, queries
from app.webhooks.catalogue import EventType
from app.webhooks.examples import EXAMPLES
from app.webhooks.models import DeliveryStatus
from tests.make import NOON, Make
from tests.webhooks.builders import deliveries, pay, subscribe


def test_paging_visits_each_delivery_once_newest_first(session: Session) -> None:
    subscribe(session)
    for serial in range(7):
        pay(session, f"inv_{serial}")

    seen, cursor = [], None
    while True:
        page = queries.list_deliveries(session, cursor=cursor, limit=3)
        seen += [delivery.event.reference for delivery in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == ["inv_6", "inv_5", "inv_4", "inv_3", "inv_2", "inv_1", "inv_0"]


def test_filters_narrow_the_log(session: Session) -> None:
    first, second = subscribe(session), subscribe(session)
    pay(session, "inv_1")
    third = subscribe(session, event_type=EventType.PAYOUT_COMPLETED)
    payout = EXAMPLES[EventType.PAYOUT_COMPLETED]
    emitting.emit(session, EventType.PAYOUT_COMPLETED, payout, reference="po_1", now=NOON)
    deliveries(session)[0].status = DeliveryStatus.DEAD

    def endpoints_of(**filters: object) -> list[int]:
        page = queries.list_deliveries(session, **filters)  # type: ignore[arg-type]  # by name
        return [delivery.endpoint.id for delivery in page.rows]

    assert endpoints_of() == [third.id, second.id, first.id]
    assert endpoints_of(endpoint_id=second.id) == [second.id]
    assert endpoints_of(status=DeliveryStatus.DEAD) == [first.id]
    assert endpoints_of(event_type=EventType.PAYOUT_COMPLETED) == [third.id]
    assert endpoints_of(event_type=EventType.PAYOUT_COMPLETED, endpoint_id=first.id) == []


def test_endpoints_are_listed_newest_first(session: Session) -> None:
    first, second = subscribe(session), subscribe(session)

    assert [endpoint.id for endpoint in queries.list_endpoints(session)] == [second.id, first.id]


def test_another_merchants_rows_are_not_found(engine: Engine) -> None:
    with begin(engine, Make.new_merchant_id()) as session:
        Make(session).merchant()
        endpoint = subscribe(session)
        pay(session)
        (delivery,) = deliveries(session)

    with begin(engine, Make.new_merchant_id()) as session:
        assert queries.list_endpoints(session) == []
        assert queries.list_deliveries(session).rows == []
        assert queries.list_attempts(session, delivery.id) == []
        with pytest.raises(NotFound):
            queries.get_endpoint(session, endpoint.id)
        with pytest.raises(NotFound):
            queries.get_delivery(session, delivery.id)
