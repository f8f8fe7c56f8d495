"""Runs may overlap, repeat and fail in parts; each contract and period has one invoice."""

from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.billing import queries, runs
from app.billing.models import InvoiceStatus
from app.billing.run_models import InvoiceRun, RunTrigger
from app.core.db import Transaction, begin, merchant_of
from app.core.ids import Prefix, show
from app.core.money import Currency
from app.fx.fixture import FixtureRates
from app.fx.rates import Midpoint
from app.identity import clocks
from tests.billing.make import RATES, SilentRates, all_invoices, books, sold, use
from tests.make import NOON, Make

LATE_IN_GRACE = datetime(2026, 6, 1, 15, 59, 59, tzinfo=UTC)


def run(transaction: Transaction, *, now: datetime = NOON, limit: int = 1000) -> InvoiceRun:
    return runs.run_due(transaction, RATES, trigger=RunTrigger.SCHEDULE, now=now, limit=limit)


def made(row: InvoiceRun) -> tuple[int, int, int]:
    return row.drafted, row.finalized, row.failed


def everything(transaction: Transaction) -> list[object]:
    """Return all that billing wrote, as the database has it."""
    tables = ("invoices", "invoice_lines", "ledger_entries", "webhook_events", "outbox_jobs")
    with transaction() as session:
        rows = [session.execute(text(f"SELECT * FROM {name}")).all() for name in tables]
    return [sorted(map(repr, found)) for found in rows]


def test_a_run_drafts_then_waits_for_the_grace(transaction: Transaction) -> None:
    with transaction() as session:
        use(session, sold(Make(session)), "1")

    assert made(run(transaction, now=LATE_IN_GRACE)) == (1, 0, 0)
    assert made(run(transaction, now=LATE_IN_GRACE + timedelta(seconds=1))) == (0, 1, 0)


def test_a_second_run_changes_nothing(transaction: Transaction) -> None:
    with transaction() as session:
        use(session, sold(Make(session)), "12641")
    assert made(run(transaction)) == (1, 1, 0)
    before = everything(transaction)

    assert made(run(transaction)) == (0, 0, 0)

    assert everything(transaction) == before


def test_missed_months_are_caught_up(transaction: Transaction) -> None:
    with transaction() as session:
        sold(Make(session))

    result = run(transaction, now=datetime(2026, 9, 2, 4, tzinfo=UTC))

    assert made(result) == (4, 4, 0)
    with transaction() as session:
        assert [(row.period_from.month, row.number) for row in all_invoices(session)] == [
            (5, "LUM-2026-000001"),
            (6, "LUM-2026-000002"),
            (7, "LUM-2026-000003"),
            (8, "LUM-2026-000004"),
        ]


class Killed(BaseException):
    """What ends a process in the middle of its work."""


class KillingRates:
    """A source during one of whose answers the process dies: in the middle of an invoice."""

    def __init__(self, answer: int) -> None:
        self.left = answer

    def midpoint(self, currency: Currency, *, at: datetime) -> Midpoint:
        self.left -= 1
        if not self.left:
            raise Killed
        return RATES.midpoint(currency, at=at)


@pytest.mark.parametrize(("handful", "left"), [(1, 2), (2, 1), (50, 3)])
def test_what_a_killed_run_left_is_made_by_the_next(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch, handful: int, left: int
) -> None:
    monkeypatch.setattr(runs, "HANDFUL", handful)
    with transaction() as session:
        make = Make(session)
        for _ in range(3):
            use(session, sold(make), "100")
    # Two answers a handful, for prices and for settlement: of the second, or of the only one.
    killing = KillingRates(3 if handful < 3 else 1)

    with pytest.raises(Killed):
        runs.run_due(transaction, killing, trigger=RunTrigger.SCHEDULE, now=NOON)
    assert made(run(transaction)) == (0, left, 0)

    with transaction() as session:
        assert [row.number for row in all_invoices(session)] == [
            "LUM-2026-000001",
            "LUM-2026-000002",
            "LUM-2026-000003",
        ]
        assert books(session)["receivable"] == 3 * 716
        assert [row.ended_at is None for row in queries.list_runs(session).rows] == [False, True]


