"""A contract binds a customer to one set of prices for some days, and no usage is billed twice."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core.db import Transaction, begin
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.money import Currency
from app.core.periods import Cycle
from app.customers import contracts, overlap, queries
from app.customers.models import Contract, ContractStatus, CustomerStatus
from app.identity.models import Mode
from app.pricing.models import CatalogStatus, Metric, RateCardVersion
from app.pricing.rate_cards import RateCardArchived
from tests.make import NOON, Make
from tests.pricing.races import race

TODAY = date(2026, 6, 2)


def midnight(day: str) -> datetime:
    """Return the instant at which a day begins in Shanghai."""
    return datetime.fromisoformat(f"{day}T00:00+08:00")


@pytest.fixture
def runs(make: Make) -> Metric:
    return make.metric(code="agent_runs")


@pytest.fixture
def version(make: Make, runs: Metric) -> RateCardVersion:
    """Return a version that prices agent runs in US dollars only."""
    return make.priced_at(runs, "1")


def create(session: Session, version: RateCardVersion, **terms: Any) -> Contract:
    defaults: dict[str, Any] = {
        "rate_card_version_id": version.id,
        "currency": Currency.USD,
        "cycle": Cycle.MONTHLY_CALENDAR,
        "starts_on": TODAY,
        "now": NOON,
    }
    terms.setdefault("customer_id", 0)
    terms["customer_id"] = (
        terms["customer_id"] or Make(session).customer(external_id=f"{new_id()}").id
    )
    return contracts.create_contract(session, **(defaults | terms))


def test_a_calendar_contract_opens_with_a_stub(session: Session, version: RateCardVersion) -> None:
    contract = create(session, version, starts_on=date(2026, 6, 15))

    assert queries.get_contract(session, contract.id) is contract
    assert (contract.status, contract.anchor_on) == (ContractStatus.ACTIVE, date(2026, 6, 15))
    assert (contract.next_period_at, contract.due_at) == (
        midnight("2026-06-15"),
        midnight("2026-07-01"),
    )


def test_an_anniversary_contract_opens_with_a_whole_month(
    session: Session, version: RateCardVersion
) -> None:
    contract = create(
        session, version, cycle=Cycle.MONTHLY_ANNIVERSARY, starts_on=date(2026, 6, 15)
    )

    assert (contract.next_period_at, contract.due_at) == (
        midnight("2026-06-15"),
        midnight("2026-07-15"),
    )


def test_a_contract_shorter_than_a_period_falls_due_at_its_end(
    session: Session, version: RateCardVersion
) -> None:
    contract = create(session, version, ends_on=date(2026, 6, 20))

    assert contract.due_at == midnight("2026-06-20")


@pytest.mark.parametrize(
    ("cycle", "first_due", "next_due"),
    [
        (Cycle.WEEKLY_CALENDAR, "2026-06-22", "2026-06-29"),  # the 17th is a Wednesday
        (Cycle.WEEKLY_ANNIVERSARY, "2026-06-24", "2026-07-01"),
        (Cycle.MONTHLY_CALENDAR, "2026-07-01", "2026-08-01"),
        (Cycle.MONTHLY_ANNIVERSARY, "2026-07-17", "2026-08-17"),
        (Cycle.QUARTERLY_CALENDAR, "2026-07-01", "2026-10-01"),
        (Cycle.QUARTERLY_ANNIVERSARY, "2026-09-17", "2026-12-17"),
        (Cycle.SEMIANNUAL_CALENDAR, "2026-07-01", "2027-01-01"),
        (Cycle.SEMIANNUAL_ANNIVERSARY, "2026-12-17", "2027-06-17"),
        (Cycle.YEARLY_CALENDAR, "2027-01-01", "2028-01-01"),
        (Cycle.YEARLY_ANNIVERSARY, "2027-06-17", "2028-06-17"),
    ],
)
def test_every_cycle_falls_due_in_its_own_time(
    session: Session, version: RateCardVersion, cycle: Cycle, first_due: str, next_due: str
) -> None:
    contract = create(session, version, cycle=cycle, starts_on=date(2026, 6, 17))

    assert contract.due_at == midnight(first_due)
    contracts.advance_period(contract, zone=ZoneInfo("Asia/Shanghai"))
    assert contract.due_at == midnight(next_due)


@pytest.mark.parametrize("ends_on", [date.min, date(2026, 6, 1), TODAY, date.max])
def test_an_impossible_end_is_refused(
    session: Session, version: RateCardVersion, ends_on: date
) -> None:
    with pytest.raises(contracts.InvalidDates) as refused:
        create(session, version, ends_on=ends_on)

    assert (refused.value.code, refused.value.path) == ("invalid_dates", "ends_on")


@pytest.mark.parametrize("starts_on", [date.min, date.max])
def test_an_impossible_start_is_refused(
    session: Session, version: RateCardVersion, starts_on: date
) -> None:
    with pytest.raises(contracts.InvalidDates) as refused:
        create(session, version, starts_on=starts_on)

    assert (refused.value.code, refused.value.path) == ("invalid_dates", "starts_on")


def test_a_live_contract_starts_today_at_the_earliest(engine: Engine) -> None:
    with begin(engine, Make.new_merchant_id()) as session:
        make = Make(session)
        make.merchant(mode=Mode.LIVE)
        version = make.priced_at(make.metric(), "1")

        with pytest.raises(contracts.StartsInThePast) as refused:
            create(session, version, starts_on=date(2026, 6, 1))

        assert refused.value.code == "starts_in_the_past"
        assert create(session, version, starts_on=TODAY).next_period_at == midnight("2026-06-02")


def test_today_is_the_merchants_today(engine: Engine) -> None:
    with begin(engine, Make.new_merchant_id()) as session:
        make = Make(session)
        make.merchant(mode=Mode.LIVE, time_zone="America/New_York")
        version = make.priced_at(make.metric(), "1")

        # Noon in Shanghai is midnight in New York, a second before it is still June 1 there.
        contract = create(
            session,
            version,
            starts_on=date(2026, 6, 1),
            now=datetime(2026, 6, 2, 3, 59, 59, tzinfo=UTC),
        )

        assert contract.next_period_at == datetime(2026, 6, 1, 4, tzinfo=UTC)


def test_a_sandbox_contract_may_start_in_the_past(
    session: Session, version: RateCardVersion
) -> None:
    assert create(session, version, starts_on=date(2026, 1, 1)).due_at == midnight("2026-02-01")


def test_a_currency_without_prices_is_refused(session: Session, version: RateCardVersion) -> None:
    with pytest.raises(contracts.CurrencyNotPriced) as refused:
        create(session, version, currency=Currency.CNY)

    assert (refused.value.code, refused.value.path) == ("currency_not_priced", "currency")


def test_an_archived_rate_card_gets_no_contract(
    session: Session, make: Make, version: RateCardVersion
) -> None:
    card = make.rate_card(status=CatalogStatus.ARCHIVED)
    old = make.rate_card_version(version.content, rate_card_id=card.id)

    with pytest.raises(RateCardArchived):
        create(session, old)


def test_an_archived_customer_gets_no_contract(
    session: Session, make: Make, version: RateCardVersion
) -> None:
    customer = make.customer(status=CustomerStatus.ARCHIVED)

    with pytest.raises(contracts.CustomerArchived) as refused:
        create(session, version, customer_id=customer.id)

    assert refused.value.code == "customer_archived"


def test_what_belongs_to_another_merchant_is_not_found(
    session: Session, version: RateCardVersion, engine: Engine
) -> None:
    with begin(engine, Make.new_merchant_id()) as theirs:
        make = Make(theirs)
        make.merchant()
        foreign = make.priced_at(make.metric(), "1")
        contract = create(theirs, foreign)

    with pytest.raises(NotFound):
        create(session, foreign)
    with pytest.raises(NotFound):
        create(session, version, customer_id=contract.customer_id)
    with pytest.raises(NotFound):
        queries.get_contract(session, contract.id)
    with pytest.raises(NotFound):
        contracts.end_contract(session, contract.id, ends_on=TODAY, now=NOON)


@pytest.mark.parametrize(
    "days",
    [
        {"starts_on": date(2026, 7, 1)},
        {"starts_on": date(2026, 7, 9), "ends_on": date(2026, 7, 10)},
        {"starts_on": date(2026, 6, 1), "ends_on": date(2026, 7, 2)},
        {"starts_on": date(2026, 7, 19), "ends_on": date(2026, 8, 1)},
        {"starts_on": date(2026, 1, 1)},
    ],
)
def test_two_contracts_do_not_price_a_metric_on_the_same_day(
    session: Session, version: RateCardVersion, days: dict[str, date]
) -> None:
    july = create(session, version, starts_on=date(2026, 7, 1), ends_on=date(2026, 7, 20))

    with pytest.raises(overlap.ContractOverlap, match="agent_runs") as refused:
        create(session, version, customer_id=july.customer_id, **days)

    assert refused.value.code == "contract_overlap"


def test_a_contract_without_end_bars_all_later_days(
    session: Session, version: RateCardVersion
) -> None:
    first = create(session, version)

    with pytest.raises(overlap.ContractOverlap):
        create(session, version, customer_id=first.customer_id, starts_on=date(2030, 1, 1))


def test_contracts_may_meet_on_a_day(session: Session, version: RateCardVersion) -> None:
    july = create(session, version, starts_on=date(2026, 7, 1), ends_on=date(2026, 8, 1))

    create(session, version, customer_id=july.customer_id, starts_on=date(2026, 8, 1))
    create(session, version, customer_id=july.customer_id, ends_on=date(2026, 7, 1))

    assert len(queries.contracts_of(session, [july.customer_id])) == 3


def test_contracts_on_other_metrics_run_side_by_side(
    session: Session, make: Make, version: RateCardVersion
) -> None:
    first = create(session, version)

    create(session, make.priced_at(make.metric(), "1"), customer_id=first.customer_id)

    assert len(queries.contracts_of(session, [first.customer_id])) == 2


def test_other_customers_may_have_the_same_contract(
    session: Session, version: RateCardVersion
) -> None:
    one, other = create(session, version), create(session, version)

    assert one.customer_id != other.customer_id


def test_of_overlapping_contracts_made_at_once_one_is_made(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        version = make.priced_at(make.metric(), "1")
        customer_id = make.customer().id

    made, refused = race(
        transaction,
        lambda session, _runner: create(session, version, customer_id=customer_id).id,
    )

    assert len(made) == 1
    assert refused == ["contract_overlap"] * 5


def test_lists_are_filtered(session: Session, make: Make, version: RateCardVersion) -> None:
    first = create(session, version)
    second = create(session, version)
    third = make.contract(version, status=ContractStatus.ENDED)

    assert queries.list_contracts(session).rows == [third, second, first]
    assert queries.list_contracts(session, customer_id=first.customer_id).rows == [first]
    assert queries.list_contracts(session, status=ContractStatus.ENDED).rows == [third]
    assert queries.contracts_of(session, [first.customer_id]) == [first]


def test_a_contract_covers_its_days_in_the_merchants_zone(
    session: Session, version: RateCardVersion
) -> None:
    june = create(session, version, ends_on=date(2026, 7, 1))
    july = create(session, version, customer_id=june.customer_id, starts_on=date(2026, 7, 1))
    both, zone = [june, july], ZoneInfo("Asia/Shanghai")

    assert queries.contracts_on(both, midnight("2026-06-02"), zone=zone) == [june]
    assert queries.contracts_on(both, midnight("2026-06-02") - datetime.resolution, zone=zone) == []
    assert queries.contracts_on(both, midnight("2026-07-01") - datetime.resolution, zone=zone) == [
        june
    ]
    assert queries.contracts_on(both, midnight("2026-07-01"), zone=zone) == [july]
