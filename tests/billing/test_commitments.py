"""A commitment is the least a period comes to: what is missing is a line, by days in a stub."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.orm import Session

from app.billing.models import LineKind
from tests.billing.make import Sold, billed, lines_of, use
from tests.make import Make, usd


def committed(make: Make, minor: str = "1000", **columns: Any) -> Sold:
    """Sell a metric at a cent, with a commitment of `minor` cents a month."""
    metric = make.metric()
    content = {
        "currencies": {"USD": [{"metric": metric.code, "model": "standard", "unit_price": "1"}]},
        "commitments": {"USD": minor},
    }
    return Sold(metric, make.contract(make.rate_card_version(content), **columns))


def test_what_is_missing_is_a_line(session: Session, make: Make) -> None:
    sale = committed(make)
    use(session, sale, "200")

    invoice = billed(session, sale)

    lines = lines_of(session, invoice)
    assert [(line.kind, line.metric_id, line.amount_minor) for line in lines] == [
        (LineKind.USAGE, sale.metric.id, 200),
        (LineKind.COMMITMENT, None, 800),
    ]
    assert invoice.subtotal == usd(1000)
    assert [(tier["basis"], tier["amount"]) for tier in lines[1].tiers] == [
        ("committed", "1000"),
        ("used", "-200"),
    ]


def test_a_commitment_that_was_reached_has_no_line(session: Session, make: Make) -> None:
    sale = committed(make)
    use(session, sale, "1000")

    assert len(lines_of(session, billed(session, sale))) == 1


def test_a_month_without_usage_costs_what_was_committed(session: Session, make: Make) -> None:
    assert billed(session, committed(make)).subtotal == usd(1000)


def test_a_first_stub_commits_to_its_days(session: Session, make: Make) -> None:
    sale = committed(
        make,
        starts_on=date(2026, 5, 17),
        anchor_on=date(2026, 5, 17),
        next_period_at=datetime(2026, 5, 16, 16, tzinfo=UTC),
    )
    use(session, sale, "200", on=date(2026, 5, 20))

    invoice = billed(session, sale)

    # 10.00 × 15/31 = 4.84, and 2.00 were used.
    assert [line.amount_minor for line in lines_of(session, invoice)] == [200, 284]


def test_a_last_stub_commits_to_its_days(session: Session, make: Make) -> None:
    sale = committed(make, ends_on=date(2026, 5, 16), due_at=datetime(2026, 5, 15, 16, tzinfo=UTC))

    assert billed(session, sale).subtotal == usd(484)