def what_came_of(transaction: Transaction) -> dict[str, list[tuple[object, ...]]]:
    """Return all that runs wrote, but for ids and instants of creation."""
    kept = {
        "invoices": "number, kind, status, period_from, period_to, subtotal_minor, tax_minor, "
        "total_minor, collection_minor, due_minor, platform_fee_minor, settlement_minor, due_at",
        "invoice_lines": "position, kind, description, quantity, amount_minor, tiers::text",
        "ledger_entries": "line, lines, book, currency, amount_minor",
        "webhook_events": "event_type, payload::jsonb #- '{id}' #- '{objectId}' "
        "#- '{data,invoiceId}' #- '{data,customerId}' #- '{data,contractId}' "
        "#- '{data,customerExternalId}'",
        "outbox_jobs": "task, due_at",
    }
    with transaction() as session:
        return {
            table: sorted(
                tuple(map(str, row))
                for row in session.execute(text(f"SELECT {columns} FROM {table}"))
            )
            for table, columns in kept.items()
        }


def test_a_handful_makes_what_each_alone_would(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = []
    for handful in (1, 4, 50):
        monkeypatch.setattr(runs, "HANDFUL", handful)
        transaction = partial(begin, engine, Make.new_merchant_id())
        with transaction() as session:
            make = Make(session)
            make.merchant()
            for number in range(9):
                starts_on = date(2026, 3 + number % 3, 1 + number)
                sale = sold(make, starts_on=starts_on, anchor_on=starts_on)
                use(session, sale, str(100 * number), on=date(2026, 5, 20))
        run(transaction)
        came.append(what_came_of(transaction))

    assert came[0]["invoices"]
    assert came[0] == came[1] == came[2]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=st.lists(st.integers(-24 * 30, 24 * 120), max_size=4))
def test_whenever_it_runs_each_period_gets_one_invoice(engine: Engine, hours: list[int]) -> None:
    transaction = partial(begin, engine, Make.new_merchant_id())
    with transaction() as session:
        make = Make(session)
        make.merchant()
        for sale in (sold(make), sold(make)):
            use(session, sale, "100", on=date(2026, 7, 31))

    for hour in hours:
        run(transaction, now=NOON + timedelta(hours=hour))
    run(transaction, now=NOON + timedelta(days=120))

    with transaction() as session:
        invoices = all_invoices(session)
        assert [row.period_from.month for row in invoices] == [5, 5, 6, 6, 7, 7, 8, 8]
        assert [row.subtotal_minor for row in invoices] == [0, 0, 0, 0, 100, 100, 0, 0]
        assert sorted(row.number or "" for row in invoices) == [
            f"LUM-2026-{number:06d}" for number in range(1, 9)
        ]
        assert books(session)["receivable"] == 2 * 716


def test_a_missing_rate_leaves_a_draft_that_is_tried_again(transaction: Transaction) -> None:
    with transaction() as session:
        use(session, sold(Make(session)), "1")

    failed = runs.run_due(transaction, SilentRates(), trigger=RunTrigger.ADMIN, now=NOON)

    with transaction() as session:
        (draft,) = all_invoices(session)
    assert made(failed) == (1, 0, 1)
    assert failed.last_error is not None
    assert failed.last_error.startswith(f"{show(Prefix.INVOICE, draft.id)}: NoRate: ")
    assert draft.status is InvoiceStatus.DRAFT
    assert made(run(transaction, now=NOON + timedelta(minutes=9))) == (0, 0, 0)
    assert made(run(transaction, now=NOON + timedelta(minutes=10))) == (0, 1, 0)


