"""A contract goes over to other prices with a period, never inside one or onto another's."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from app.audit.queries import list_entries
from app.core.db import Transaction
from app.core.errors import NotFound
from app.core.ids import Prefix, show
from app.core.money import Currency
from app.core.periods import Cycle
from app.customers import contracts, overlap, queries, versions
from app.customers.models import Contract, ContractStatus
from app.pricing import rate_cards
from app.pricing.models import RateCard, RateCardVersion
from tests.customers.moving import june, prices
from tests.make import ADA, NOON, Make
from tests.pricing.races import race

SHANGHAI = ZoneInfo("Asia/Shanghai")
JULY = date(2026, 7, 1)


@pytest.fixture
def contract(make: Make, old: RateCardVersion) -> Contract:
    """Return a contract whose open period is June."""
    return june(make, old)


def schedule(
    session: Session, contract: Contract, version: RateCardVersion, on: date = JULY
) -> Contract:
    return versions.schedule_version(
        session, contract.id, version_id=version.id, on=on, actor=ADA, now=NOON
    )


def pinned(contract: Contract) -> tuple[int, int | None, date | None]:
    return contract.rate_card_version_id, contract.next_version_id, contract.next_version_on


def test_the_version_is_taken_up_with_the_period(
    session: Session, contract: Contract, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    schedule(session, contract, new)
    assert pinned(contract) == (old.id, new.id, JULY)

    contracts.advance_period(contract, zone=SHANGHAI)

    assert pinned(contract) == (new.id, None, None)


def test_a_day_inside_a_period_waits_for_the_next_one(
    session: Session, contract: Contract, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    schedule(session, contract, new, on=date(2026, 7, 2))

    contracts.advance_period(contract, zone=SHANGHAI)
    assert pinned(contract) == (old.id, new.id, date(2026, 7, 2))

    contracts.advance_period(contract, zone=SHANGHAI)
    assert pinned(contract) == (new.id, None, None)


def test_a_period_that_has_begun_keeps_its_version(
    session: Session, contract: Contract, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    schedule(session, contract, new, on=date(2026, 6, 1))

    assert contract.rate_card_version_id == old.id


def test_a_period_that_has_not_begun_takes_it_up_at_once(
    session: Session, make: Make, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    future = contracts.create_contract(
        session,
        customer_id=make.customer().id,
        rate_card_version_id=old.id,
        currency=Currency.USD,
        cycle=Cycle.MONTHLY_CALENDAR,
        starts_on=JULY,
        now=NOON,
    )

    schedule(session, future, new, on=JULY)

    assert pinned(future) == (new.id, None, None)


def test_another_schedule_takes_the_place_of_the_first(
    session: Session, make: Make, contract: Contract, new: RateCardVersion
) -> None:
    third = make.rate_card_version(prices("agent_runs"), rate_card_id=new.rate_card_id, number=3)
    schedule(session, contract, new)
    schedule(session, contract, third, on=date(2026, 8, 1))

    assert pinned(contract)[1:] == (third.id, date(2026, 8, 1))


def test_a_cancelled_schedule_is_gone(
    session: Session, contract: Contract, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    schedule(session, contract, new)
    for _ in range(2):
        versions.cancel_scheduled_version(session, contract.id, actor=ADA, now=NOON)

    assert pinned(contract) == (old.id, None, None)
    entries = list_entries(session, subject=show(Prefix.CONTRACT, contract.id)).rows
    assert [entry.action for entry in entries] == [
        "contract.version_cancelled",
        "contract.version_scheduled",
    ]


def test_who_scheduled_what_is_written_down(
    session: Session, contract: Contract, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    schedule(session, contract, new)
    schedule(session, contract, new)  # which changes nothing

    (entry,) = list_entries(session, subject=show(Prefix.CONTRACT, contract.id)).rows
    assert entry.actor_name == "ada@lumen.example"
    shown = show(Prefix.RATE_CARD_VERSION, old.id)
    assert entry.before == {"version": shown, "next_version": None, "next_version_on": None}
    assert entry.after == {
        "version": shown,
        "next_version": show(Prefix.RATE_CARD_VERSION, new.id),
        "next_version_on": "2026-07-01",
    }


def test_a_contract_that_ends_takes_up_nothing_more(
    session: Session, contract: Contract, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    schedule(session, contract, new)
    contracts.end_contract(session, contract.id, ends_on=JULY, now=NOON)

    contracts.advance_period(contract, zone=SHANGHAI)

    assert pinned(contract) == (old.id, None, None)


def test_a_version_that_would_never_come_is_refused(
    session: Session, make: Make, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    short = june(make, old, ends_on=JULY)

    with pytest.raises(contracts.InvalidDates) as refused:
        schedule(session, short, new)

    assert (refused.value.code, refused.value.path) == ("invalid_dates", "on")


@pytest.mark.parametrize("on", [date.min, date.max])
def test_an_impossible_day_is_refused(
    session: Session, contract: Contract, *, new: RateCardVersion, on: date
) -> None:
    with pytest.raises(contracts.InvalidDates):
        schedule(session, contract, new, on=on)


def test_an_ended_contract_keeps_its_version(
    session: Session, make: Make, *, old: RateCardVersion, new: RateCardVersion
) -> None:
    ended = june(make, old, status=ContractStatus.ENDED)

    with pytest.raises(versions.ContractEnded) as refused:
        schedule(session, ended, new)

    assert refused.value.code == "contract_ended"


def test_the_version_it_is_on_is_refused(
    session: Session, contract: Contract, old: RateCardVersion
) -> None:
    with pytest.raises(versions.AlreadyOnVersion) as refused:
        schedule(session, contract, old)

    assert refused.value.code == "contract_on_this_version"


def test_the_version_may_be_of_another_card_of_the_product(
    session: Session, make: Make, *, contract: Contract, card: RateCard
) -> None:
    gold = make.rate_card(product_id=card.product_id)
    version = make.rate_card_version(prices("agent_runs"), rate_card_id=gold.id)

    schedule(session, contract, version)

    assert contract.next_version_id == version.id


def test_a_version_of_another_product_is_refused(
    session: Session, make: Make, contract: Contract
) -> None:
    with pytest.raises(versions.OtherProduct) as refused:
        schedule(session, contract, make.rate_card_version(prices("agent_runs")))

    assert refused.value.code == "version_of_another_product"


def test_a_version_without_the_currency_is_refused(
    session: Session, make: Make, *, contract: Contract, card: RateCard
) -> None:
    cny = prices("agent_runs", currency="CNY")

    with pytest.raises(contracts.CurrencyNotPriced):
        schedule(session, contract, make.rate_card_version(cny, rate_card_id=card.id, number=2))


def test_an_archived_card_takes_no_contract_over(
    session: Session, contract: Contract, new: RateCardVersion
) -> None:
    rate_cards.archive_rate_card(session, new.rate_card_id)

    with pytest.raises(rate_cards.RateCardArchived):
        schedule(session, contract, new)


def test_a_metric_that_another_contract_prices_is_refused(
    session: Session, make: Make, *, contract: Contract, card: RateCard
) -> None:
    images = make.metric(code="images")
    june(make, make.priced_at(images, "1"), customer_id=contract.customer_id)
    both = make.rate_card_version(prices("agent_runs", "images"), rate_card_id=card.id, number=2)

    with pytest.raises(overlap.ContractOverlap, match="images"):
        schedule(session, contract, both)


def test_a_contract_that_is_over_by_then_is_in_nobodys_way(
    session: Session, make: Make, *, contract: Contract, card: RateCard
) -> None:
    images = make.metric(code="images")
    june(make, make.priced_at(images, "1"), customer_id=contract.customer_id, ends_on=JULY)
    both = make.rate_card_version(prices("agent_runs", "images"), rate_card_id=card.id, number=2)

    assert schedule(session, contract, both).next_version_id == both.id


def test_what_is_scheduled_is_taken_for_a_new_contract(
    session: Session, make: Make, *, contract: Contract, card: RateCard
) -> None:
    images = make.metric(code="images")
    both = make.rate_card_version(prices("agent_runs", "images"), rate_card_id=card.id, number=2)
    schedule(session, contract, both)

    with pytest.raises(overlap.ContractOverlap, match="images"):
        contracts.create_contract(
            session,
            customer_id=contract.customer_id,
            rate_card_version_id=make.priced_at(images, "1").id,
            currency=Currency.USD,
            cycle=Cycle.MONTHLY_CALENDAR,
            starts_on=date(2026, 6, 2),
            now=NOON,
        )


def test_another_merchants_contract_is_not_found(
    session: Session, transaction: Transaction, new: RateCardVersion
) -> None:
    with transaction() as theirs:
        make = Make(theirs)
        contract = june(make, make.priced_at(make.metric(), "1"))

    with pytest.raises(NotFound):
        schedule(session, contract, new)
    with pytest.raises(NotFound):
        versions.cancel_scheduled_version(session, contract.id, actor=ADA, now=NOON)


@pytest.mark.parametrize(
    ("on", "first"),
    [
        (date(2026, 1, 1), JULY),
        (date(2026, 6, 1), JULY),
        (date(2026, 7, 1), JULY),
        (date(2026, 7, 2), date(2026, 8, 1)),
        (date(2027, 1, 1), date(2027, 1, 1)),
    ],
)
def test_the_first_day_of_a_version_is_known_before(
    contract: Contract, on: date, first: date
) -> None:
    assert versions.begins_on(contract, on, zone=SHANGHAI, now=NOON) == first


def test_contracts_of_a_version_are_listed_with_those_to_come(
    session: Session, make: Make, *, contract: Contract, new: RateCardVersion
) -> None:
    pinned_to_it = june(make, new)
    schedule(session, contract, new)

    assert queries.list_contracts(session, version_id=new.id).rows == [pinned_to_it, contract]


def test_two_contracts_are_not_scheduled_onto_one_metric_at_once(
    transaction: Transaction,
) -> None:
    with transaction() as session:
        make = Make(session)
        customer_id = make.customer().id
        card = make.rate_card()
        metrics = [make.metric(code=f"metric_{number}") for number in range(6)]
        make.metric(code="shared")
        rows = [
            june(make, _version(make, card, 1 + n, metric.code), customer_id=customer_id)
            for n, metric in enumerate(metrics)
        ]
        targets = [
            _version(make, card, 11 + n, metric.code, "shared") for n, metric in enumerate(metrics)
        ]

    scheduled, refused = race(
        transaction, lambda session, n: schedule(session, rows[n], targets[n]).id
    )

    assert len(scheduled) == 1
    assert refused == ["contract_overlap"] * 5


def _version(make: Make, card: RateCard, number: int, *metrics: str) -> RateCardVersion:
    return make.rate_card_version(prices(*metrics), rate_card_id=card.id, number=number)
