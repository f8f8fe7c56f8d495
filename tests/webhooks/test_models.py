"""An endpoint and a delivery move only along their tables."""

import pytest

from app.webhooks.models import (
    DELIVERY,
    ENDPOINT,
    DeliveryEvent,
    DeliveryStatus,
    EndpointEvent,
    EndpointStatus,
)


@pytest.mark.parametrize("status", DeliveryStatus)
@pytest.mark.parametrize("event", DeliveryEvent)
def test_whatever_ends_late_a_delivery_has_an_answer(
    status: DeliveryStatus, event: DeliveryEvent
) -> None:
    assert DELIVERY.allows(status, event) or DELIVERY.is_repeat(status, event)


@pytest.mark.parametrize("event", [DeliveryEvent.FAIL, DeliveryEvent.GIVE_UP])
def test_what_was_delivered_stays_delivered(event: DeliveryEvent) -> None:
    assert DELIVERY.is_repeat(DeliveryStatus.DELIVERED, event)


@pytest.mark.parametrize("event", [EndpointEvent.ENABLE, EndpointEvent.DISABLE])
def test_a_deleted_endpoint_never_comes_back(event: EndpointEvent) -> None:
    assert not ENDPOINT.allows(EndpointStatus.ARCHIVED, event)
    assert not ENDPOINT.is_repeat(EndpointStatus.ARCHIVED, event)
