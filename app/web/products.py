"""Products and metrics: what is sold and what is measured, on one page."""

from collections.abc import Collection, Iterator

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core.errors import Refusal
from app.core.ids import Prefix, read, show
from app.core.paging import MAX_LIMIT, Page
from app.extensions import transaction
from app.pricing import products, queries
from app.pricing.models import Aggregation, CatalogStatus, Metric, Product, RateCard
from app.web import access, csv, listing, snippets, taxes
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS

_PRODUCT = {"code": "", "name": "", "description": ""}
METRIC = {
    "metric_code": "",
    "metric_name": "",
    "unit": "",
    "aggregation": Aggregation.SUM.value,
    "dimensions": "model\nregion",
    "unique_by": "",
}
"""The fields of a new metric, as they are before anything is typed."""


def index() -> Response:
    if listing.wants_csv():
        header = ("id", "code", "name", "status", "created_at")
        return csv.answer("products", header, _csv_rows())
    return list_page()


def create() -> Response:
    form = typed(**_PRODUCT)
    try:
        with transaction(g.merchant_id) as session:
            product = products.create_product(session, **form.values, now=access.now())
    except Refusal as refusal:
        return list_page(product_form=form.refuse(refusal), status=422)
    flash(_("%(name)s is on sale once it has a rate card.", name=product.name), "ok")
    return _to_product(product.id)


def show_product(product_id: str) -> Response:
    return _show(product_id)


def update(product_id: str) -> Response:
    form = typed(name="", description="")
    try:
        with transaction(g.merchant_id) as session:
            row = products.update_product(session, read(Prefix.PRODUCT, product_id), **form.values)
    except Refusal as refusal:
        return _show(product_id, form=form.refuse(refusal), status=422)
    flash(_("Saved"), "ok")
    return _to_product(row.id)


def archive(product_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        row = products.archive_product(session, read(Prefix.PRODUCT, product_id))
    flash(_("%(name)s is archived. Its rate cards stay in force.", name=row.name), "ok")
    return _to_product(row.id)


def restore(product_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        row = products.restore_product(session, read(Prefix.PRODUCT, product_id))
    flash(_("%(name)s is back on sale.", name=row.name), "ok")
    return _to_product(row.id)


def list_page(
    *, product_form: Form | None = None, metric_form: Form | None = None, status: int = 200
) -> Response:
    with transaction(g.merchant_id) as session:
        found = queries.list_products(
            session,
            status=listing.chosen(CatalogStatus, "status"),
            q=request.args.get("q", ""),
            cursor=listing.cursor(),
        )
        next_url, prev_url = listing.pager(found.next_cursor)
        return page(
            "products/index.html",
            fragment="rows",
            status=status,
            nav="products",
            products=found.rows,
            rate_cards=_rate_cards_by_product(session, [row.id for row in found.rows]),
            metrics=_metrics(session),
            aggregations=aggregations(),
            product_form=product_form or blank(**_PRODUCT),
            metric_form=metric_form
            or blank(**METRIC | {"metric_code": request.args.get("metric_code", "")}),
            next_url=next_url,
            prev_url=prev_url,
            csv_url=listing.csv_url(),
            curl=snippets.curl("/api/v1/products", {"code": "chat_api", "name": "Chat API"}),
            **PUBLIC_IDS,
        )


def aggregations() -> dict[str, str]:
    """Return what each way of counting is called."""
    return {
        Aggregation.SUM.value: _("Sum"),
        Aggregation.COUNT.value: _("Number of events"),
        Aggregation.MAX.value: _("Highest value"),
        Aggregation.LAST.value: _("Last value"),
        Aggregation.UNIQUE_COUNT.value: _("Number of different values"),
        Aggregation.WEIGHTED_SUM.value: _("Running total, averaged over time"),
    }


def _show(product_id: str, *, form: Form | None = None, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        row = queries.get_product(session, read(Prefix.PRODUCT, product_id))
        cards = queries.list_rate_cards(session, product_id=row.id, cursor=listing.cursor())
        next_url, prev_url = listing.pager(cards.next_cursor)
        return page(
            "products/show.html",
            status=status,
            nav="products",
            product=row,
            cards=cards.rows,
            versions=queries.current_versions(session, [card.id for card in cards.rows]),
            form=form or blank(name=row.name, description=row.description),
            taxes=taxes.options(session, row.tax_rate_id),
            tax=taxes.chosen_of(row.tax_rate_id),
            next_url=next_url,
            prev_url=prev_url,
            **PUBLIC_IDS,
        )


def _to_product(number: int) -> Response:
    return redirect(url_for("web.product", product_id=show(Prefix.PRODUCT, number)), 303)


def _metrics(session: Session) -> list[Metric]:
    """Return the newest hundred metrics, the built-in ones first."""
    found = queries.list_metrics(session, limit=MAX_LIMIT).rows
    return sorted(found, key=lambda metric: (not metric.is_built_in, metric.id))


def _rate_cards_by_product(session: Session, product_ids: Collection[int]) -> dict[int, int]:
    counted = (
        select(RateCard.product_id, func.count())
        .where(RateCard.product_id.in_(product_ids), RateCard.status == CatalogStatus.ACTIVE)
        .group_by(RateCard.product_id)
    )
    return dict(session.execute(counted).all())


def _csv_rows() -> Iterator[tuple[object, ...]]:
    status, q = listing.chosen(CatalogStatus, "status"), request.args.get("q", "")

    def read_page(cursor: str | None) -> Page[Product]:
        with transaction(g.merchant_id) as session:
            return queries.list_products(
                session, status=status, q=q, cursor=cursor, limit=MAX_LIMIT
            )

    for row in csv.all_rows(read_page):
        yield (
            show(Prefix.PRODUCT, row.id),
            row.code,
            row.name,
            row.status,
            row.created_at.isoformat(),
        )
