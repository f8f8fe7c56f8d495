"""A rate card changes only by a new version, numbered without gap; a version never changes."""

from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from app.audit.queries import list_entries
from app.core.db import Transaction, begin
from app.core.errors import NotFound
from app.core.ids import Prefix, show
from app.pricing import queries, rate_cards
from app.pricing.models import CatalogStatus, RateCard, RateCardVersion
from app.pricing.price_sets import InvalidContent, content_sha256
from tests.make import ADA, NOON, Make
from tests.pricing.races import race


def priced(unit_price: str) -> dict[str, Any]:
    price = {"metric": "agent_runs", "model": "standard", "unit_price": unit_price}
    return {"currencies": {"USD": [price]}}


def create(session: Session, product_id: int, unit_price: str = "1") -> RateCardVersion:
    return rate_cards.create_rate_card(
        session,
        product_id=product_id,
        code="standard",
        name="Standard",
        content=priced(unit_price),
        actor=ADA,
        now=NOON,
    )


@pytest.fixture
def card(session: Session, make: Make) -> RateCard:
    """Return a rate card whose version 1 prices agent runs at one cent."""
    make.metric(code="agent_runs")
    version = create(session, make.product().id)
    return queries.get_rate_card(session, version.rate_card_id)


def test_making_a_rate_card_publishes_version_1(session: Session, card: RateCard) -> None:
    version = queries.current_version(session, card.id)

    assert (card.code, card.name, card.status) == ("standard", "Standard", CatalogStatus.ACTIVE)
    assert (version.number, version.content, version.published_at) == (1, priced("1"), NOON)
    assert version.sha256 == content_sha256(priced("1"))


def test_publishing_makes_the_next_version_current(session: Session, card: RateCard) -> None:
    second = rate_cards.publish_version(session, card.id, content=priced("2"), actor=ADA, now=NOON)

    assert second.number == 2
    assert queries.current_version(session, card.id) is second
    assert [row.number for row in queries.list_versions(session, card.id).rows] == [2, 1]
    assert queries.get_version(session, second.id) is second


def test_who_published_what_is_written_down(session: Session, card: RateCard) -> None:
    second = rate_cards.publish_version(session, card.id, content=priced("2"), actor=ADA, now=NOON)

    published, created = list_entries(session, subject=show(Prefix.RATE_CARD, card.id)).rows
    assert (published.action, published.actor_name, published.at) == (
        "rate_card.published",
        "ada@lumen.example",
        NOON,
    )
    assert published.before == {"version": 1, "prices": {"USD.agent_runs.unit_price": "1"}}
    assert published.after == {
        "version": 2,
        "sha256": second.sha256,
        "prices": {"USD.agent_runs.unit_price": "2"},
    }
    assert created.before == {}
    assert created.after["prices"] == {"USD.agent_runs": {"model": "standard", "unit_price": "1"}}


def test_publishing_the_same_prices_is_refused(session: Session, card: RateCard) -> None:
    with pytest.raises(rate_cards.RateCardUnchanged) as refused:
        rate_cards.publish_version(session, card.id, content=priced("1.00"), actor=ADA, now=NOON)

    assert refused.value.code == "rate_card_unchanged"


def test_prices_of_an_older_version_may_come_back(session: Session, card: RateCard) -> None:
    rate_cards.publish_version(session, card.id, content=priced("2"), actor=ADA, now=NOON)

    third = rate_cards.publish_version(session, card.id, content=priced("1"), actor=ADA, now=NOON)

    assert third.number == 3