def test_one_contract_that_fails_does_not_stop_the_others(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        poisoned = sold(make, {"model": "standard", "unit_price": "1000000"})
        use(session, poisoned, "10000001")
        sold(make)

    result = run(transaction)

    assert made(result) == (1, 1, 1)
    assert result.last_error is not None
    assert show(Prefix.CONTRACT, poisoned.contract.id) in result.last_error
    assert "LineTooLarge" in result.last_error


def test_a_run_says_how_far_it_is(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "TELLS_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(runs, "HANDFUL", 1)
    seen = []
    with transaction() as session:
        make = Make(session)
        for _ in range(3):
            sold(make)

    class Watching(FixtureRates):
        def midpoint(self, currency: Currency, *, at: datetime) -> Midpoint:
            with transaction() as session:
                (row,) = queries.list_runs(session).rows
                seen.append((row.done, row.total, row.ended_at))
            return super().midpoint(currency, at=at)

    ended = runs.run_due(transaction, Watching(), trigger=RunTrigger.ADMIN, now=NOON)

    assert sorted(set(seen)) == [(3, 6, None), (4, 6, None), (5, 6, None)]
    assert (ended.done, ended.total) == (6, 6)


def test_a_contract_that_fails_is_left_alone_for_a_while(
    transaction: Transaction, reader: Engine
) -> None:
    with transaction() as session:
        merchant_id = merchant_of(session)
        make = Make(session)
        poisoned = sold(make, {"model": "standard", "unit_price": "1000000"})
        use(session, poisoned, "10000001")
    assert run(transaction).failed == 1

    soon, later = NOON + timedelta(minutes=9), NOON + timedelta(minutes=10)

    assert merchant_id not in due(reader, now=soon)
    assert merchant_id in due(reader, now=later)


def test_a_limited_run_leaves_the_rest_due(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        for _ in range(3):
            sold(make)

    assert made(run(transaction, limit=2)) == (2, 2, 0)
    assert made(run(transaction, limit=2)) == (1, 1, 0)


def test_chunks_miss_nobody(transaction: Transaction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "CHUNK", 2)
    with transaction() as session:
        make = Make(session)
        for _ in range(5):
            sold(make)

    assert made(run(transaction)) == (5, 5, 0)


def test_a_run_ends_in_real_time_and_remembers_the_merchants(transaction: Transaction) -> None:
    result = run(transaction)

    assert result.as_of == NOON
    assert result.ended_at is not None
    assert result.started_at <= result.ended_at


def due(reader: Engine, *, now: datetime) -> list[int]:
    with begin(reader, None) as session:
        return runs.due_merchants(session, now=now)


def test_a_merchant_is_due_by_his_own_clock(transaction: Transaction, reader: Engine) -> None:
    ahead = timedelta(days=10)
    with transaction() as session:
        clocks.get_merchant(session).clock_offset = ahead
        sold(Make(session))
        merchant_id = merchant_of(session)
    month_ends = datetime(2026, 5, 31, 16, tzinfo=UTC)

    assert merchant_id not in due(reader, now=month_ends - ahead - timedelta(seconds=1))
    assert merchant_id in due(reader, now=month_ends - ahead)


def test_a_merchant_with_a_draft_is_due_when_its_grace_is_over(
    transaction: Transaction, reader: Engine
) -> None:
    with transaction() as session:
        sold(Make(session))
        merchant_id = merchant_of(session)
    run(transaction, now=LATE_IN_GRACE)

    assert merchant_id not in due(reader, now=LATE_IN_GRACE)
    assert merchant_id in due(reader, now=NOON)
    run(transaction)
    assert merchant_id not in due(reader, now=NOON)


def numbers(session: Session) -> list[str | None]:
    return [row.number for row in all_invoices(session)]


def test_two_merchants_count_for_themselves(engine: Engine, transaction: Transaction) -> None:
    other = Make.new_merchant_id()
    with begin(engine, other) as session:
        Make(session).merchant(invoice_prefix="ACM")
        sold(Make(session))
    with transaction() as session:
        sold(Make(session))

    run(transaction)
    run(lambda: begin(engine, other))

    with transaction() as session:
        assert numbers(session) == ["LUM-2026-000001"]
    with begin(engine, other) as session:
        assert numbers(session) == ["ACM-2026-000001"]
