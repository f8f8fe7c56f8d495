"""Metrics: what is measured. Five are built in, more are the merchant's own."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import db
from app.core.errors import Conflict
from app.core.text import clean_code, clean_name
from app.pricing.dimensions import InvalidMetric, clean_dimensions, refuse_missing
from app.pricing.models import Aggregation, CatalogEvent, Metric, moved

UNIT_LENGTH = 50
BUILT_IN = (
    ("tokens_input", "Input tokens", "token", Aggregation.SUM),
    ("tokens_output", "Output tokens", "token", Aggregation.SUM),
    ("agent_runs", "Agent runs", "run", Aggregation.SUM),
    ("images", "Images", "image", Aggregation.SUM),
    ("storage_gb", "Storage", "GB", Aggregation.MAX),
)
"""Code, name, unit and aggregation of the metrics every merchant has."""

BUILT_IN_DIMENSIONS = ("model", "region", "tier")
"""What the built-in metrics are told apart by, with any value, until the merchant says else."""


class MetricCodeTaken(Conflict):
    code = "metric_code_taken"


class MetricIsBuiltIn(Conflict):
    code = "metric_built_in"


def make_built_in(session: Session, *, now: datetime) -> None:
    """Add the built-in metrics to the session's merchant; doing it twice changes nothing."""
    rows = [
        {
            "merchant_id": db.merchant_of(session),
            "code": code,
            "name": name,
            "unit": unit,
            "aggregation": aggregation,
            "dimensions": dict.fromkeys(BUILT_IN_DIMENSIONS),
            "is_built_in": True,
            "created_at": now,
        }
        for code, name, unit, aggregation in BUILT_IN
    ]
    missing = insert(Metric).on_conflict_do_nothing(index_elements=["merchant_id", "code"])
    session.execute(missing, rows)


def create_metric(
    session: Session,
    *,
    code: str,
    name: str,
    unit: str,
    aggregation: Aggregation,
    dimensions: Mapping[str, Sequence[str] | None] | None = None,
    unique_by: str | None = None,
    now: datetime,
) -> Metric:
    """Add a metric of the merchant's own. Raises Invalid and MetricCodeTaken.

    `unique_by` is the dimension whose values a unique count counts; without it those are the
    quantities.
    """
    declared = clean_dimensions(dimensions or {}, path="dimensions")
    if unique_by is not None:
        _refuse_uncountable(unique_by, aggregation, declared)
    statement = insert(Metric).values(
        merchant_id=db.merchant_of(session),
        code=clean_code(code, path="code"),
        name=clean_name(name, path="name"),
        unit=clean_name(unit, path="unit", max_length=UNIT_LENGTH),
        aggregation=aggregation,
        dimensions=declared,
        unique_by=unique_by,
        created_at=now,
    )
    free = statement.on_conflict_do_nothing(index_elements=["merchant_id", "code"])
    metric: Metric | None = session.scalar(free.returning(Metric))
    if metric is None:
        raise MetricCodeTaken(f"there is a metric {code} already")
    return metric


def update_metric(
    session: Session, metric_id: int, *, name: str | None = None, unit: str | None = None
) -> Metric:
    """Change what is given. Raises NotFound, Invalid and MetricIsBuiltIn.

    Code and aggregation stay for ever: bills were written with them.
    """
    metric = _lock_own(session, metric_id)
    if name is not None:
        metric.name = clean_name(name, path="name")
    if unit is not None:
        metric.unit = clean_name(unit, path="unit", max_length=UNIT_LENGTH)
    return metric


def declare_dimensions(
    session: Session, metric_id: int, *, dimensions: Mapping[str, Sequence[str] | None]
) -> Metric:
    """Replace what the usage of a metric, also a built-in one, is told apart by.

    Locks the metric, so that no price of it is published meanwhile. Raises NotFound, Invalid,
    and DimensionInUse when a version or a draft looks at what would not be declared any more.
    """
    metric = db.get_locked(session, Metric, metric_id, noun="metric")
    declared = clean_dimensions(dimensions, path="dimensions")
    if metric.unique_by is not None:
        _refuse_uncountable(metric.unique_by, metric.aggregation, declared)
    refuse_missing(session, metric, declared)
    metric.dimensions = declared
    return metric


def archive_metric(session: Session, metric_id: int) -> Metric:
    """Let no new rate card version price the metric; those published go on pricing it.

    Doing it twice changes nothing. Raises NotFound and MetricIsBuiltIn.
    """
    return _move(session, metric_id, CatalogEvent.ARCHIVE)


def restore_metric(session: Session, metric_id: int) -> Metric:
    """Let rate cards price the metric again. Raises NotFound and MetricIsBuiltIn."""
    return _move(session, metric_id, CatalogEvent.RESTORE)


def _move(session: Session, metric_id: int, event: CatalogEvent) -> Metric:
    metric = _lock_own(session, metric_id)
    metric.status = moved(metric.status, event)
    return metric


def _lock_own(session: Session, metric_id: int) -> Metric:
    metric = db.get_locked(session, Metric, metric_id, noun="metric")
    if metric.is_built_in:
        raise MetricIsBuiltIn(f"{metric.code} is built in and stays as it is")
    return metric


def _refuse_uncountable(
    unique_by: str, aggregation: Aggregation, declared: Mapping[str, object]
) -> None:
    if aggregation is not Aggregation.UNIQUE_COUNT:
        raise InvalidMetric("is for a unique count only", path="unique_by")
    if unique_by not in declared:
        raise InvalidMetric("must be one of the dimensions", path="unique_by")