def test_versions_published_at_once_are_numbered_without_gap(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        make.metric(code="agent_runs")
        card_id = create(session, make.product().id).rate_card_id

    def publish(session: Session, runner: int) -> int:
        content = priced(f"{runner + 2}")
        return rate_cards.publish_version(
            session, card_id, content=content, actor=ADA, now=NOON
        ).number

    numbers, refused = race(transaction, publish)

    assert sorted(numbers) == [2, 3, 4, 5, 6, 7]
    assert refused == []


def test_one_edition_published_at_once_is_published_once(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        make.metric(code="agent_runs")
        card_id = create(session, make.product().id).rate_card_id

    def publish(session: Session, _runner: int) -> int:
        return rate_cards.publish_version(
            session, card_id, content=priced("2"), actor=ADA, now=NOON
        ).number

    numbers, refused = race(transaction, publish)

    assert numbers == [2]
    assert refused == ["rate_card_unchanged"] * 5


def test_of_rate_cards_made_at_once_with_one_code_one_is_made(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        make.metric(code="agent_runs")
        products = [make.product().id for _ in range(6)]

    made, refused = race(
        transaction, lambda session, runner: create(session, products[runner]).number
    )

    assert made == [1]
    assert refused == ["rate_card_code_taken"] * 5


def test_a_published_version_can_not_be_changed(session: Session, card: RateCard) -> None:
    version = queries.current_version(session, card.id)
    change = text("UPDATE rate_card_versions SET number = 7 WHERE id = :id")

    with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
        session.execute(change, {"id": version.id})


def test_only_active_metrics_are_priced(session: Session, make: Make) -> None:
    make.metric(code="agent_runs", status=CatalogStatus.ARCHIVED)

    with pytest.raises(InvalidContent) as refused:
        create(session, make.product().id)

    assert refused.value.path == "currencies.USD[0].metric"


def test_an_archived_product_gets_no_rate_card(session: Session, make: Make) -> None:
    make.metric(code="agent_runs")
    product = make.product(status=CatalogStatus.ARCHIVED)

    with pytest.raises(rate_cards.ProductArchived) as refused:
        create(session, product.id)

    assert refused.value.code == "product_archived"


def test_an_archived_rate_card_gets_no_version(session: Session, card: RateCard) -> None:
    rate_cards.archive_rate_card(session, card.id)
    rate_cards.archive_rate_card(session, card.id)

    with pytest.raises(rate_cards.RateCardArchived) as refused:
        rate_cards.publish_version(session, card.id, content=priced("2"), actor=ADA, now=NOON)

    assert refused.value.code == "rate_card_archived"
    rate_cards.restore_rate_card(session, card.id)
    assert (
        rate_cards.publish_version(
            session, card.id, content=priced("2"), actor=ADA, now=NOON
        ).number
        == 2
    )


def test_a_rate_card_is_renamed(session: Session, card: RateCard) -> None:
    rate_cards.rename_rate_card(session, card.id, name="标准价")

    assert queries.get_rate_card(session, card.id).name == "标准价"


def test_what_belongs_to_another_merchant_is_not_found(session: Session, engine: Engine) -> None:
    with begin(engine, Make.new_merchant_id()) as theirs:
        make = Make(theirs)
        make.metric(code="agent_runs")
        version = create(theirs, make.product().id)
        product_id = queries.get_rate_card(theirs, version.rate_card_id).product_id

    Make(session).metric(code="agent_runs")
    for look in (
        lambda: create(session, product_id),
        lambda: rate_cards.publish_version(
            session, version.rate_card_id, content=priced("2"), actor=ADA, now=NOON
        ),
        lambda: queries.get_rate_card(session, version.rate_card_id),
        lambda: queries.current_version(session, version.rate_card_id),
        lambda: queries.list_versions(session, version.rate_card_id),
        lambda: queries.get_version(session, version.id),
    ):
        with pytest.raises(NotFound):
            look()


def test_current_versions_are_read_for_a_whole_page(session: Session, make: Make) -> None:
    first, second = make.rate_card(), make.rate_card()
    for card, numbers in ((first, (1, 2)), (second, (1, 2, 3))):
        for number in numbers:
            make.rate_card_version(priced("1"), rate_card_id=card.id, number=number)

    current = queries.current_versions(session, [first.id, second.id])

    assert {card_id: version.number for card_id, version in current.items()} == {
        first.id: 2,
        second.id: 3,
    }


def test_a_list_is_filtered(session: Session, make: Make) -> None:
    product = make.product()
    standard = make.rate_card(product_id=product.id, name="Standard")
    old = make.rate_card(name="Standard 2025", status=CatalogStatus.ARCHIVED)

    assert queries.list_rate_cards(session, q="standard").rows == [old, standard]
    assert queries.list_rate_cards(session, product_id=product.id).rows == [standard]
    assert queries.list_rate_cards(session, status=CatalogStatus.ARCHIVED).rows == [old]
