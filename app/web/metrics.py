"""Metrics: what is measured, how it is counted, and by which dimensions it is told apart."""

import csv
from collections.abc import Mapping, Sequence

from flask import flash, g, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.core.errors import Refusal
from app.core.ids import Prefix, read, show
from app.extensions import transaction
from app.pricing import metrics, queries
from app.pricing.models import Aggregation, Metric
from app.web import access, products
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS

_PATHS = {"code": "metric_code", "name": "metric_name"}


def create_metric() -> Response:
    form = typed(**products.METRIC)
    values = form.values
    known = {member.value for member in Aggregation}
    try:
        with transaction(g.merchant_id) as session:
            metric = metrics.create_metric(
                session,
                code=values["metric_code"],
                name=values["metric_name"],
                unit=values["unit"],
                aggregation=Aggregation(values["aggregation"])
                if values["aggregation"] in known
                else Aggregation.SUM,
                dimensions=_read_dimensions(values["dimensions"]),
                unique_by=values["unique_by"].strip() or None,
                now=access.now(),
            )
    except Refusal as refusal:
        return products.list_page(metric_form=_refused(form, refusal), status=422)
    flash(_("%(name)s can be priced and measured.", name=metric.name), "ok")
    return redirect(url_for("web.products") + "#metrics", 303)


def show_metric(metric_id: str) -> Response:
    return _show(metric_id)


def update_metric(metric_id: str) -> Response:
    """Change what a metric is told apart by; of the merchant's own also its name and unit."""
    form = typed(metric_name="", unit="", dimensions="")
    number = read(Prefix.METRIC, metric_id)
    try:
        with transaction(g.merchant_id) as session:
            if not queries.get_metric(session, number).is_built_in:
                metrics.update_metric(
                    session,
                    number,
                    name=form.values["metric_name"],
                    unit=form.values["unit"],
                )
            metric = metrics.declare_dimensions(
                session, number, dimensions=_read_dimensions(form.values["dimensions"])
            )
    except Refusal as refusal:
        return _show(metric_id, form=_refused(form, refusal), status=422)
    flash(_("Saved"), "ok")
    return redirect(url_for("web.metric", metric_id=show(Prefix.METRIC, metric.id)), 303)


def archive_metric(metric_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        metric = metrics.archive_metric(session, read(Prefix.METRIC, metric_id))
    flash(_("%(name)s is archived. Published rate cards go on pricing it.", name=metric.name), "ok")
    return redirect(url_for("web.products") + "#metrics", 303)


def restore_metric(metric_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        metric = metrics.restore_metric(session, read(Prefix.METRIC, metric_id))
    flash(_("%(name)s can be priced again.", name=metric.name), "ok")
    return redirect(url_for("web.products") + "#metrics", 303)


def _show(metric_id: str, *, form: Form | None = None, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        metric = queries.get_metric(session, read(Prefix.METRIC, metric_id))
        return page(
            "products/metric.html",
            status=status,
            nav="products",
            metric=metric,
            aggregations=products.aggregations(),
            form=form or _form(metric),
            **PUBLIC_IDS,
        )


def _form(metric: Metric) -> Form:
    return blank(
        metric_name=metric.name, unit=metric.unit, dimensions=write_dimensions(metric.dimensions)
    )


def write_dimensions(dimensions: Mapping[str, Sequence[str] | None]) -> str:
    """Write dimensions as people type them: `region: cn, us`, a name alone for any value."""
    return "\n".join(
        name if values is None else f"{name}: {', '.join(_quoted(text) for text in values)}"
        for name, values in dimensions.items()
    )


def _read_dimensions(text: str) -> dict[str, list[str] | None]:
    """Read what `write_dimensions` writes, one dimension a line."""
    dimensions: dict[str, list[str] | None] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, colon, values = line.partition(":")
        listed = next(csv.reader([values.strip()], skipinitialspace=True), [])
        dimensions[name.strip()] = [value.strip() for value in listed] if colon else None
    return dimensions


def _quoted(text: str) -> str:
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if any(mark in text for mark in ',"') else text


def _refused(form: Form, refusal: Refusal) -> Form:
    """Put a refusal at the form's own names; one about a dimension's value at the dimensions."""
    name = refusal.path.partition(".")[0].partition("[")[0]
    refusal.path = _PATHS.get(name, name)
    return form.refuse(refusal)
