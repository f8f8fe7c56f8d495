"""A draft is written at leisure, published once, and never over a version nobody looked at."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.audit.queries import list_entries
from app.core.db import Transaction
from app.core.errors import Invalid, NotFound
from app.core.ids import Prefix, show
from app.pricing import drafts, metrics, queries, rate_cards
from app.pricing.models import RateCard, RateCardDraft
from app.pricing.price_sets import content_sha256
from tests.make import ADA, NOON, Make
from tests.pricing.races import race


def priced(unit_price: str) -> dict[str, Any]:
    price = {"metric": "agent_runs", "model": "standard", "unit_price": unit_price}
    return {"currencies": {"USD": [price]}}


def make_card(session: Session) -> RateCard:
    """Add a rate card whose version 1 prices agent runs at one cent."""
    make = Make(session)
    make.metric(code="agent_runs")
    card = make.rate_card()
    make.rate_card_version(priced("1"), rate_card_id=card.id, sha256=content_sha256(priced("1")))
    return card


@pytest.fixture
def card(session: Session) -> RateCard:
    return make_card(session)


def save(session: Session, card_id: int, unit_price: str) -> RateCardDraft:
    return drafts.save_draft(session, card_id, content=priced(unit_price), actor=ADA, now=NOON)


def publish(session: Session, card_id: int, *, expected_sha256: str | None = None) -> int:
    version = drafts.publish_draft(
        session, card_id, expected_sha256=expected_sha256, actor=ADA, now=NOON
    )
    return version.number


def test_a_draft_is_kept_until_it_is_published(session: Session, card: RateCard) -> None:
    assert drafts.find_draft(session, card.id) is None

    draft = save(session, card.id, "2.50")

    assert (draft.content, draft.based_on) == (priced("2.5"), 1)
    assert (draft.updated_by, draft.updated_at) == ("ada@lumen.example", NOON)
    assert drafts.find_draft(session, card.id) is draft
    assert queries.current_version(session, card.id).number == 1
    assert publish(session, card.id) == 2
    assert drafts.find_draft(session, card.id) is None
    assert queries.current_version(session, card.id).content == priced("2.5")


def test_saving_again_replaces_the_draft(session: Session, card: RateCard) -> None:
    save(session, card.id, "2")
    save(session, card.id, "3")

    publish(session, card.id)

    assert queries.current_version(session, card.id).content == priced("3")


def test_publishing_writes_down_who_and_what(session: Session, card: RateCard) -> None:
    save(session, card.id, "2")
    publish(session, card.id)

    (entry,) = list_entries(session, subject=show(Prefix.RATE_CARD, card.id)).rows
    assert (entry.action, entry.actor_name) == ("rate_card.published", "ada@lumen.example")
    assert entry.before["prices"] == {"USD.agent_runs.unit_price": "1"}
    assert entry.after["prices"] == {"USD.agent_runs.unit_price": "2"}


def test_a_draft_that_is_no_valid_content_is_not_kept(session: Session, card: RateCard) -> None:
    with pytest.raises(Invalid) as refused:
        save(session, card.id, "-2")

    assert refused.value.path == "currencies.USD[0].unit_price"
    assert drafts.find_draft(session, card.id) is None


def test_a_draft_may_say_what_the_version_says_but_is_not_published(
    session: Session, card: RateCard
) -> None:
    save(session, card.id, "1")

    with pytest.raises(rate_cards.RateCardUnchanged):
        publish(session, card.id)


def test_a_discarded_draft_is_gone(session: Session, card: RateCard) -> None:
    save(session, card.id, "2")
    drafts.discard_draft(session, card.id)
    drafts.discard_draft(session, card.id)

    with pytest.raises(drafts.NoDraft) as refused:
        publish(session, card.id)

    assert refused.value.code == "no_draft"
    with pytest.raises(drafts.NoDraft):
        drafts.rebase_draft(session, card.id)


def test_a_draft_is_not_published_over_a_version_nobody_looked_at(
    session: Session, card: RateCard
) -> None:
    save(session, card.id, "2")
    rate_cards.publish_version(session, card.id, content=priced("3"), actor=ADA, now=NOON)
    save(session, card.id, "2.5")

    with pytest.raises(drafts.DraftOutdated, match="version 2") as refused:
        publish(session, card.id)

    assert refused.value.code == "draft_outdated"
    assert drafts.rebase_draft(session, card.id).based_on == 2
    assert publish(session, card.id) == 3


def test_only_what_was_seen_is_published(session: Session, card: RateCard) -> None:
    seen = content_sha256(save(session, card.id, "2").content)
    save(session, card.id, "3")

    with pytest.raises(drafts.DraftChanged) as refused:
        publish(session, card.id, expected_sha256=seen)

    assert refused.value.code == "draft_changed"
    assert publish(session, card.id, expected_sha256=content_sha256(priced("3"))) == 2


def test_a_draft_of_a_metric_archived_since_is_not_published(
    session: Session, card: RateCard
) -> None:
    save(session, card.id, "2")
    metric = queries.metrics_by_code(session, ["agent_runs"])["agent_runs"]
    metrics.archive_metric(session, metric.id)

    with pytest.raises(Invalid) as refused:
        publish(session, card.id)

    assert refused.value.path == "currencies.USD[0].metric"


def test_an_archived_card_gets_no_draft(session: Session, card: RateCard) -> None:
    save(session, card.id, "2")
    rate_cards.archive_rate_card(session, card.id)

    with pytest.raises(rate_cards.RateCardArchived):
        save(session, card.id, "3")
    with pytest.raises(rate_cards.RateCardArchived):
        publish(session, card.id)


def test_of_publishers_at_once_one_publishes(transaction: Transaction) -> None:
    with transaction() as session:
        card_id = make_card(session).id
        save(session, card_id, "2")

    numbers, refused = race(transaction, lambda session, _runner: publish(session, card_id))

    assert numbers == [2]
    assert refused == ["no_draft"] * 5


def test_drafts_begun_at_once_are_one(transaction: Transaction) -> None:
    with transaction() as session:
        card_id = make_card(session).id

    saved, refused = race(
        transaction, lambda session, runner: save(session, card_id, f"{runner + 2}").based_on
    )

    assert (saved, refused) == ([1] * 6, [])


def test_a_draft_of_another_merchants_card_is_not_found(
    session: Session, transaction: Transaction
) -> None:
    with transaction() as theirs:
        card_id = make_card(theirs).id
        save(theirs, card_id, "2")

    for look in (
        lambda: drafts.find_draft(session, card_id),
        lambda: save(session, card_id, "2"),
        lambda: drafts.discard_draft(session, card_id),
        lambda: drafts.rebase_draft(session, card_id),
        lambda: publish(session, card_id),
    ):
        with pytest.raises(NotFound):
            look()
