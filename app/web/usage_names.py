"""Customers and metrics as an address names them, and as lists of usage show them."""

from collections.abc import Iterable

from flask import request
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.core.errors import NotFound
from app.core.ids import Prefix, read
from app.customers import queries as customers
from app.pricing import queries as catalogue
from app.pricing.models import Metric
from app.pricing.queries import MetricName
from app.web import listing

NOBODY = 0
"""The id of no row."""


def chosen_metric(session: Session) -> Metric | None:
    """Return the metric of the filter `metric`, a code. Raises NotFound."""
    code = request.args.get("metric", "")
    if not code:
        return None
    metric = catalogue.metrics_by_code(session, [code]).get(code)
    if metric is None:
        raise NotFound("there is no metric of this code", path="metric")
    return metric


def chosen_customer(session: Session) -> int | None:
    """Return the customer of the filter `customer`: an external id, or our own id.

    Nobody of this external id is a list of nothing, not an error: it is typed letter by letter.
    Raises InvalidText, and NotFound for an id of ours that names nobody.
    """
    text = listing.searched("customer")
    if not text:
        return None
    if text.startswith(f"{Prefix.CUSTOMER}_"):
        return customers.get_customer(session, read(Prefix.CUSTOMER, text)).id
    customer = customers.customers_by_external_id(session, [text]).get(text)
    return customer.id if customer else NOBODY


def metric_options(metrics: Iterable[MetricName]) -> list[tuple[str, str]]:
    """Return the metrics to choose from."""
    return [("", str(_("Every metric"))), *((metric.code, metric.code) for metric in metrics)]
