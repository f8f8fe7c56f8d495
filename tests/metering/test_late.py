"""An event belongs to a contract; what comes after its invoice is late, and is not forgotten."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.db import Transaction, get_locked
from app.customers.models import Contract, Customer
from app.metering.models import IngestTally, UsageEvent, UsageRollup
from app.pricing.models import RateCardVersion
from tests.make import NOON, Make
from tests.metering.conftest import Event, answers, furnish, send
from tests.metering.test_rollups import await_waiting

MAY, JUNE = datetime(2026, 4, 30, 16, tzinfo=UTC), datetime(2026, 5, 31, 16, tzinfo=UTC)


def bill(session: Session, to: datetime | None, *, open_from: datetime | None = None) -> Contract:
    """Say that the contract of user_42 is invoiced up to `to`, and drafted up to `open_from`."""
    contract = session.scalars(
        select(Contract)
        .join(Customer, Customer.id == Contract.customer_id)
        .where(Customer.external_id == "user_42")
    ).one()
    contract.billed_to, contract.next_period_at = to, open_from or to
    session.flush()  # the statements of ingestion do not know the session's objects
    return contract


def add_contract(session: Session, external_id: str, starts_on: date, ends_on: date | None) -> None:
    make = Make(session)
    version = session.scalars(select(RateCardVersion)).first()
    assert version is not None
    customer = make.customer(external_id=external_id)
    make.contract(version, customer_id=customer.id, starts_on=starts_on, ends_on=ends_on)


@pytest.mark.parametrize(
    ("instant", "answer"),
    [
        ("2026-05-09T15:59:59.999999Z", "no_contract"),
        ("2026-05-09T16:00:00Z", "accepted"),
        ("2026-05-19T15:59:59.999999Z", "accepted"),
        ("2026-05-19T16:00:00Z", "no_contract"),
    ],
)
def test_a_contract_covers_its_days_in_the_merchants_zone(
    shop: Session, instant: str, answer: str
) -> None:
    add_contract(shop, "short", date(2026, 5, 10), date(2026, 5, 20))
    happened = datetime.fromisoformat(instant)

    results = send(shop, Event(customer_external_id="short", occurred_at=happened))

    assert answers(results) == [answer]


def test_a_contract_that_ended_before_it_began_covers_nothing(shop: Session) -> None:
    add_contract(shop, "never", date(2026, 5, 10), date(2026, 5, 10))
    happened = datetime(2026, 5, 9, 16, tzinfo=UTC)

    results = send(shop, Event(customer_external_id="never", occurred_at=happened))

    assert answers(results) == ["no_contract"]


def test_an_event_after_its_invoice_is_late_and_counts(shop: Session) -> None:
    contract = bill(shop, JUNE)

    results = send(shop, Event("a", "1"), Event("b", "2", occurred_at=JUNE))

    assert answers(results) == ["late", "accepted"]
    shop.refresh(contract)
    assert contract.late_from == date(2026, 5, 25)
    marks = select(UsageEvent.is_late).order_by(UsageEvent.idempotency_key)
    assert shop.scalars(marks).all() == [True, False]
    assert sum(shop.scalars(select(UsageRollup.quantity))) == 3


def test_the_first_day_that_is_late_stays_noted(shop: Session) -> None:
    contract = bill(shop, JUNE)
    for key, day in enumerate((20, 25, 18, 19)):
        send(shop, Event(str(key), occurred_at=datetime(2026, 5, day, 15, 59, tzinfo=UTC)))

    shop.refresh(contract)
    assert contract.late_from == date(2026, 5, 18)


def test_a_late_event_sent_again_is_no_news(shop: Session) -> None:
    send(shop, Event())
    contract = bill(shop, JUNE)

    assert answers(send(shop, Event())) == ["duplicate"]
    shop.refresh(contract)
    assert contract.late_from is None


@pytest.mark.parametrize("billed_to", [None, MAY])
def test_what_comes_while_its_invoice_is_a_draft_is_in_time(
    shop: Session, billed_to: datetime | None
) -> None:
    contract = bill(shop, billed_to, open_from=JUNE)

    assert answers(send(shop, Event())) == ["accepted"]
    shop.refresh(contract)
    assert contract.late_from is None


def test_nothing_is_late_for_a_customer_whose_invoices_are_out_elsewhere(shop: Session) -> None:
    bill(shop, JUNE)

    assert answers(send(shop, Event(customer_external_id="user_43"))) == ["accepted"]


def test_what_was_not_plainly_accepted_is_tallied_once_a_request(shop: Session) -> None:
    bill(shop, JUNE)
    in_june = JUNE + timedelta(hours=1)
    send(shop, Event("plain", occurred_at=in_june))
    send(
        shop,
        Event("plain", occurred_at=in_june),
        Event("plain", "7", occurred_at=in_june),
        Event("late"),
        Event("dead", metric="hours"),
        Event("old", occurred_at=NOON - timedelta(days=36)),
        Event("fine", occurred_at=in_june),
    )

    tally = shop.scalars(select(IngestTally)).one()
    assert (tally.duplicates, tally.conflicts, tally.late) == (1, 1, 1)
    assert (tally.unmatched, tally.invalid) == (1, 1)


@contextmanager
def in_another_thread(transaction: Transaction, event: Event) -> Iterator[list[str]]:
    """Send an event beside what the block does, and wait for its answer at the end."""
    answered: list[str] = []

    def write() -> None:
        with transaction() as session:
            answered.extend(answers(send(session, event)))

    thread = threading.Thread(target=write)
    thread.start()
    yield answered
    thread.join(60)


def test_an_event_waits_for_the_invoice_that_is_being_finalised(transaction: Transaction) -> None:
    """It would else be neither on that invoice, whose usage was read, nor noted as late."""
    with transaction() as session:
        furnish(session)
        contract_id = bill(session, None, open_from=JUNE).id
    with transaction() as session:
        contract = get_locked(session, Contract, contract_id, noun="contract")
        with in_another_thread(transaction, Event()) as answered:
            await_waiting(transaction, 1)
            contract.billed_to = JUNE
            session.commit()

    assert answered == ["late"]
    with transaction() as session:
        assert session.scalars(select(Contract.late_from)).all().count(date(2026, 5, 25)) == 1


def test_an_event_of_the_open_period_waits_for_nobody(transaction: Transaction) -> None:
    with transaction() as session:
        furnish(session)
        contract_id = bill(session, JUNE).id
    with transaction() as session:
        get_locked(session, Contract, contract_id, noun="contract")
        with in_another_thread(transaction, Event(occurred_at=JUNE)) as answered:
            pass

        assert answered == ["accepted"]
