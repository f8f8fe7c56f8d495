"""Dimensions: what the usage of a metric is told apart by, as the merchant declares it.

    {"model": null, "region": ["cn", "us"]}

Null counts any value as declared. What a published version or a draft looks at stays declared:
its prices mean the same for ever, and late usage is still rated by a version of long ago.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.core.errors import Conflict, Invalid
from app.core.text import clean_name
from app.pricing.filters import ANY
from app.pricing.models import Metric, RateCard, RateCardDraft, RateCardVersion

MAX_NAMES, MAX_VALUES = 5, 100
NAME_LENGTH, VALUE_LENGTH = 64, 256

Dimensions = dict[str, list[str] | None]

_OF_METRIC = "$.currencies.*[*] ? (@.metric == $code)"


class InvalidMetric(Invalid):
    code = "invalid_metric"


class DimensionInUse(Conflict):
    code = "dimension_in_use"


def clean_dimensions(document: Mapping[str, Sequence[str] | None], *, path: str) -> Dimensions:
    """Return declared dimensions, as they were written. Raises InvalidMetric and InvalidText."""
    if len(document) > MAX_NAMES:
        raise InvalidMetric(f"must be at most {MAX_NAMES} dimensions", path=path)
    return {
        clean_name(name, path=path, max_length=NAME_LENGTH): (
            None if values is None else _clean_values(values, f"{path}.{name}")
        )
        for name, values in document.items()
    }


def refuse_missing(session: Session, metric: Metric, dimensions: Dimensions) -> None:
    """Refuse to declare less than some price of the metric looks at.

    The metric is locked, so that no version is published in between. Raises DimensionInUse.
    """
    for place, price in _prices(session, metric.code):
        for name, values in _looked_at(price):
            if name not in dimensions:
                raise DimensionInUse(f"{place} prices {metric.code} by {name}")
            known = dimensions[name]
            gone = [] if known is None else [value for value in values if value not in known]
            if gone:
                raise DimensionInUse(f"{place} has a price for {name} {gone[0]}")


def _clean_values(values: Sequence[str], path: str) -> list[str]:
    if not 1 <= len(values) <= MAX_VALUES:
        raise InvalidMetric(f"must be null, or 1 to {MAX_VALUES} values", path=path)
    for index, value in enumerate(values):
        clean_name(value, path=f"{path}[{index}]", max_length=VALUE_LENGTH)
        if value == ANY:
            raise InvalidMetric(f"“{ANY}” stands for any value", path=f"{path}[{index}]")
        if value in values[:index]:
            raise InvalidMetric("is listed twice", path=f"{path}[{index}]")
    return list(values)


def _looked_at(price: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the dimensions that a price looks at, each with the values that it names."""
    for one in price.get("filters", []):
        for name, values in one["match"].items():
            yield name, [] if values == ANY else values
    for name in price.get("group_by", []):
        yield name, []


def _prices(session: Session, code: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the prices that versions and drafts have for a metric, with where each stands."""
    versions = _that_price(code, RateCardVersion, RateCardVersion.number)
    for card, number, prices in session.execute(versions):
        yield from ((f"version {number} of {card}", price) for price in prices)
    drafts = _that_price(code, RateCardDraft, RateCardDraft.based_on)
    for card, _, prices in session.execute(drafts):
        yield from ((f"the draft of {card}", price) for price in prices)


def _that_price(
    code: str,
    kind: type[RateCardVersion | RateCardDraft],
    number: InstrumentedAttribute[int],
) -> Select[tuple[str, int, list[Any]]]:
    of_metric = (literal(_OF_METRIC, JSONPATH), literal({"code": code}, JSONB))
    return (
        select(RateCard.code, number, func.jsonb_path_query_array(kind.content, *of_metric))
        .join(
            kind,
            (kind.merchant_id == RateCard.merchant_id) & (kind.rate_card_id == RateCard.id),
        )
        .where(func.jsonb_path_exists(kind.content, *of_metric))
        .order_by(RateCard.id, number.desc())
    )
