"""What was sent by mistake is taken back once, wholly, and only before it is invoiced."""

import threading
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.core.db import Transaction, get_locked
from app.core.ids import Prefix, show
from app.customers.models import Contract, Customer
from app.metering import days, queries
from app.metering.models import EVERY_SERIES, UsageDay, UsageEvent, UsageRollup, UsageVoid
from app.metering.queries import EventOutcome
from app.metering.rollups import wrong_rollups
from app.metering.voiding import InvalidReason, VoidBatchSize, VoidOutcome, void_events
from app.pricing.models import Aggregation
from tests.make import ADA, NOON, Make
from tests.metering.conftest import Event, answers, furnish, send
from tests.metering.stored import SHANGHAI, Shelf, may
from tests.metering.test_rollups import await_waiting

VOIDED, REPEATED, UNKNOWN = VoidOutcome.VOIDED, VoidOutcome.REPEATED, VoidOutcome.UNKNOWN
INVOICED, CORRECTED = VoidOutcome.INVOICED, VoidOutcome.CORRECTED


@pytest.fixture
def shelf(session: Session) -> Shelf:
    return Shelf(session)


@pytest.fixture
def customer(make: Make) -> Customer:
    return make.customer()


def void(session: Session, *events: UsageEvent | str) -> list[VoidOutcome]:
    keys = [event if isinstance(event, str) else event.idempotency_key for event in events]
    return void_events(session, keys, reason="sent twice", actor=ADA, zone=SHANGHAI, now=NOON)


def rollups(session: Session) -> list[tuple[Decimal, int, Decimal, Decimal]]:
    session.expire_all()
    rows = session.scalars(select(UsageRollup).order_by(UsageRollup.day))
    return [(row.quantity, row.events, row.maximum, row.last_quantity) for row in rows]


def test_a_voided_event_is_in_no_count_any_more(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = make.metric()
    shelf.add(metric, "5", at=may(3, 1), customer=customer)
    highest = shelf.add(metric, "9", at=may(3, 2), customer=customer)
    alone = shelf.add(metric, "1", at=may(4), customer=customer)
    days.recount_days(session, days.every_day(session))

    assert void(session, highest, alone) == [VOIDED, VOIDED]

    assert rollups(session) == [(Decimal(5), 1, Decimal(5), Decimal(5))]
    in_charts = select(UsageDay.day, UsageDay.quantity).where(UsageDay.series_id == EVERY_SERIES)
    assert session.execute(in_charts).all() == [(date(2026, 5, 3), Decimal(5))]
    assert not wrong_rollups(session, zone=SHANGHAI)
    assert not days.wrong_days(session)


def test_the_event_stays_and_says_who_took_it_back(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    event = shelf.add(make.metric(), "5", at=may(3), customer=customer)
    void(session, event)

    listed = queries.get_event(session, event.id)

    assert listed.outcome is EventOutcome.VOIDED
    assert listed.void
    assert (listed.void.reason, listed.void.actor) == ("sent twice", "ada@lumen.example")
    (entry,) = session.scalars(select(AuditEntry))
    assert (entry.action, entry.subject) == (
        "usage_event.voided",
        show(Prefix.USAGE_EVENT, event.id),
    )


def test_voiding_again_changes_nothing(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    event = shelf.add(make.metric(), "5", at=may(3), customer=customer)
    void(session, event)

    assert void(session, event, event, "nobody", "\0") == [REPEATED, REPEATED, UNKNOWN, UNKNOWN]
    assert len(session.scalars(select(UsageVoid)).all()) == 1
    assert len(session.scalars(select(AuditEntry)).all()) == 1


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, VOIDED),
        ({"billed_to": may(3, 12)}, VOIDED),
        ({"billed_to": may(4, 0)}, INVOICED),
        ({"billed_to": may(9, 0), "ends_on": date(2026, 5, 3)}, VOIDED),  # another's day
        ({"billed_to": may(9, 0), "ends_on": date(2026, 5, 4)}, INVOICED),
    ],
)
def test_what_is_invoiced_is_not_taken_back(
    session: Session,
    make: Make,
    shelf: Shelf,
    customer: Customer,
    *,
    changes: dict[str, date | datetime],
    outcome: VoidOutcome,
) -> None:
    metric = make.metric()
    version = make.priced_at(metric, "1")
    make.contract(version, customer_id=customer.id, **changes)
    make.contract(version, billed_to=NOON)  # somebody else's
    event = shelf.add(metric, "5", at=may(3, 12), customer=customer)

    assert void(session, event) == [outcome]
    assert len(rollups(session)) == (1 if outcome is INVOICED else 0)


