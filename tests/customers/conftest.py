"""Two versions of a rate card that price agent runs, the second at twice the first."""

import pytest

from app.pricing.models import RateCard, RateCardVersion
from tests.customers.moving import prices
from tests.make import Make


@pytest.fixture
def card(make: Make) -> RateCard:
    """Return a rate card, and have the metric that its versions price."""
    make.metric(code="agent_runs")
    return make.rate_card()


@pytest.fixture
def old(make: Make, card: RateCard) -> RateCardVersion:
    return make.rate_card_version(prices("agent_runs", unit_price="1"), rate_card_id=card.id)


@pytest.fixture
def new(make: Make, card: RateCard) -> RateCardVersion:
    return make.rate_card_version(prices("agent_runs"), rate_card_id=card.id, number=2)
