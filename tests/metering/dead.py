"""Dead events as ingestion keeps them, and what mends them."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from app.core.db import merchant_of
from app.metering.models import DeadEvent, DeadReason
from app.pricing.models import Metric
from tests.make import Make

OCCURRED_AT = datetime(2026, 5, 25, 10, tzinfo=UTC)

_SERIAL = count(1)


def kept(session: Session, **columns: Any) -> DeadEvent:
    """Keep an event of ten tokens of the customer user_77, whom nobody knows."""
    number = next(_SERIAL)
    defaults: dict[str, Any] = {
        "digest": number.to_bytes(32),
        "reason": DeadReason.UNKNOWN_CUSTOMER,
        "customer_external_id": "user_77",
        "metric": "tokens",
        "idempotency_key": f"evt_{number}",
        "occurred_at": OCCURRED_AT,
    }
    row = DeadEvent(merchant_id=merchant_of(session), **(defaults | columns))
    row.body = {
        "customerExternalId": row.customer_external_id,
        "idempotencyKey": row.idempotency_key,
        "metric": row.metric,
        "quantity": "10",
        "occurredAt": row.occurred_at.isoformat(),
        "dimensions": {"model": "gpt-5"},
    }
    session.add(row)
    session.flush()  # its id comes from the database
    session.refresh(row)
    return row


def mend(session: Session, metric: Metric) -> None:
    """Add the customer user_77, with a contract since the first of May."""
    make = Make(session)
    customer = make.customer(external_id="user_77")
    make.contract(make.priced_at(metric, "1"), customer_id=customer.id)