def test_an_event_is_voided_with_its_corrections_or_after_them(
    session: Session, make: Make, shelf: Shelf, customer: Customer
) -> None:
    metric = make.metric()
    first = shelf.add(metric, "5", at=may(3), customer=customer)
    second = shelf.add(metric, "-2", at=may(4), customer=customer, corrects=first)
    third = shelf.add(metric, "1", at=may(5), customer=customer, corrects=second)

    assert void(session, first, second) == [CORRECTED, CORRECTED]
    assert void(session, third) == [VOIDED]
    assert void(session, first, second) == [VOIDED, VOIDED]
    assert not rollups(session)


def test_a_void_says_why_and_has_a_size(session: Session) -> None:
    for reason in ("", "x" * 501, "\0"):
        with pytest.raises(InvalidReason):
            void_events(session, ["a"], reason=reason, actor=ADA, zone=SHANGHAI, now=NOON)
    for keys in ([], ["a"] * 501):
        with pytest.raises(VoidBatchSize):
            void_events(session, keys, reason="x", actor=ADA, zone=SHANGHAI, now=NOON)


@given(
    sent=st.lists(
        st.tuples(
            st.integers(0, 9), st.integers(0, 5), st.sampled_from(["gpt-5", "qwen"]), st.booleans()
        ),
        max_size=8,
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rollups_are_what_is_left(
    session: Session, make: Make, sent: list[tuple[int, int, str, bool]]
) -> None:
    with session.begin_nested() as outer:
        shelf, customer = Shelf(session), make.customer()
        metric = make.metric(aggregation=Aggregation.MAX, dimensions={"model": None})
        taken_back = [
            event
            for quantity, hours, model, is_void in sent
            for event in [
                shelf.add(
                    metric,
                    str(quantity),
                    at=may(3, 22) + timedelta(hours=hours),
                    customer=customer,
                    dimensions={"model": model},
                )
            ]
            if is_void
        ]
        if taken_back:
            assert set(void(session, *taken_back)) == {VOIDED}

        assert not wrong_rollups(session, zone=SHANGHAI)
        outer.rollback()
    session.expunge_all()  # what was rolled back is not to be seen by the next example


def test_an_invoice_that_is_being_finalised_is_waited_for(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        metric, customer = make.metric(), make.customer()
        contract = make.contract(make.priced_at(metric, "1"), customer_id=customer.id)
        event = Shelf(session).add(metric, "5", at=may(3), customer=customer)
    outcomes: list[VoidOutcome] = []

    def take_back() -> None:
        with transaction() as session:
            outcomes.extend(void(session, event))

    thread = threading.Thread(target=take_back)
    with transaction() as session:
        get_locked(session, Contract, contract.id, noun="contract")
        thread.start()
        await_waiting(transaction, 1)
        session.execute(update(Contract).values(billed_to=may(4)))
    thread.join(30)

    assert outcomes == [INVOICED]


def test_what_arrives_while_others_are_taken_back_is_counted(transaction: Transaction) -> None:
    with transaction() as session:
        furnish(session)
        send(session, Event("mistake", "5"), Event("other", "2"))
    counted: list[str] = []

    def write() -> None:
        with transaction() as session:
            counted.extend(answers(send(session, Event("new", "7"))))

    thread = threading.Thread(target=write)
    with transaction() as session:
        assert void(session, "mistake") == [VOIDED]
        thread.start()
        await_waiting(transaction, 1)
    thread.join(30)

    assert counted == ["accepted"]
    with transaction() as session:
        assert [row[:2] for row in rollups(session)] == [(Decimal(9), 2)]
        assert not wrong_rollups(session, zone=SHANGHAI)
