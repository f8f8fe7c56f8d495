"""A merchant in Shanghai with two customers and the metrics of an AI product."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy.orm import Session

from app.metering.events import Dimensions, InvalidEvent, ItemResult, ReceivedEvent
from app.metering.ingestion import MerchantWindow, ingest
from app.pricing.models import Aggregation
from tests.make import NOON, Make

SHANGHAI = MerchantWindow("Asia/Shanghai", late_window_days=35)


@dataclass(frozen=True)
class Event:
    """An event as a door decodes it."""

    idempotency_key: str = "evt_1"
    quantity: str | int = "12500"
    customer_external_id: str = "user_42"
    metric: str = "tokens"
    occurred_at: datetime = datetime(2026, 5, 25, 10, tzinfo=UTC)
    dimensions: Dimensions | None = field(default_factory=lambda: {"model": "gpt-5"})
    corrects: str | None = None

    @property
    def dimensions_json(self) -> bytes:
        """The dimensions as a door reads them: half a character can stand in an escape only."""
        return json.dumps(self.dimensions or {}).encode()

    def but(self, **changes: object) -> "Event":
        return replace(self, **changes)  # type: ignore[arg-type]  # the test names real fields


def send(
    session: Session, *events: ReceivedEvent | InvalidEvent, now: datetime = NOON
) -> list[ItemResult]:
    return ingest(session, events, merchant=SHANGHAI, now=now)


def answers(results: list[ItemResult]) -> list[str]:
    """Return what a caller goes by: the code, or the outcome where nothing is wrong."""
    return [result.code or result.outcome.value for result in results]


def furnish(session: Session) -> None:
    """Add the customers, on contract since long ago, and the metrics that tests send events of."""
    make = Make(session)
    metric = make.metric(code="tokens", dimensions={"model": None, "region": None})
    version = make.priced_at(metric, "1")
    for external_id in ("user_42", "user_43"):
        customer = make.customer(external_id=external_id)
        make.contract(version, customer_id=customer.id, starts_on=date(2024, 1, 1))
    make.metric(code="calls", aggregation=Aggregation.COUNT)
    make.metric(code="storage", aggregation=Aggregation.MAX)
    make.metric(code="seats", aggregation=Aggregation.LAST)


@pytest.fixture
def shop(session: Session) -> Session:
    furnish(session)
    return session
