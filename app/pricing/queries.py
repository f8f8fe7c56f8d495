"""Reading the catalogue: products, metrics, rate cards and their versions."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from app.core import db
from app.core.db import Work, merchant_of, run_sql
from app.core.errors import NotFound
from app.core.paging import DEFAULT_LIMIT, Page, newest_first
from app.core.text import matches
from app.pricing.metric_prices import Priceable
from app.pricing.models import CatalogStatus, Metric, Product, RateCard, RateCardVersion


class MetricName(NamedTuple):
    """What lists say of a metric."""

    id: int
    code: str
    name: str
    unit: str
    is_built_in: bool


_METRIC_NAMES = """
SELECT id, code, name, unit, is_built_in FROM metrics
 WHERE merchant_id = %(merchant_id)s
 ORDER BY is_built_in DESC, id
"""


def get_product(session: Session, product_id: int) -> Product:
    """Return the product. Raises NotFound."""
    return db.get(session, Product, product_id, noun="product")


def list_products(
    session: Session,
    *,
    status: CatalogStatus | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Product]:
    """Return products, newest first; `q` is a part of the code or the name. Raises Invalid."""
    statement = select(Product)
    if status:
        statement = statement.where(Product.status == status)
    if q:
        statement = statement.where(matches(q, Product.code, Product.name))
    return newest_first(session, statement, Product.id, cursor=cursor, limit=limit)


def get_metric(session: Session, metric_id: int) -> Metric:
    """Return the metric. Raises NotFound."""
    return db.get(session, Metric, metric_id, noun="metric")


def metrics_by_code(session: Session, codes: Collection[str]) -> dict[str, Metric]:
    """Return the metrics of these codes, active or archived; a code nobody has is left out."""
    wanted = literal(list(codes), ARRAY(Text()))
    metrics = session.scalars(select(Metric).where(Metric.code == any_(wanted)))
    return {metric.code: metric for metric in metrics}


def metrics_by_id(session: Session, metric_ids: Collection[int]) -> dict[int, Metric]:
    """Return the metrics of these ids, active or archived; unknown ids are left out."""
    if not metric_ids:
        return {}
    metrics = select(Metric).where(Metric.id.in_(metric_ids))
    return {metric.id: metric for metric in session.scalars(metrics)}


def metric_names(session: Work) -> dict[int, MetricName]:
    """Return all metrics by their id, active or archived, the built-in ones first."""
    found = run_sql(session, _METRIC_NAMES, {"merchant_id": merchant_of(session)})
    named = [MetricName(*row) for row in found]
    return {metric.id: metric for metric in named}


def priceable_metrics(session: Session) -> dict[str, Priceable]:
    """Return the metrics that a rate card may price, by code."""
    columns = Metric.code, Metric.dimensions, Metric.aggregation
    active = select(*columns).where(Metric.status == CatalogStatus.ACTIVE)
    return {
        code: Priceable(dimensions, aggregation)
        for code, dimensions, aggregation in session.execute(active)
    }


def lock_metrics(session: Session) -> None:
    """Keep all metrics as they are until the transaction ends; others may lock them so, too."""
    session.scalars(
        select(Metric)
        .order_by(Metric.id)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).all()


def list_metrics(
    session: Session,
    *,
    status: CatalogStatus | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Metric]:
    """Return metrics, newest first; `q` is a part of the code or the name. Raises Invalid."""
    statement = select(Metric)
    if status:
        statement = statement.where(Metric.status == status)
    if q:
        statement = statement.where(matches(q, Metric.code, Metric.name))
    return newest_first(session, statement, Metric.id, cursor=cursor, limit=limit)


def get_rate_card(session: Session, rate_card_id: int) -> RateCard:
    """Return the rate card. Raises NotFound."""
    return db.get(session, RateCard, rate_card_id, noun="rate card")


def list_rate_cards(
    session: Session,
    *,
    product_id: int | None = None,
    status: CatalogStatus | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[RateCard]:
    """Return rate cards, newest first; `q` is a part of the code or the name. Raises Invalid."""
    statement = select(RateCard)
    if product_id is not None:
        statement = statement.where(RateCard.product_id == product_id)
    if status:
        statement = statement.where(RateCard.status == status)
    if q:
        statement = statement.where(matches(q, RateCard.code, RateCard.name))
    return newest_first(session, statement, RateCard.id, cursor=cursor, limit=limit)


def get_version(session: Session, version_id: int) -> RateCardVersion:
    """Return the rate card version. Raises NotFound."""
    return db.get(session, RateCardVersion, version_id, noun="rate card version")


def versions_by_id(session: Session, version_ids: Collection[int]) -> dict[int, RateCardVersion]:
    """Return the versions of these ids; unknown ids are left out."""
    versions = select(RateCardVersion).where(RateCardVersion.id.in_(version_ids))
    return {version.id: version for version in session.scalars(versions)}


def current_version(session: Session, rate_card_id: int) -> RateCardVersion:
    """Return the highest version of the rate card. Raises NotFound."""
    card = get_rate_card(session, rate_card_id)
    return current_versions(session, [card.id])[card.id]


def current_versions(
    session: Session, rate_card_ids: Collection[int]
) -> dict[int, RateCardVersion]:
    """Return the highest version of each of these rate cards, by the card's id."""
    versions = session.scalars(
        select(RateCardVersion)
        .where(RateCardVersion.rate_card_id.in_(rate_card_ids))
        .ext(distinct_on(RateCardVersion.rate_card_id))
        .order_by(RateCardVersion.rate_card_id, RateCardVersion.number.desc())
    )
    return {version.rate_card_id: version for version in versions}


def version_of_number(session: Session, rate_card_id: int, number: int) -> RateCardVersion:
    """Return the version of a rate card by its number. Raises NotFound."""
    statement = select(RateCardVersion).where(
        RateCardVersion.rate_card_id == rate_card_id, RateCardVersion.number == number
    )
    version = session.scalars(statement).one_or_none()
    if version is None:
        raise NotFound(f"there is no version {number} of this rate card")
    return version


def all_metrics(session: Session) -> dict[str, Metric]:
    """Return the merchant's metrics by code, also archived ones."""
    metrics = session.scalars(select(Metric).order_by(Metric.code))
    return {metric.code: metric for metric in metrics}


def product_of_version(session: Session, version_id: int) -> Product:
    """Return the product whose rate card the version is of. Raises NotFound."""
    statement = (
        select(Product)
        .join(
            RateCard,
            (RateCard.merchant_id == Product.merchant_id) & (RateCard.product_id == Product.id),
        )
        .join(
            RateCardVersion,
            (RateCardVersion.merchant_id == RateCard.merchant_id)
            & (RateCardVersion.rate_card_id == RateCard.id),
        )
        .where(RateCardVersion.id == version_id)
    )
    product = session.scalars(statement).one_or_none()
    if product is None:
        raise NotFound("there is no rate card version of this id")
    return product


def version_before(session: Session, version: RateCardVersion) -> RateCardVersion | None:
    """Return the version that `version` took the place of, None for the first."""
    if version.number == 1:
        return None
    return version_of_number(session, version.rate_card_id, version.number - 1)


def list_versions(
    session: Session, rate_card_id: int, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Page[RateCardVersion]:
    """Return the versions of a rate card, the current one first. Raises NotFound and Invalid."""
    card = get_rate_card(session, rate_card_id)
    statement = select(RateCardVersion).where(RateCardVersion.rate_card_id == card.id)
    return newest_first(session, statement, RateCardVersion.number, cursor=cursor, limit=limit)
