"""Prices in this dialect, and the one place where they become the rooms' and come back.

A price is one flat object: which of its fields it may have is a matter of its `model`, and the
room refuses the others, with their path.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from app.api.v1.base import DecimalText, In, camel
from app.core.money import Currency
from app.pricing.charges import Model
from app.pricing.differences import Difference
from app.pricing.rating import Operation

_MATCH = "match"
"""The one field whose keys are the merchant's own words."""


class _Document(
    msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """An object of a price: what is left out, or null, says nothing."""


class Tier(_Document, kw_only=True):
    """The units above the tier before, up to and with `upTo`, which is null for the last tier.

    `unitPrice` and `flatFee` are in minor units of the currency; the fee is due on entering. A
    tier of a graduated percentage has a `rate`, in percent, and bounds in major units.
    """

    up_to: DecimalText | None
    unit_price: DecimalText | None = None
    rate: DecimalText | None = None
    flat_fee: DecimalText | None = None


class Transform(_Document, kw_only=True):
    """What is done to the quantity of a period before it is priced; bytes ÷ 1000, say."""

    operation: Operation
    factor: DecimalText
    rounding: Literal["none", "ceiling", "floor", "half_up"] = "none"


class Charge(_Document, kw_only=True):
    """What usage costs, in minor units of the currency.

    A `standard` charge has a `unitPrice`; `graduated`, `volume` and `graduated_percentage` have
    `tiers`; a `package` has its size, its price and how a package that was begun is rounded. A
    `percentage` takes its `rate`, in percent, of quantities that are money in major units, and
    may have a fee, an allowance and bounds for each event.

    Any may transform the quantity, then take off `freeUnits`; the amount of a period is cut by
    `discountPercent`, and held to at most `maximumAmount` and at least `minimumAmount`.
    """

    model: Model | None = None
    unit_price: DecimalText | None = None
    tiers: list[Tier] | None = None
    package_size: DecimalText | None = None
    package_price: DecimalText | None = None
    package_rounding: Literal["up", "down"] | None = None
    rate: DecimalText | None = None
    fixed_fee: DecimalText | None = None
    free_events: Annotated[int, msgspec.Meta(ge=0)] | None = None
    free_amount: DecimalText | None = None
    per_event_minimum: DecimalText | None = None
    per_event_maximum: DecimalText | None = None
    transform: Transform | None = None
    free_units: DecimalText | None = None
    discount_percent: DecimalText | None = None
    minimum_amount: DecimalText | None = None
    maximum_amount: DecimalText | None = None


class Filter(Charge, kw_only=True):
    """A charge for usage that has one of the values in each dimension that `match` names.

    `"*"` is any declared value. Of the filters that match, the one with the most keys wins, and
    the first where some have as many.
    """

    match: dict[str, list[str] | Literal["*"]]


class Price(Charge, kw_only=True):
    """The price of one metric: its own charge for what no filter takes.

    Without a `model` that usage is not priced. Usage is split by `groupBy` besides; each filter
    and group is a line with tiers and an allowance of its own, unless `shareTiers` is true.
    """

    metric: str
    filters: list[Filter] | None = None
    group_by: list[str] | None = None
    share_tiers: bool = False


_BY_CURRENCY = msgspec.Meta(extra_json_schema={"propertyNames": {"enum": [*Currency]}})

Prices = Annotated[dict[Currency, list[Price]], _BY_CURRENCY]
"""One price set per currency; currencies are priced side by side and never converted."""

Commitments = Annotated[dict[Currency, DecimalText], _BY_CURRENCY]
"""What the invoice of a whole period comes to at least, in minor units."""


class ContentIn(In, kw_only=True):
    """Prices, all of them: nothing is taken over from what was there before."""

    currencies: Prices
    commitments: Commitments = msgspec.field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Write them as the content of a rate card version, to be judged by `app.pricing`.

        Paths in its refusals differ from the caller's in the spelling of names only.
        """
        sets = {name.value: _plain(prices) for name, prices in self.currencies.items()}
        content: dict[str, Any] = {"currencies": sets}
        if self.commitments:
            content["commitments"] = {
                name.value: amount for name, amount in self.commitments.items()
            }
        return content


class DifferenceOut(msgspec.Struct, rename="camel"):
    """One field that differs; null where there was none, or is none any more.

    `match` names the filter that the field is of. An empty `field` is the whole price or filter;
    without a metric it is the `commitment` of the currency, or the `order` of its metrics.
    """

    currency: Currency
    metric: str | None
    match: dict[str, list[str] | Literal["*"]] | None
    field: str
    before: Any
    after: Any

    @classmethod
    def of(cls, found: Difference) -> "DifferenceOut":
        return cls(
            currency=Currency(found.currency),
            metric=found.metric,
            match=None if found.match is None else dict(found.match),
            field=camel(found.field),
            before=_camel_keys(found.before),
            after=_camel_keys(found.after),
        )


def prices_of(stored: Mapping[str, Any]) -> Prices:
    """Read the prices of a rate card's content as this dialect shows them."""
    return msgspec.convert(_camel_keys(stored["currencies"]), dict[Currency, list[Price]])


def commitments_of(stored: Mapping[str, Any]) -> Commitments:
    """Read the commitments of a rate card's content as this dialect shows them."""
    return {Currency(name): amount for name, amount in stored.get("commitments", {}).items()}


def _plain(value: Any) -> Any:
    """Write a struct as the rooms know it: snake_case, and nothing that says nothing."""
    if isinstance(value, _Document):
        named = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
        return {
            field.name: _plain(each) for field, each in named if field.required or each is not None
        }
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _camel_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            camel(name): each if name == _MATCH else _camel_keys(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_camel_keys(each) for each in value]
    return value
