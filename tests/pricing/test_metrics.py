"""Five metrics are built in and stay as they are; others are the merchant's own."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core.db import Transaction, begin
from app.core.errors import NotFound
from app.core.text import InvalidText
from app.pricing import metrics, queries
from app.pricing.models import Aggregation, CatalogStatus, Metric
from tests.make import NOON, Make
from tests.pricing.races import race


def create(session: Session, code: str = "gpu_seconds") -> Metric:
    return metrics.create_metric(
        session,
        code=code,
        name="GPU seconds",
        unit="s",
        aggregation=Aggregation.SUM,
        now=NOON,
    )


def test_five_metrics_are_built_in(session: Session) -> None:
    metrics.make_built_in(session, now=NOON)

    made = queries.list_metrics(session).rows

    assert {metric.code: (metric.aggregation.value, metric.unit) for metric in made} == {
        "tokens_input": ("sum", "token"),
        "tokens_output": ("sum", "token"),
        "agent_runs": ("sum", "run"),
        "images": ("sum", "image"),
        "storage_gb": ("max", "GB"),
    }
    assert all(metric.is_built_in for metric in made)


def test_making_the_built_in_metrics_twice_makes_them_once(session: Session) -> None:
    metrics.make_built_in(session, now=NOON)
    metrics.make_built_in(session, now=NOON)

    assert len(queries.list_metrics(session).rows) == 5


def test_a_built_in_metric_stays_as_it_is(session: Session) -> None:
    metrics.make_built_in(session, now=NOON)
    images = queries.metrics_by_code(session, ["images"])["images"]

    with pytest.raises(metrics.MetricIsBuiltIn) as refused:
        metrics.update_metric(session, images.id, name="Pictures")
    with pytest.raises(metrics.MetricIsBuiltIn):
        metrics.archive_metric(session, images.id)

    assert refused.value.code == "metric_built_in"


def test_an_own_metric_is_made_changed_archived_and_restored(session: Session) -> None:
    metric = create(session)
    assert not metric.is_built_in

    metrics.update_metric(session, metric.id, name="GPU", unit="second")
    assert (metric.name, metric.unit) == ("GPU", "second")

    metrics.archive_metric(session, metric.id)
    metrics.archive_metric(session, metric.id)
    assert metric.status is CatalogStatus.ARCHIVED
    assert queries.priceable_metrics(session) == {}

    metrics.restore_metric(session, metric.id)
    assert list(queries.priceable_metrics(session)) == ["gpu_seconds"]


def test_a_built_in_code_is_taken(session: Session) -> None:
    metrics.make_built_in(session, now=NOON)

    with pytest.raises(metrics.MetricCodeTaken) as refused:
        create(session, "tokens_input")

    assert refused.value.code == "metric_code_taken"


def test_of_metrics_made_at_once_with_one_code_one_is_made(transaction: Transaction) -> None:
    made, refused = race(transaction, lambda session, _runner: create(session).id)

    assert len(made) == 1
    assert refused == ["metric_code_taken"] * 5


def test_a_unit_is_short(session: Session) -> None:
    metric = create(session)

    with pytest.raises(InvalidText) as refused:
        metrics.update_metric(session, metric.id, unit="x" * 51)

    assert refused.value.path == "unit"


def test_metrics_are_found_by_code_whatever_their_status(session: Session, make: Make) -> None:
    active = make.metric(code="active")
    archived = make.metric(code="archived", status=CatalogStatus.ARCHIVED)

    found = queries.metrics_by_code(session, ["active", "archived", "unknown"])

    assert found == {"active": active, "archived": archived}
    assert queries.metrics_by_code(session, []) == {}


def test_metrics_are_found_by_id_whatever_their_status(session: Session, make: Make) -> None:
    active = make.metric(code="active")
    archived = make.metric(code="archived", status=CatalogStatus.ARCHIVED)

    found = queries.metrics_by_id(session, {active.id, archived.id, 1})

    assert found == {active.id: active, archived.id: archived}
    assert queries.metrics_by_id(session, set()) == {}


def test_another_merchants_metric_is_not_found(session: Session, engine: Engine) -> None:
    with begin(engine, Make.new_merchant_id()) as theirs:
        metric_id = Make(theirs).metric().id

    with pytest.raises(NotFound):
        queries.get_metric(session, metric_id)
    with pytest.raises(NotFound):
        metrics.archive_metric(session, metric_id)


def test_a_list_is_filtered(session: Session, make: Make) -> None:
    gpu = make.metric(code="gpu_seconds", name="Compute")
    make.metric(code="calls", name="Calls")
    old = make.metric(code="cpu", name="Compute", status=CatalogStatus.ARCHIVED)

    assert queries.list_metrics(session, q="compute").rows == [old, gpu]
    assert queries.list_metrics(session, status=CatalogStatus.ARCHIVED).rows == [old]
