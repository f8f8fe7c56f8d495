"""A midpoint is of now, or there is none: a silent publisher bills nobody at an old rate."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.core.money import Currency
from app.fx.fixture import FixtureRates
from app.fx.rates import FRESH_FOR, Midpoint, NoRate, fresh_midpoint

PUBLISHED = datetime(2026, 9, 30, 1, 15, tzinfo=UTC)


@dataclass(frozen=True)
class LastSaid:
    """A source that said something once."""

    published_at: datetime = PUBLISHED

    def midpoint(self, currency: Currency, *, at: datetime) -> Midpoint:
        del at
        return Midpoint("a bank", currency, Decimal("710.50"), self.published_at)


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=9, hours=1), FRESH_FOR])
def test_a_midpoint_holds_over_the_golden_week(age: timedelta) -> None:
    found = fresh_midpoint(LastSaid(), Currency.USD, at=PUBLISHED + age)

    assert found.per_100 == Decimal("710.50")


@pytest.mark.parametrize("age", [FRESH_FOR + timedelta(seconds=1), timedelta(seconds=-1)])
def test_a_midpoint_that_is_not_of_now_is_none(age: timedelta) -> None:
    with pytest.raises(NoRate, match="2026-09-30T01:15"):
        fresh_midpoint(LastSaid(), Currency.USD, at=PUBLISHED + age)


def test_the_own_currency_is_always_fresh() -> None:
    later = PUBLISHED + timedelta(days=400)

    assert fresh_midpoint(LastSaid(), Currency.CNY, at=later).currency is Currency.CNY


@pytest.mark.parametrize("day", range(14))
def test_the_fixture_is_fresh_every_day(day: int) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)

    assert fresh_midpoint(FixtureRates(), Currency.USD, at=at).published_at <= at
