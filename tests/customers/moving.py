"""A rate card with two versions, and contracts on the first whose open period is June 2026."""

from datetime import UTC, datetime
from typing import Any

from app.customers.models import Contract
from app.pricing.models import RateCardVersion
from tests.make import Make


def prices(*metrics: str, currency: str = "USD", unit_price: str = "2") -> dict[str, Any]:
    return {
        "currencies": {
            currency: [
                {"metric": code, "model": "standard", "unit_price": unit_price} for code in metrics
            ]
        }
    }


def june(make: Make, version: RateCardVersion, **columns: Any) -> Contract:
    opened = {
        "next_period_at": datetime(2026, 5, 31, 16, tzinfo=UTC),
        "due_at": datetime(2026, 6, 30, 16, tzinfo=UTC),
    }
    return make.contract(version, **(opened | columns))
