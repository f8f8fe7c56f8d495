"""A bill is written at the prices its period began with, whoever changes them meanwhile."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import invoicing
from app.billing.models import Invoice
from app.core.db import Transaction
from app.customers import queries, versions
from app.pricing.models import RateCardVersion
from tests.billing.make import Sold, billed, drafted, lines_of, sold, use
from tests.make import ADA, NOON, Make
from tests.pricing.races import race

JUNE = date(2026, 6, 1)


def dearer(make: Make, sale: Sold) -> RateCardVersion:
    """Add the version after the sale's, at two cents."""
    old = make.session.get_one(
        RateCardVersion, (sale.contract.merchant_id, sale.contract.rate_card_version_id)
    )
    price = {"metric": sale.metric.code, "model": "standard", "unit_price": "2"}
    content = {"currencies": {"USD": [price]}}
    return make.rate_card_version(content, rate_card_id=old.rate_card_id, number=2)


def schedule(session: Session, sale: Sold, version: RateCardVersion) -> None:
    versions.schedule_version(
        session, sale.contract.id, version_id=version.id, on=JUNE, actor=ADA, now=NOON
    )


def test_the_period_before_the_change_is_billed_at_the_old_prices(
    session: Session, make: Make
) -> None:
    sale = sold(make)
    new = dearer(make, sale)
    use(session, sale, "10", on=date(2026, 5, 31))
    use(session, sale, "10", on=JUNE)
    schedule(session, sale, new)

    may = billed(session, sale)
    june = drafted(session, sale, now=NOON.replace(month=7))

    assert [line.amount_minor for line in lines_of(session, may)] == [10]
    assert [line.amount_minor for line in lines_of(session, june)] == [20]
    assert june.rate_card_version_id == new.id
    assert june.rate_card == new.content


def test_a_change_scheduled_while_a_draft_is_made_is_not_lost(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        sale = sold(make)
        new = dearer(make, sale)
    old_id = sale.contract.rate_card_version_id

    def work(session: Session, runner: int) -> None:
        if runner:
            schedule(session, sale, new)
        else:
            invoicing.draft(session, sale.contract.id, now=NOON)

    _, refused = race(transaction, work)

    # Those who come after June took the version up have nothing left to schedule.
    assert set(refused) <= {"contract_on_this_version"}
    with transaction() as session:
        (invoice,) = session.scalars(select(Invoice)).all()
        contract = queries.get_contract(session, sale.contract.id)
        assert invoice.rate_card_version_id == old_id
        now = contract.rate_card_version_id, contract.next_version_id
        assert now in {(new.id, None), (old_id, new.id)}
