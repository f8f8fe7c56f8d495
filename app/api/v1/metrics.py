"""Metrics: what is measured. Five are built in and stay as they are, but for their dimensions."""

from typing import Annotated

import msgspec

from app.api.operations import Call
from app.api.v1.base import API, In, Listing, Moment, Out, PageQuery, utc
from app.core.ids import Prefix, show
from app.identity.models import Scope
from app.pricing import metrics, queries
from app.pricing.models import Aggregation, CatalogStatus, Metric

TAG = "Metrics"


Dimensions = Annotated[
    dict[str, list[str] | None],
    msgspec.Meta(
        description="The names that usage is told apart by, each with the values it may have, "
        "or null for any."
    ),
]


class MetricIn(In):
    """A metric to add. `code` is what usage events name it by; it stays, as `aggregation` does.

    A `unique_count` counts the values of the dimension `uniqueBy`, or without it the quantities.
    """

    code: str
    name: str
    unit: str
    aggregation: Aggregation = Aggregation.SUM
    dimensions: Dimensions = msgspec.field(default_factory=dict)
    unique_by: str | None = None


class MetricChange(In):
    """What to change; what is left out stays. Of a built-in metric that is the dimensions only."""

    name: str | None = None
    unit: str | None = None
    dimensions: Dimensions | None = None


class MetricQuery(PageQuery, kw_only=True):
    status: CatalogStatus | None = None
    q: str = ""


class MetricOut(Out):
    """A metric. `aggregation` says what the events of a period come to together."""

    id: str
    code: str
    name: str
    unit: str
    aggregation: Aggregation
    dimensions: Dimensions
    unique_by: str | None
    is_built_in: bool
    status: CatalogStatus
    created_at: Moment

    @classmethod
    def of(cls, metric: Metric) -> "MetricOut":
        return cls(
            id=show(Prefix.METRIC, metric.id),
            code=metric.code,
            name=metric.name,
            unit=metric.unit,
            aggregation=metric.aggregation,
            dimensions=metric.dimensions,
            unique_by=metric.unique_by,
            is_built_in=metric.is_built_in,
            status=metric.status,
            created_at=utc(metric.created_at),
        )


class MetricList(Listing[MetricOut]):
    """A page of metrics, newest first."""


@API.route(
    "POST",
    "/metrics",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=MetricIn,
    returns=MetricOut,
    status=201,
    example={
        "code": "minutes",
        "name": "Minutes of speech",
        "unit": "minute",
        "dimensions": {"voice": None, "quality": ["hd", "studio"]},
    },
)
def create_metric(call: Call, body: MetricIn) -> MetricOut:
    """Add a metric of your own."""
    metric = metrics.create_metric(
        call.session,
        code=body.code,
        name=body.name,
        unit=body.unit,
        aggregation=body.aggregation,
        dimensions=body.dimensions,
        unique_by=body.unique_by,
        now=call.now,
    )
    return MetricOut.of(metric)


@API.route(
    "GET", "/metrics", scope=Scope.CATALOG_READ, tag=TAG, query=MetricQuery, returns=MetricList
)
def list_metrics(call: Call, query: MetricQuery) -> Listing[MetricOut]:
    """List metrics, the built-in ones too; `q` is a part of the code or the name."""
    page = queries.list_metrics(call.session, status=query.status, q=query.q, **query.page)
    return MetricList.of(page, MetricOut.of)


@API.route("GET", "/metrics/<metric_id>", scope=Scope.CATALOG_READ, tag=TAG, returns=MetricOut)
def get_metric(call: Call, metric_id: int) -> MetricOut:
    """Return a metric."""
    return MetricOut.of(queries.get_metric(call.session, metric_id))


@API.route(
    "PATCH",
    "/metrics/<metric_id>",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=MetricChange,
    returns=MetricOut,
)
def update_metric(call: Call, metric_id: int, body: MetricChange) -> MetricOut:
    """Change the name or the unit of a metric of your own, or the dimensions of any.

    What a published version or a draft prices by stays declared.
    """
    metric = queries.get_metric(call.session, metric_id)
    if body.name is not None or body.unit is not None:
        metrics.update_metric(call.session, metric_id, name=body.name, unit=body.unit)
    if body.dimensions is not None:
        metrics.declare_dimensions(call.session, metric_id, dimensions=body.dimensions)
    return MetricOut.of(metric)


@API.route(
    "POST",
    "/metrics/<metric_id>/archive",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=MetricOut,
)
def archive_metric(call: Call, metric_id: int) -> MetricOut:
    """Let no new rate card version price a metric; those published go on."""
    return MetricOut.of(metrics.archive_metric(call.session, metric_id))


@API.route(
    "POST",
    "/metrics/<metric_id>/restore",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=MetricOut,
)
def restore_metric(call: Call, metric_id: int) -> MetricOut:
    """Let rate cards price a metric again."""
    return MetricOut.of(metrics.restore_metric(call.session, metric_id))
