"""Rating: quantities priced with their working, against the bare arithmetic of the same prices.

The limit multiplies and adds in the same exact context and shows nothing: no allowance, discount
or bound is looked at, no tier is kept. What the product costs above it is what an invoice line
needs. Both run in one process, by turns; CPU time counts.
"""

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.core.decimals import EXACT
from app.core.money import Currency
from app.pricing.metric_prices import MetricPrice, parse_metric_price
from app.pricing.parts import part_of, rate_parts
from app.pricing.rating import Usage, rate

COUNT = 20_000
PARTS = 20
BOUNDS = (1_000, 10_000, 100_000, None)
UNIT_PRICES = ("0.03", "0.025", "0.02", "0.015")
DECLARED = {"model": None}
GATES = {"standard": 0.024, "graduated": 0.054, "parts": 0.007}
"""Prices per second relative to the limit: half of what was seen when this was written."""

ZERO = Decimal(0)


@dataclass(frozen=True)
class Contest:
    """Two ways to price the quantities of a round; `prices` is how many one call prices."""

    product: Callable[[Decimal], Decimal]
    limit: Callable[[Decimal], Decimal]
    prices: int = 1


def run(*, rounds: int, scale: float) -> dict[str, Any]:
    """Measure a unit price, four tiers, and a metric split into twenty parts."""
    result: dict[str, Any] = {"name": "rating", "rounds": rounds, "missed": []}
    print(f"\n{'':10}{'prices/s':>12}{'limit/s':>12}{'ratio':>8}")
    for name, contest in {
        "standard": _standard(),
        "graduated": _graduated(),
        "parts": _parts(),
    }.items():
        result[name] = figures = _measure(contest, rounds=rounds, scale=scale)
        print(
            f"{name:10}{figures['prices_per_second']:12,}{figures['limit_per_second']:12,}"
            f"{figures['ratio']:8.3f}"
        )
        if figures["ratio"] < GATES[name]:
            result["missed"].append(f"{name}: {figures['ratio']} < {GATES[name]}")
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result | {"ratio": result["standard"]["ratio"], "rss_mb": round(rss_mb)}


def _measure(contest: Contest, *, rounds: int, scale: float) -> dict[str, Any]:
    """Let both price the same quantities, by turns; their amounts must be equal."""
    count = max(1, int(COUNT * scale / contest.prices))
    quantities = [Decimal(number * 7919 % 500_000) / 100 for number in range(count)]
    for quantity in quantities[:100]:
        assert contest.product(quantity) == contest.limit(quantity), quantity
    turns = [
        (_seconds(contest.limit, quantities), _seconds(contest.product, quantities))
        for _ in range(rounds)
    ]
    prices = count * contest.prices
    return {
        "prices_per_second": round(prices / statistics.median(product for _, product in turns)),
        "limit_per_second": round(prices / statistics.median(limit for limit, _ in turns)),
        "ratio": round(statistics.median(limit / product for limit, product in turns), 3),
    }


def _seconds(price: Callable[[Decimal], Decimal], quantities: Sequence[Decimal]) -> float:
    start = time.process_time()
    for quantity in quantities:
        price(quantity)
    return time.process_time() - start


def _parsed(document: dict[str, Any]) -> MetricPrice:
    return parse_metric_price(document, Currency.USD, path="price")


def _standard() -> Contest:
    price = _parsed({"model": "standard", "unit_price": "0.015"}).price_at(None)
    unit_price = Decimal("0.015")
    return Contest(
        product=lambda quantity: rate(price, quantity).amount,
        limit=lambda quantity: EXACT.fma(quantity, unit_price, ZERO),
    )


def _graduated() -> Contest:
    tiers = [
        {"up_to": None if bound is None else str(bound), "unit_price": unit_price}
        for bound, unit_price in zip(BOUNDS, UNIT_PRICES, strict=True)
    ]
    price = _parsed({"model": "graduated", "tiers": tiers}).price_at(None)
    steps = [
        (None if bound is None else Decimal(bound), Decimal(unit_price))
        for bound, unit_price in zip(BOUNDS, UNIT_PRICES, strict=True)
    ]

    def limit(quantity: Decimal) -> Decimal:
        amount = above = ZERO
        for bound, unit_price in steps:
            if bound is None or quantity <= bound:
                return EXACT.fma(EXACT.subtract(quantity, above), unit_price, amount)
            amount = EXACT.fma(EXACT.subtract(bound, above), unit_price, amount)
            above = bound
        return amount

    return Contest(product=lambda quantity: rate(price, quantity).amount, limit=limit)


def _parts() -> Contest:
    models = [f"model-{number}" for number in range(PARTS)]
    unit_prices = {model: Decimal(number + 1) / 100 for number, model in enumerate(models)}
    price = _parsed(
        {
            "filters": [
                {"match": {"model": [model]}, "model": "standard", "unit_price": str(each)}
                for model, each in unit_prices.items()
            ]
        }
    )

    def product(quantity: Decimal) -> Decimal:
        usages: dict[Any, Usage] = {
            part_of(price, {"model": model}, DECLARED): quantity for model in models
        }
        amounts = [each.rated.amount for each in rate_parts(price, usages)]
        return sum(amounts, ZERO)

    def limit(quantity: Decimal) -> Decimal:
        amount = ZERO
        for model in models:
            amount = EXACT.fma(quantity, unit_prices[model], amount)
        return amount

    return Contest(product=product, limit=limit, prices=PARTS)
