"""Metrics: what is measured. Five are built in and stay as they are."""

from app.api.operations import Call
from app.api.v1.base import API, In, Listing, Moment, Out, PageQuery, utc
from app.core.ids import Prefix, show
from app.identity.models import Scope
from app.pricing import metrics, queries
from app.pricing.models import Aggregation, CatalogStatus, Metric

TAG = "Metrics"


class MetricIn(In):
    """A metric to add. `code` is what usage events name it by; it stays, as `aggregation` does."""

    code: str
    name: str
    unit: str
    aggregation: Aggregation = Aggregation.SUM


class MetricChange(In):
    """What to change; what is left out stays."""

    name: str | None = None
    unit: str | None = None


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
    example={"code": "minutes", "name": "Minutes of speech", "unit": "minute"},
)
def create_metric(call: Call, body: MetricIn) -> MetricOut:
    """Add a metric of your own."""
    metric = metrics.create_metric(
        call.session,
        code=body.code,
        name=body.name,
        unit=body.unit,
        aggregation=body.aggregation,
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
    """Change the name or the unit of a metric of your own."""
    metric = metrics.update_metric(call.session, metric_id, name=body.name, unit=body.unit)
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
