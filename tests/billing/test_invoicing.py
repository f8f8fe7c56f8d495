"""An invoice bills one period once: all its usage, rounded per line, at rates locked for ever."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import invoicing, previews
from app.billing.invoicing import Outcome
from app.billing.models import FxSnapshot, InvoiceStatus
from app.core.errors import NotFound
from app.core.money import Currency
from app.core.outbox import OutboxJob
from app.core.periods import Cycle
from app.customers.models import ContractStatus
from app.fx.rates import NoRate
from app.identity import clocks
from app.ledger.queries import unbalanced
from app.metering.ingestion import MerchantWindow, ingest
from app.webhooks.models import WebhookEvent
from tests.billing.make import (
    RATES,
    Sent,
    SilentRates,
    billed,
    books,
    drafted,
    lines_of,
    sold,
    use,
)
from tests.make import NOON, Make, cny, usd


def events(session: Session) -> list[str]:
    session.flush()
    return [row.event_type for row in session.scalars(select(WebhookEvent))]


def jobs(session: Session) -> list[str]:
    session.flush()
    return [row.task for row in session.scalars(select(OutboxJob))]


def test_the_worked_example_comes_out_to_the_fen(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641", events=12_641)

    invoice = billed(session, sale)

    assert invoice.status is InvoiceStatus.OPEN
    assert invoice.number == "LUM-2026-000001"
    assert invoice.subtotal == usd(12_641)
    assert invoice.fx is not None
    assert invoice.fx.pricing_rate == Decimal("7.16184000")
    assert invoice.collection == cny(90_533)
    assert invoice.platform_fee == cny(2_716)
    assert invoice.net == cny(87_817)
    assert invoice.settlement == usd(12_262)
    assert invoice.due_at == NOON + timedelta(days=14)


def test_finalising_posts_the_receivable(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")

    billed(session, sale)

    assert books(session) == {
        "receivable": 90_533,
        "merchant_uncollected": -90_533,
        "sales_clearing": 90_533,
        "revenue": -90_533,
    }
    assert unbalanced(session) == []


def test_finalising_tells_the_merchant_and_owes_the_document(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1")

    billed(session, sale)

    assert events(session) == ["invoice.created"]
    assert jobs(session) == ["jobs.documents.print_invoice"]


def test_finalising_again_changes_nothing(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1")
    invoice = billed(session, sale)
    use(session, sale, "1", on=date(2026, 5, 16))

    again = invoicing.finalize(session, invoice.id, rates=RATES, now=NOON + timedelta(days=1))

    assert again is Outcome.REPEATED
    assert (invoice.subtotal, invoice.finalized_at) == (usd(1), NOON)
    assert events(session) == ["invoice.created"]


def test_a_draft_locks_nothing_yet(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")

    invoice = drafted(session, sale)

    assert (invoice.status, invoice.number) == (InvoiceStatus.DRAFT, None)
    assert invoice.subtotal == usd(12_641)
    assert invoice.collection == cny(0)
    assert invoice.fx is None
    assert books(session) == {}
    assert events(session) == []


def test_usage_that_comes_within_the_grace_is_on_the_invoice(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "100")
    invoice = drafted(session, sale)
    use(session, sale, "23", on=date(2026, 5, 31))

    invoicing.finalize(session, invoice.id, rates=RATES, now=NOON)

    assert invoice.subtotal == usd(123)
    assert [line.quantity for line in lines_of(session, invoice)] == [123]


def test_a_draft_waits_for_the_grace_of_its_merchant(session: Session, make: Make) -> None:
    clocks.get_merchant(session).grace_hours = 6

    invoice = drafted(session, sold(make))

    assert invoice.finalize_at == datetime(2026, 5, 31, 22, tzinfo=UTC)


def test_a_contract_that_begins_in_the_past_has_its_grace_from_when_it_was_made(
    session: Session, make: Make
) -> None:
    made = datetime(2026, 6, 2, 3, tzinfo=UTC)

    invoice = drafted(session, sold(make, created_at=made))

    assert invoice.finalize_at == datetime(2026, 6, 3, 3, tzinfo=UTC)


def test_a_contract_made_before_the_clock_was_set_back_waits_no_longer_than_any(
    session: Session, make: Make
) -> None:
    invoice = drafted(session, sold(make, created_at=NOON + timedelta(days=170)))

    assert invoice.finalize_at == datetime(2026, 6, 1, 16, tzinfo=UTC)


def test_a_period_that_is_not_over_is_not_drafted(session: Session, make: Make) -> None:
    sale = sold(make)

    assert invoicing.draft(session, sale.contract.id, now=NOON - timedelta(days=3)) is None


def test_a_draft_opens_the_next_period(session: Session, make: Make) -> None:
    sale = sold(make)

    drafted(session, sale)

    assert sale.contract.next_period_at == datetime(2026, 5, 31, 16, tzinfo=UTC)
    assert sale.contract.due_at == datetime(2026, 6, 30, 16, tzinfo=UTC)


def test_the_month_ends_at_midnight_in_shanghai(session: Session, make: Make) -> None:
    sale = sold(make, customer_id=make.customer(external_id="acme").id)
    moments = [
        datetime(2026, 4, 30, 15, 59, 59, tzinfo=UTC),
        datetime(2026, 4, 30, 16, tzinfo=UTC),
        datetime(2026, 5, 31, 15, 59, 59, tzinfo=UTC),
        datetime(2026, 5, 31, 16, tzinfo=UTC),
    ]
    sent = [Sent(sale.metric.code, moment) for moment in moments]
    ingest(session, sent, merchant=MerchantWindow("Asia/Shanghai", 400), now=NOON)

    may = drafted(session, sale)
    june = drafted(session, sale, now=datetime(2026, 6, 30, 16, tzinfo=UTC))

    assert may.subtotal == usd(2)
    assert june.subtotal == usd(1)
    assert (june.period_from, june.period_to) == (date(2026, 6, 1), date(2026, 7, 1))


def test_a_contract_that_starts_in_the_month_pays_for_its_days_only(
    session: Session, make: Make
) -> None:
    sale = sold(
        make,
        starts_on=date(2026, 5, 20),
        anchor_on=date(2026, 5, 20),
        next_period_at=datetime(2026, 5, 19, 16, tzinfo=UTC),
    )
    use(session, sale, "5", on=date(2026, 5, 19))
    use(session, sale, "7", on=date(2026, 5, 20))

    invoice = drafted(session, sale)

    assert (invoice.period_from, invoice.period_to) == (date(2026, 5, 20), date(2026, 6, 1))
    assert invoice.subtotal == usd(7)


def test_an_anniversary_on_the_31st_comes_back_to_the_31st(session: Session, make: Make) -> None:
    sale = sold(
        make,
        cycle=Cycle.MONTHLY_ANNIVERSARY,
        starts_on=date(2026, 1, 31),
        anchor_on=date(2026, 1, 31),
        next_period_at=datetime(2026, 1, 30, 16, tzinfo=UTC),
        due_at=datetime(2026, 2, 27, 16, tzinfo=UTC),
    )

    periods = [drafted(session, sale) for _ in range(4)]

    assert [invoice.period_to for invoice in periods] == [
        date(2026, 2, 28),
        date(2026, 3, 31),
        date(2026, 4, 30),
        date(2026, 5, 31),
    ]


def test_the_last_period_ends_with_the_contract(session: Session, make: Make) -> None:
    sale = sold(make, ends_on=date(2026, 5, 16), due_at=datetime(2026, 5, 15, 16, tzinfo=UTC))
    use(session, sale, "3", on=date(2026, 5, 15))
    use(session, sale, "4", on=date(2026, 5, 16))

    invoice = drafted(session, sale)

    assert invoice.subtotal == usd(3)
    assert sale.contract.status is ContractStatus.ENDED
    assert invoicing.draft(session, sale.contract.id, now=NOON) is None


def test_a_month_without_usage_is_paid_at_once(session: Session, make: Make) -> None:
    invoice = billed(session, sold(make))

    assert invoice.status is InvoiceStatus.PAID
    assert invoice.number == "LUM-2026-000001"
    assert invoice.paid_at == NOON
    assert lines_of(session, invoice) == []
    assert books(session) == {}
    assert events(session) == ["invoice.paid"]


def test_yen_have_no_cents(session: Session, make: Make) -> None:
    sale = sold(make, {"model": "standard", "unit_price": "0.5"}, "JPY")
    use(session, sale, "10000")

    invoice = billed(session, sale)

    assert invoice.subtotal.minor == 5_000
    assert invoice.subtotal.currency is Currency.JPY
    assert invoice.fx is not None
    assert invoice.fx.pricing_rate == Decimal("0.04759272")
    assert invoice.collection == cny(23_796)


def test_prices_in_cny_need_no_rate_to_collect(session: Session, make: Make) -> None:
    sale = sold(make, currency="CNY")
    use(session, sale, "90533")

    invoice = billed(session, sale)

    assert invoice.fx is not None
    assert invoice.fx.pricing_rate == 1
    assert invoice.collection == cny(90_533)
    assert invoice.settlement == usd(12_262)


def test_an_invoice_keeps_its_prices(session: Session, make: Make) -> None:
    sale = sold(make)

    invoice = drafted(session, sale)

    price = {"metric": sale.metric.code, "model": "standard", "unit_price": "1"}
    assert invoice.rate_card == {"currencies": {"USD": [price]}}
    assert invoice.rate_card_sha256 == "0" * 64


def test_numbers_count_in_the_year_of_the_merchant(session: Session, make: Make) -> None:
    new_year = datetime(2026, 12, 31, 16, tzinfo=UTC)
    sales = [sold(make), sold(make), sold(make)]
    times = [NOON, new_year - timedelta(seconds=1), new_year]

    numbers = [
        billed(session, sale, now=now).number for sale, now in zip(sales, times, strict=True)
    ]

    assert numbers == ["LUM-2026-000001", "LUM-2026-000002", "LUM-2027-000001"]


def test_the_locked_rates_are_kept_as_they_were_published(session: Session, make: Make) -> None:
    invoice = billed(session, sold(make, currency="JPY"))

    session.expire(invoice)
    assert invoice.fx == FxSnapshot(
        publisher="sandbox fixture",
        published_at=datetime(2026, 6, 2, 1, 30, tzinfo=UTC),
        spread_bps=80,
        pricing_midpoint=Decimal("4.7215"),
        pricing_rate=Decimal("0.04759272"),
        settlement_midpoint=Decimal("710.50"),
        settlement_rate=Decimal("7.16184"),
    )


def test_a_period_that_has_its_invoice_gets_no_second(session: Session, make: Make) -> None:
    sale = sold(make)
    drafted(session, sale)
    sale.contract.next_period_at = datetime(2026, 4, 30, 16, tzinfo=UTC)
    sale.contract.due_at = datetime(2026, 5, 31, 16, tzinfo=UTC)
    session.flush()

    assert invoicing.draft(session, sale.contract.id, now=NOON) is None
    assert sale.contract.next_period_at == datetime(2026, 5, 31, 16, tzinfo=UTC)


def test_without_a_rate_the_draft_stays_as_it_is(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1")
    invoice = drafted(session, sale)

    with pytest.raises(NoRate):
        invoicing.finalize(session, invoice.id, rates=SilentRates(), now=NOON)

    assert (invoice.status, invoice.number) == (InvoiceStatus.DRAFT, None)
    assert [line.amount_minor for line in lines_of(session, invoice)] == [1]


def test_the_first_invoice_leaves_the_clock_no_way_back(session: Session, make: Make) -> None:
    billed(session, sold(make))
    billed(session, sold(make), now=NOON + timedelta(days=1))

    assert clocks.get_merchant(session).first_invoice_at == NOON
    with pytest.raises(clocks.ClockOnlyForward):
        clocks.move(session, NOON - timedelta(days=1), real_now=NOON)


def test_the_document_is_owed_in_real_time(session: Session, make: Make) -> None:
    clocks.get_merchant(session).clock_offset = timedelta(days=30)

    billed(session, sold(make), now=NOON + timedelta(days=30))

    session.flush()
    assert session.scalars(select(OutboxJob.due_at)).all() == [NOON]


def test_a_preview_shows_the_usage_so_far_and_writes_nothing(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "12641")
    now = datetime(2026, 5, 20, tzinfo=UTC)

    preview = previews.preview(session, sale.contract, rates=RATES, now=now)

    assert preview is not None
    assert (preview.period_from, preview.period_to) == (date(2026, 5, 1), date(2026, 6, 1))
    assert preview.quote.amounts.collect == cny(90_533)
    assert not session.new
    assert not session.dirty


def test_a_contract_with_nothing_left_has_no_preview(session: Session, make: Make) -> None:
    sale = sold(make, next_period_at=None, due_at=None)

    assert previews.preview(session, sale.contract, rates=RATES, now=NOON) is None


def test_a_contract_of_nobody_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        invoicing.draft(session, 1, now=NOON)
