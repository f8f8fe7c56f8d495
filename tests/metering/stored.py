"""Events as they lie in the tables, with their series and roll-ups, without a way in."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.db import merchant_of
from app.core.ids import new_id
from app.customers.models import Customer
from app.metering.events import Dimensions
from app.metering.models import OTHER_SERIES, UsageEvent, UsageRollup, UsageSeries, UsageVoid
from app.metering.rollups import rollup_of
from app.pricing.models import Metric
from tests.make import NOON

SHANGHAI = ZoneInfo("Asia/Shanghai")


def may(day: int, hour: int = 12, minute: int = 0) -> datetime:
    """Return a time of a day in May 2026, in Shanghai."""
    return datetime(2026, 5, day, hour, minute, tzinfo=SHANGHAI).astimezone(UTC)


def void(session: Session, event: UsageEvent) -> None:
    """Leave an event out of what is counted of events; its roll-up stays as it was."""
    session.add(
        UsageVoid(
            merchant_id=merchant_of(session),
            occurred_at=event.occurred_at,
            event_id=event.id,
            customer_id=event.customer_id,
            metric_id=event.metric_id,
            idempotency_key=event.idempotency_key,
            reason="sent twice",
            voided_at=NOON,
            actor="dev@example.cn",
        )
    )
    session.flush()


@dataclass
class Shelf:
    """Puts events of one session's merchant where ingestion would put them."""

    session: Session
    zone: ZoneInfo = SHANGHAI

    def add(
        self,
        metric: Metric,
        quantity: str,
        *,
        at: datetime,
        customer: Customer,
        received_at: datetime | None = None,
        dimensions: Dimensions | None = None,
        corrects: UsageEvent | None = None,
        is_late: bool = False,
    ) -> UsageEvent:
        """Store one event and count it."""
        target = "an event of old" if quantity.startswith("-") else None
        event = UsageEvent(
            merchant_id=merchant_of(self.session),
            occurred_at=at,
            customer_id=customer.id,
            metric_id=metric.id,
            series_id=self._series_of(metric, dimensions or {}),
            idempotency_key=f"stored_{new_id()}",
            quantity=Decimal(quantity),
            dimensions=dict(dimensions or {}),
            is_late=is_late,
            corrects=corrects.idempotency_key if corrects else target,
        )
        if received_at is not None:
            event.received_at = received_at
        self.session.add(event)
        self.session.flush()  # its roll-up needs its id
        self._count(event)
        return event

    def fill(self, metric: Metric, count: int, *, customer: Customer) -> None:
        """Store as many events, a minute from one to the next, from the first of May on.

        Not counted in any roll-up: they are there for lists, and for plans.
        """
        self.session.connection().exec_driver_sql(
            """
            INSERT INTO usage_events
              (merchant_id, customer_id, metric_id, occurred_at, idempotency_key,
               quantity, dimensions)
            SELECT %(merchant)s, %(customer)s, %(metric)s,
                   '2026-05-01'::timestamptz + n * interval '1 minute', 'filled_' || n, n, '{}'
              FROM generate_series(1, %(count)s) AS n
            """,
            {
                "merchant": merchant_of(self.session),
                "customer": customer.id,
                "metric": metric.id,
                "count": count,
            },
        )

    def _series_of(self, metric: Metric, dimensions: Dimensions) -> int:
        names = sorted(metric.dimensions)
        if not names:
            return OTHER_SERIES
        values = {name: _text(dimensions[name]) for name in names if name in dimensions}
        canonical = json.dumps([names, values], sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).digest()
        found = select(UsageSeries.id).where(
            UsageSeries.metric_id == metric.id, UsageSeries.digest == digest
        )
        series_id = self.session.scalar(found)
        if series_id is None:
            series = UsageSeries(
                merchant_id=merchant_of(self.session),
                metric_id=metric.id,
                names=names,
                dimensions=values,
                digest=digest,
            )
            self.session.add(series)
            self.session.flush()  # gives it its id
            series_id = series.id
        return series_id

    def rollup(self, event: UsageEvent) -> UsageRollup:
        """Return the roll-up that counts the event, new and empty if there is none."""
        key = rollup_of(event, self.zone)
        rollup = self.session.get(UsageRollup, (merchant_of(self.session), *key))
        if rollup is None:
            rollup = UsageRollup(
                merchant_id=merchant_of(self.session),
                **key._asdict(),
                quantity=Decimal(0),
                events=0,
                maximum=event.quantity,
                last_at=event.occurred_at,
                last_id=0,
                last_quantity=event.quantity,
            )
            self.session.add(rollup)
        return rollup

    def _count(self, event: UsageEvent) -> None:
        rollup = self.rollup(event)
        rollup.quantity += event.quantity
        rollup.events += 1
        rollup.maximum = max(rollup.maximum, event.quantity)
        if (event.occurred_at, event.id) > (rollup.last_at, rollup.last_id):
            rollup.last_at, rollup.last_id = event.occurred_at, event.id
            rollup.last_quantity = event.quantity
        self.session.flush()


def _text(value: object) -> str:
    """Write a value as PostgreSQL's ->> does."""
    return value if isinstance(value, str) else json.dumps(value)
