"""A contract moves from period to period until its end, and no invoiced day is ever cut off."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.core.periods import Cycle, Unit, local_midnight
from app.core.states import IllegalMove
from app.customers import contracts, overlap
from app.customers.models import Contract, ContractStatus
from tests.make import NOON, Make

SHANGHAI = ZoneInfo("Asia/Shanghai")
JUNE_1 = datetime(2026, 5, 31, 16, tzinfo=UTC)
JULY_1 = datetime(2026, 6, 30, 16, tzinfo=UTC)


@pytest.fixture
def contract(make: Make) -> Contract:
    """Return a calendar contract since May 1 with May not yet invoiced; today is June 2."""
    return make.contract(make.priced_at(make.metric(), "1"))


def test_an_end_within_the_open_period_cuts_it(session: Session, contract: Contract) -> None:
    contracts.end_contract(session, contract.id, ends_on=date(2026, 5, 20), now=NOON)

    assert contract.ends_on == date(2026, 5, 20)
    assert contract.due_at == datetime(2026, 5, 19, 16, tzinfo=UTC)
    assert contract.status is ContractStatus.ENDED


def test_an_end_to_come_leaves_the_contract_running(session: Session, contract: Contract) -> None:
    contracts.end_contract(session, contract.id, ends_on=date(2026, 7, 20), now=NOON)

    assert (contract.status, contract.due_at) == (ContractStatus.ACTIVE, JUNE_1)


def test_the_last_period_ends_with_the_contract(session: Session, contract: Contract) -> None:
    contracts.end_contract(session, contract.id, ends_on=date(2026, 6, 20), now=NOON)

    contracts.advance_period(contract, zone=SHANGHAI)
    assert contract.next_period_at == JUNE_1
    assert contract.due_at == datetime(2026, 6, 19, 16, tzinfo=UTC)

    contracts.advance_period(contract, zone=SHANGHAI)
    assert contract.open_period is None
    assert contract.status is ContractStatus.ENDED


def test_an_end_on_the_first_day_leaves_nothing_to_invoice(
    session: Session, contract: Contract
) -> None:
    contracts.end_contract(session, contract.id, ends_on=date(2026, 5, 1), now=NOON)

    assert contract.open_period is None
    assert contract.status is ContractStatus.ENDED


def test_a_contract_to_come_is_called_off(session: Session, make: Make) -> None:
    contract = make.contract(
        make.priced_at(make.metric(), "1"),
        starts_on=date(2026, 7, 1),
        next_period_at=JULY_1,
        due_at=datetime(2026, 7, 31, 16, tzinfo=UTC),
    )

    contracts.end_contract(session, contract.id, ends_on=date(2026, 7, 1), now=NOON)

    assert contract.open_period is None
    assert contract.status is ContractStatus.ENDED


def test_a_contract_called_off_bars_no_day(session: Session, contract: Contract) -> None:
    contracts.end_contract(session, contract.id, ends_on=date(2026, 5, 1), now=NOON)

    again = contracts.create_contract(
        session,
        customer_id=contract.customer_id,
        rate_card_version_id=contract.rate_card_version_id,
        currency=contract.currency,
        cycle=contract.cycle,
        starts_on=date(2026, 4, 1),
        now=NOON,
    )

    assert again.status is ContractStatus.ACTIVE


def test_an_ended_contract_still_bars_its_days(session: Session, contract: Contract) -> None:
    contracts.end_contract(session, contract.id, ends_on=date(2026, 5, 20), now=NOON)

    with pytest.raises(overlap.ContractOverlap):
        contracts.create_contract(
            session,
            customer_id=contract.customer_id,
            rate_card_version_id=contract.rate_card_version_id,
            currency=contract.currency,
            cycle=contract.cycle,
            starts_on=date(2026, 5, 19),
            now=NOON,
        )


def test_an_invoiced_period_is_not_cut(session: Session, contract: Contract) -> None:
    contracts.advance_period(contract, zone=SHANGHAI)
    session.flush()  # ending reads the row again

    with pytest.raises(contracts.PeriodInvoiced) as refused:
        contracts.end_contract(session, contract.id, ends_on=date(2026, 5, 31), now=NOON)

    assert refused.value.code == "period_invoiced"
    contracts.end_contract(session, contract.id, ends_on=date(2026, 6, 1), now=NOON)
    assert contract.open_period is None


def test_an_end_is_brought_forward_never_put_off(session: Session, contract: Contract) -> None:
    contracts.end_contract(session, contract.id, ends_on=date(2026, 7, 20), now=NOON)
    contracts.end_contract(session, contract.id, ends_on=date(2026, 7, 10), now=NOON)

    with pytest.raises(contracts.EndPutOff) as refused:
        contracts.end_contract(session, contract.id, ends_on=date(2026, 7, 11), now=NOON)

    assert refused.value.code == "contract_end_put_off"
    assert contract.ends_on == date(2026, 7, 10)


def test_ending_twice_on_one_day_is_ending_once(session: Session, contract: Contract) -> None:
    for _ in range(2):
        contracts.end_contract(session, contract.id, ends_on=date(2026, 5, 20), now=NOON)

    with pytest.raises(IllegalMove):
        contracts.end_contract(session, contract.id, ends_on=date(2026, 5, 19), now=NOON)


@pytest.mark.parametrize("ends_on", [date(2026, 4, 30), date.min, date.max])
def test_an_impossible_end_is_refused(session: Session, contract: Contract, ends_on: date) -> None:
    with pytest.raises(contracts.InvalidDates) as refused:
        contracts.end_contract(session, contract.id, ends_on=ends_on, now=NOON)

    assert refused.value.path == "ends_on"


def test_a_new_time_zone_takes_effect_where_the_last_period_ended(contract: Contract) -> None:
    contracts.advance_period(contract, zone=ZoneInfo("America/New_York"))

    assert contract.next_period_at == JUNE_1
    assert contract.due_at == datetime(2026, 7, 1, 4, tzinfo=UTC)


def test_a_contract_with_nothing_to_invoice_does_not_advance(contract: Contract) -> None:
    contract.next_period_at = contract.due_at = None

    with pytest.raises(ValueError, match="no open period"):
        contracts.advance_period(contract, zone=SHANGHAI)


MOST_DAYS = {Unit.WEEK: 7, Unit.MONTH: 31, Unit.QUARTER: 92, Unit.HALF_YEAR: 184, Unit.YEAR: 366}


@given(
    cycle=st.sampled_from(Cycle),
    starts_on=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    days=st.integers(1, 500),
)
def test_periods_cover_the_contract_without_gap_or_overlap(
    cycle: Cycle, starts_on: date, days: int
) -> None:
    ends_on = date.fromordinal(starts_on.toordinal() + days)
    first = contracts.first_period(cycle, starts_on, ends_on, zone=SHANGHAI)
    contract = Contract(
        cycle=cycle,
        starts_on=starts_on,
        ends_on=ends_on,
        anchor_on=starts_on,
        next_period_at=first.start_at,
        due_at=first.end_at,
        status=ContractStatus.ACTIVE,
    )

    invoiced = local_midnight(starts_on, SHANGHAI)
    while (period := contract.open_period) is not None:
        assert period.start_at == invoiced
        assert 1 <= period.days(SHANGHAI) <= MOST_DAYS[cycle.unit]
        invoiced = period.end_at
        contracts.advance_period(contract, zone=SHANGHAI)

    assert invoiced == local_midnight(ends_on, SHANGHAI)
    assert contract.status is ContractStatus.ENDED
