"""The many contracts of a version go over to another one in the background, each once."""

from collections.abc import Callable
from datetime import date

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.core import clock
from app.core.db import Transaction
from app.core.ids import new_id
from app.customers import versions
from app.customers.models import Contract, Customer
from app.pricing.models import RateCardVersion
from jobs import relay
from tests.make import ADA, NOON, Make

MANY = 1_001
NEXT_YEAR = date(2099, 1, 1)


def sell(session: Session) -> tuple[RateCardVersion, RateCardVersion]:
    """Put a contract each for many customers on the first of two versions."""
    make = Make(session)
    first = make.priced_at(make.metric(code="runs"), "1")
    second = make.rate_card_version(first.content, rate_card_id=first.rate_card_id, number=2)
    buyer, contract = make.customer(), make.contract(first)
    rows = [(new_id(), new_id()) for _ in range(MANY - 1)]
    copied = {"merchant_id": buyer.merchant_id, "created_at": NOON}
    session.execute(
        insert(Customer),
        [
            copied | {"id": customer_id, "external_id": f"user_{customer_id}", "name": "Buyer"}
            for customer_id, _ in rows
        ],
    )
    same = (
        "rate_card_version_id",
        "currency",
        "cycle",
        "starts_on",
        "anchor_on",
        "next_period_at",
        "due_at",
    )
    copied |= {name: getattr(contract, name) for name in same}
    session.execute(
        insert(Contract),
        [copied | {"id": number, "customer_id": customer_id} for customer_id, number in rows],
    )
    return first, second


def test_a_job_schedules_what_is_too_much_at_once(
    transaction: Transaction, work: Callable[[], None]
) -> None:
    with transaction() as session:
        first, second = sell(session)
        done = versions.schedule_for_version(
            session,
            first.id,
            to_version_id=second.id,
            on=NEXT_YEAR,
            actor=ADA,
            now=clock.now(),
        )
    assert (done.is_queued, done.scheduled) == (True, 0)

    relay.relay()
    work()

    with transaction() as session:
        scheduled = Contract.next_version_id == second.id, Contract.next_version_on == NEXT_YEAR
        count = select(func.count()).select_from(Contract).where(*scheduled)
        assert session.scalars(count).one() == MANY
        written = select(AuditEntry).where(AuditEntry.action == versions.ALL_SCHEDULED)
        chunks = session.scalars(written.order_by(AuditEntry.id)).all()
        assert [chunk.after["scheduled"] for chunk in chunks] == [1_000, 1]
        assert {chunk.actor_name for chunk in chunks} == {"ada@lumen.example"}
