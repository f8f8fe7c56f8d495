"""Usage that came after its invoice goes on a later one; each period costs what all of it costs."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.billing import collection, invoicing, previews, runs
from app.billing.desk import Desk
from app.billing.lines import rate_period
from app.billing.models import Invoice, InvoiceKind, InvoiceLine, InvoiceStatus, LineKind
from app.billing.run_models import RunTrigger
from app.billing.scopes import scope_of_invoice
from app.core.db import Transaction, begin
from app.customers.models import Contract
from app.metering.events import Outcome
from app.pricing.models import Aggregation
from tests.billing.make import (
    MAY_15,
    RATES,
    Sold,
    all_invoices,
    billed,
    drafted,
    lines_of,
    send,
    sold,
)
from tests.make import NOON, Make, usd

JULY_2 = datetime(2026, 7, 2, 4, tzinfo=UTC)
AUGUST_2 = datetime(2026, 8, 2, 4, tzinfo=UTC)
VOLUME = {
    "model": "volume",
    "tiers": [
        {"up_to": "100", "unit_price": "10", "flat_fee": "0"},
        {"up_to": None, "unit_price": "9", "flat_fee": "0"},
    ],
}


def in_may(number: int) -> datetime:
    return MAY_15 + timedelta(minutes=number)


def told(line: InvoiceLine) -> tuple[LineKind, date, int, int]:
    return line.kind, line.period_from, int(line.quantity), line.amount_minor


def test_late_usage_is_a_line_of_the_next_invoice(session: Session, make: Make) -> None:
    sale = sold(make)
    send(session, sale, "100", at=in_may(0))
    billed(session, sale)
    assert send(session, sale, "23", at=in_may(1)) is Outcome.LATE
    send(session, sale, "7", at=datetime(2026, 6, 1, 4, tzinfo=UTC))

    june = billed(session, sale, now=JULY_2)

    assert [told(line) for line in lines_of(session, june)] == [
        (LineKind.USAGE, date(2026, 6, 1), 7, 7),
        (LineKind.LATE, date(2026, 5, 1), 23, 23),
    ]
    assert june.subtotal == usd(30)


def test_late_usage_is_billed_once(session: Session, make: Make) -> None:
    sale = sold(make)
    billed(session, sale)
    send(session, sale, "23", at=in_may(1))
    billed(session, sale, now=JULY_2)

    july = billed(session, sale, now=AUGUST_2)

    assert lines_of(session, july) == []


def test_late_usage_of_late_usage_adds_the_rest(session: Session, make: Make) -> None:
    sale = sold(make, {"model": "standard", "unit_price": "0.4"})
    billed(session, sale)
    amounts = []
    for now in (JULY_2, AUGUST_2, AUGUST_2 + timedelta(days=31)):
        send(session, sale, "1", at=in_may(now.month), now=now)
        (line,) = lines_of(session, billed(session, sale, now=now))
        amounts.append(line.amount_minor)

    # 0.4, 0.8 and 1.2 cents are 0, 1 and 1: the second is due with the second, nothing after.
    assert amounts == [0, 1, 0]


def test_the_working_takes_off_what_was_billed(session: Session, make: Make) -> None:
    sale = sold(make)
    send(session, sale, "100", at=in_may(0))
    billed(session, sale)
    send(session, sale, "23", at=in_may(1))

    (line,) = lines_of(session, billed(session, sale, now=JULY_2))

    assert [(tier.get("basis"), tier["amount"]) for tier in line.tiers] == [
        (None, "123"),
        ("billed", "-100"),
    ]


def test_a_cheaper_tier_gives_a_credit(session: Session, make: Make) -> None:
    sale = sold(make, VOLUME)
    send(session, sale, "100", at=in_may(0))
    assert billed(session, sale).subtotal == usd(1000)
    send(session, sale, "1", at=in_may(1))
    send(session, sale, "50", at=datetime(2026, 6, 1, 4, tzinfo=UTC))

    june = billed(session, sale, now=JULY_2)

    # 101 units at 9 are 909.
    assert [told(line) for line in lines_of(session, june)] == [
        (LineKind.USAGE, date(2026, 6, 1), 50, 500),
        (LineKind.LATE, date(2026, 5, 1), 1, -91),
    ]
    assert june.subtotal == usd(409)


def test_a_credit_that_does_not_fit_waits_for_the_next_invoice(
    session: Session, make: Make
) -> None:
    sale = sold(make, VOLUME)
    send(session, sale, "100", at=in_may(0))
    billed(session, sale)
    send(session, sale, "1", at=in_may(1))
    send(session, sale, "9", at=datetime(2026, 6, 1, 4, tzinfo=UTC))

    june = billed(session, sale, now=JULY_2)
    send(session, sale, "10", at=datetime(2026, 7, 5, 4, tzinfo=UTC), now=AUGUST_2)
    july = billed(session, sale, now=AUGUST_2)

    assert june.subtotal == usd(90)
    assert july.subtotal == usd(9)


def test_a_commitment_covers_late_usage_first(session: Session, make: Make) -> None:
    metric = make.metric()
    price = {"metric": metric.code, "model": "standard", "unit_price": "1"}
    content = {"currencies": {"USD": [price]}, "commitments": {"USD": "1000"}}
    sale = Sold(metric, make.contract(make.rate_card_version(content)))
    send(session, sale, "400", at=in_may(0))
    billed(session, sale)
    send(session, sale, "700", at=in_may(1))

    june = billed(session, sale, now=JULY_2)

    # May comes to 11.00 in all, of which the commitment had 6.00.
    assert [told(line) for line in lines_of(session, june)] == [
        (LineKind.COMMITMENT, date(2026, 6, 1), 0, 1000),
        (LineKind.LATE, date(2026, 5, 1), 700, 700),
        (LineKind.COMMITMENT, date(2026, 5, 1), 0, -600),
    ]


def test_late_usage_has_the_prices_of_its_invoice(session: Session, make: Make) -> None:
    sale = sold(make)
    billed(session, sale)
    dearer = make.priced_at(sale.metric, "5")
    sale.contract.rate_card_version_id = dearer.id
    send(session, sale, "10", at=in_may(0))
    send(session, sale, "10", at=datetime(2026, 6, 1, 4, tzinfo=UTC))
    session.flush()

    june = billed(session, sale, now=JULY_2)

    assert [line.amount_minor for line in lines_of(session, june)] == [50, 10]


def test_what_a_later_version_prices_stays_unpriced_where_it_was(
    session: Session, make: Make
) -> None:
    sale, stray = sold(make), make.metric()
    strays = Sold(stray, sale.contract)
    send(session, strays, "9", at=in_may(0))
    billed(session, sale)
    sale.contract.rate_card_version_id = make.priced_at(stray, "5").id
    send(session, sale, "10", at=in_may(1))

    june = billed(session, sale, now=JULY_2)

    assert [told(line) for line in lines_of(session, june)] == [
        (LineKind.LATE, date(2026, 5, 1), 10, 10)
    ]


def test_the_highest_value_may_come_late(session: Session, make: Make) -> None:
    metric = make.metric(aggregation=Aggregation.MAX)
    sale = Sold(metric, make.contract(make.priced_at(metric, "10")))
    send(session, sale, "20", at=in_may(0))
    billed(session, sale)
    send(session, sale, "25", at=in_may(1))
    send(session, sale, "3", at=in_may(2))

    (line,) = lines_of(session, billed(session, sale, now=JULY_2))

    assert (int(line.quantity), line.events, line.amount_minor) == (5, 2, 50)


def test_a_void_invoice_counts_as_billed(session: Session, make: Make) -> None:
    sale = sold(make)
    send(session, sale, "100", at=in_may(0))
    may = billed(session, sale)
    collection.void(session, may, reason="Sent to the wrong company", now=NOON)
    send(session, sale, "23", at=in_may(1))

    assert billed(session, sale, now=JULY_2).subtotal == usd(23)


def test_a_preview_shows_late_usage(session: Session, make: Make) -> None:
    sale = sold(make)
    billed(session, sale)
    send(session, sale, "23", at=in_may(1))
    session.refresh(sale.contract)

    preview = previews.preview(session, sale.contract, rates=RATES, now=NOON)

    assert preview is not None
    assert [(line.kind, line.amount) for line in preview.lines] == [(LineKind.LATE, usd(23))]


def test_usage_within_the_grace_is_not_late(session: Session, make: Make) -> None:
    sale = sold(make)
    invoice = drafted(session, sale)

    assert send(session, sale, "23", at=in_may(1)) is Outcome.ACCEPTED
    invoicing.finalize(session, invoice.id, rates=RATES, now=NOON)

    assert invoice.subtotal == usd(23)


def ended(make: Make, price: dict[str, Any] | None = None) -> Sold:
    """Sell to a customer whose contract ends with May."""
    return sold(make, price or {"model": "standard", "unit_price": "1"}, ends_on=date(2026, 6, 1))


def run(transaction: Transaction, *, now: datetime) -> tuple[int, int, int]:
    row = runs.run_due(transaction, RATES, trigger=RunTrigger.SCHEDULE, now=now)
    assert row.last_error is None
    return row.drafted, row.finalized, row.failed


CLOSED = NOON + timedelta(days=401)


def test_an_ended_contract_gets_one_invoice_when_no_more_can_come(
    transaction: Transaction, reader: Engine
) -> None:
    with transaction() as session:
        sale = ended(Make(session))
        merchant_id = sale.contract.merchant_id
    assert run(transaction, now=NOON) == (1, 1, 0)
    with transaction() as session:
        send(session, sale, "23", at=in_may(0))
        send(session, sale, "7", at=in_may(1), now=NOON + timedelta(days=100))

    assert run(transaction, now=CLOSED - timedelta(days=2)) == (0, 0, 0)
    assert merchant_id in due(reader, now=CLOSED)
    assert run(transaction, now=CLOSED) == (1, 1, 0)
    assert merchant_id not in due(reader, now=CLOSED)
    assert run(transaction, now=CLOSED + timedelta(days=60)) == (0, 0, 0)

    with transaction() as session:
        (_may, late_invoice) = all_invoices(session)
        assert late_invoice.kind is InvoiceKind.LATE
        assert late_invoice.subtotal == usd(30)
        assert [told(line) for line in lines_of(session, late_invoice)] == [
            (LineKind.LATE, date(2026, 5, 1), 30, 30)
        ]


def due(reader: Engine, *, now: datetime) -> list[int]:
    with begin(reader, None) as session:
        return runs.due_merchants(session, now=now)


def test_an_ended_contract_without_late_usage_gets_none(transaction: Transaction) -> None:
    with transaction() as session:
        ended(Make(session))
    run(transaction, now=NOON)

    assert run(transaction, now=CLOSED) == (0, 0, 0)

    with transaction() as session:
        assert len(all_invoices(session)) == 1
        assert session.scalars(select(Contract)).one().late_from is None


def test_a_credit_at_the_end_makes_no_invoice(transaction: Transaction, reader: Engine) -> None:
    with transaction() as session:
        sale = ended(Make(session), VOLUME)
        send(session, sale, "100", at=in_may(0))
    run(transaction, now=NOON)
    with transaction() as session:
        send(session, sale, "1", at=in_may(1))

    assert run(transaction, now=CLOSED) == (0, 0, 0)

    with transaction() as session:
        contract = session.scalars(select(Contract)).one()
        assert contract.late_from is None
        assert contract.merchant_id not in due(reader, now=CLOSED)


PRICES: list[dict[str, Any]] = [
    VOLUME,
    {"model": "standard", "unit_price": "0.37", "free_units": "20", "minimum_amount": "9"},
    {"model": "package", "package_size": "7", "package_price": "33", "group_by": ["model"]},
    VOLUME
    | {
        "share_tiers": True,
        "filters": [{"match": {"model": ["a"]}} | VOLUME],
    },
]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_all_lines_of_a_period_come_to_what_all_its_usage_costs(
    engine: Engine, data: st.DataObject
) -> None:
    transaction = partial(begin, engine, Make.new_merchant_id())
    price = data.draw(st.sampled_from(PRICES))
    aggregation = data.draw(st.sampled_from([Aggregation.SUM, Aggregation.MAX, Aggregation.LAST]))
    commitment = data.draw(st.sampled_from(["0", "300"]))
    with transaction() as session:
        make = Make(session)
        make.merchant()
        metric = make.metric(aggregation=aggregation, dimensions={"model": None})
        content = {
            "currencies": {"USD": [{"metric": metric.code} | price]},
            "commitments": {"USD": commitment},
        }
        sale = Sold(metric, make.contract(make.rate_card_version(content)))
    serial = 0
    for now in (NOON, JULY_2, AUGUST_2):
        usage = st.tuples(st.integers(0, 91), st.integers(0, 130), st.sampled_from("ab"))
        for day, quantity, model in data.draw(st.lists(usage, max_size=5)):
            serial += 1
            at = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=day, seconds=serial)
            if at <= now:
                with transaction() as session:
                    send(session, sale, str(quantity), at=at, now=now, model=model)
        run(transaction, now=now)

    with transaction() as session:
        assert all(invoice.subtotal_minor >= 0 for invoice in all_invoices(session))
        assert_periods_add_up(session)


def assert_periods_add_up(session: Session) -> None:
    """Check that each period is billed in full, or that its credit waits with the contract."""
    contract = session.scalars(select(Contract)).one()
    amounts: dict[date, int] = defaultdict(int)
    for line in session.scalars(select(InvoiceLine)):
        amounts[line.period_from] += line.amount_minor
    invoices = session.scalars(select(Invoice).where(Invoice.status != InvoiceStatus.DRAFT))
    for invoice in invoices:
        whole = sum(
            line.amount.minor
            for line in rate_period(Desk(session), scope_of_invoice(contract, invoice))
        )
        waits = contract.late_from is not None and contract.late_from < invoice.period_to
        assert amounts[invoice.period_from] == whole or (
            waits and amounts[invoice.period_from] > whole
        )
