"""A metric declares what its usage is told apart by; nothing a price looks at goes away."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.core.db import Transaction
from app.core.errors import Invalid, NotFound
from app.pricing import drafts, metrics, queries, rate_cards
from app.pricing.dimensions import DimensionInUse, InvalidMetric, clean_dimensions
from app.pricing.models import Aggregation, Metric, RateCard
from tests.make import ADA, NOON, Make
from tests.pricing.races import race

Declared = dict[str, list[str] | None]


def create(session: Session, **columns: Any) -> Metric:
    defaults: dict[str, Any] = {
        "code": "gpu_seconds",
        "name": "GPU seconds",
        "unit": "s",
        "aggregation": Aggregation.SUM,
        "now": NOON,
    }
    return metrics.create_metric(session, **(defaults | columns))


def declare(session: Session, metric: Metric, dimensions: Declared) -> Metric:
    return metrics.declare_dimensions(session, metric.id, dimensions=dimensions)


def priced(**price: Any) -> dict[str, Any]:
    usual = {"metric": "agent_runs", "model": "standard", "unit_price": "1"}
    return {"currencies": {"USD": [usual | price]}}


def by_region(*values: str) -> dict[str, Any]:
    """Return prices of agent runs with one for these regions."""
    match = {"region": list(values) or "*"}
    return priced(filters=[{"match": match, "model": "standard", "unit_price": "2"}])


@pytest.fixture
def runs(make: Make) -> Metric:
    return make.metric(code="agent_runs", dimensions={"model": None, "region": ["cn", "us"]})


@pytest.fixture
def card(make: Make, runs: Metric) -> RateCard:
    """Return a rate card whose version 1 prices all agent runs alike."""
    del runs  # what the card prices
    card = make.rate_card(code="standard")
    make.rate_card_version(priced(), rate_card_id=card.id)
    return card


def test_built_in_metrics_tell_model_region_and_tier_apart(session: Session) -> None:
    metrics.make_built_in(session, now=NOON)

    declared = [metric.dimensions for metric in queries.list_metrics(session).rows]

    assert declared == [{"model": None, "region": None, "tier": None}] * 5


def test_dimensions_of_a_built_in_metric_are_the_merchants(session: Session) -> None:
    metrics.make_built_in(session, now=NOON)
    images = queries.metrics_by_code(session, ["images"])["images"]

    assert declare(session, images, {"尺寸": ["1024", "2048"]}).dimensions == {
        "尺寸": ["1024", "2048"]
    }


def test_a_metric_counts_the_values_of_a_dimension(session: Session) -> None:
    metric = create(
        session,
        aggregation=Aggregation.UNIQUE_COUNT,
        dimensions={"user": None},
        unique_by="user",
    )

    assert (metric.dimensions, metric.unique_by) == ({"user": None}, "user")
    with pytest.raises(InvalidMetric) as refused:
        declare(session, metric, {"model": None})
    assert refused.value.path == "unique_by"


@pytest.mark.parametrize(
    "columns",
    [
        {"unique_by": "user", "aggregation": Aggregation.UNIQUE_COUNT},
        {"unique_by": "user", "dimensions": {"user": None}},
    ],
)
def test_only_a_unique_count_counts_by_a_declared_dimension(
    session: Session, columns: dict[str, Any]
) -> None:
    with pytest.raises(InvalidMetric) as refused:
        create(session, **columns)

    assert (refused.value.code, refused.value.path) == ("invalid_metric", "unique_by")


@pytest.mark.parametrize(
    ("dimensions", "path"),
    [
        (dict.fromkeys("abcdef"), "dimensions"),
        ({"": None}, "dimensions"),
        ({"x" * 65: None}, "dimensions"),
        ({"a\x00": None}, "dimensions"),
        ({"region": []}, "dimensions.region"),
        ({"region": [f"{n}" for n in range(101)]}, "dimensions.region"),
        ({"region": ["cn", "cn"]}, "dimensions.region[1]"),
        ({"region": ["*"]}, "dimensions.region[0]"),
        ({"region": [""]}, "dimensions.region[0]"),
        ({"region": ["x" * 257]}, "dimensions.region[0]"),
        ({"region": ["cn", "\ud800"]}, "dimensions.region[1]"),
    ],
    ids=repr,
)
def test_what_can_not_be_declared_is_refused(
    session: Session, dimensions: Declared, path: str
) -> None:
    with pytest.raises(Invalid) as refused:
        create(session, dimensions=dimensions)

    assert refused.value.path == path


@given(
    st.dictionaries(
        st.sampled_from("abcde"),
        st.none() | st.lists(st.sampled_from("xyz"), min_size=1, unique=True),
    )
)
def test_what_is_declared_is_kept_as_it_was_written(dimensions: Declared) -> None:
    assert clean_dimensions(dimensions, path="dimensions") == dimensions


@pytest.mark.parametrize("content", [by_region(), by_region("cn"), priced(group_by=["region"])])
def test_a_dimension_that_a_version_prices_by_stays(
    session: Session, runs: Metric, *, card: RateCard, content: dict[str, Any]
) -> None:
    rate_cards.publish_version(session, card.id, content=content, actor=ADA, now=NOON)
    rate_cards.publish_version(session, card.id, content=priced(), actor=ADA, now=NOON)

    with pytest.raises(DimensionInUse, match="version 2 of standard") as refused:
        declare(session, runs, {"model": None})

    assert refused.value.code == "dimension_in_use"
    assert declare(session, runs, {"region": ["cn", "us", "eu"]}).dimensions.keys() == {"region"}


def test_a_value_that_a_price_names_stays(session: Session, runs: Metric, card: RateCard) -> None:
    rate_cards.publish_version(session, card.id, content=by_region("cn"), actor=ADA, now=NOON)

    with pytest.raises(DimensionInUse, match="region cn"):
        declare(session, runs, {"region": ["us"]})

    declare(session, runs, {"region": ["cn"]})
    declare(session, runs, {"region": None})


def test_a_dimension_of_a_draft_stays(session: Session, runs: Metric, card: RateCard) -> None:
    drafts.save_draft(session, card.id, content=by_region("cn"), actor=ADA, now=NOON)

    with pytest.raises(DimensionInUse, match="the draft of standard"):
        declare(session, runs, {})

    drafts.discard_draft(session, card.id)
    assert declare(session, runs, {}).dimensions == {}


def test_a_dimension_that_only_another_metric_is_priced_by_may_go(
    session: Session, make: Make, *, runs: Metric, card: RateCard
) -> None:
    calls = make.metric(code="calls", dimensions={"region": None})
    rate_cards.publish_version(session, card.id, content=by_region("cn"), actor=ADA, now=NOON)

    assert declare(session, calls, {}).dimensions == {}
    assert runs.dimensions["region"] == ["cn", "us"]


def test_another_merchants_metric_is_not_found(session: Session, transaction: Transaction) -> None:
    with transaction() as theirs:
        metric = Make(theirs).metric()

    with pytest.raises(NotFound):
        declare(session, metric, {})


def test_a_dimension_does_not_go_while_it_is_priced_by(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        runs = make.metric(code="agent_runs", dimensions={"region": None})
        card = make.rate_card()
        make.rate_card_version(priced(), rate_card_id=card.id)

    def work(session: Session, runner: int) -> str:
        if runner:
            declare(session, runs, {})
            return "declared"
        content = priced(group_by=["region"])
        rate_cards.publish_version(session, card.id, content=content, actor=ADA, now=NOON)
        return "published"

    done, refused = race(transaction, work)

    # Whoever comes first, no price looks at what is not declared.
    assert (set(done), set(refused)) in [
        ({"published"}, {"dimension_in_use"}),
        ({"declared"}, {"invalid_price"}),
    ]
