"""Filters: which price usage has, by its dimensions. The filter that says most wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.pricing.rating import Price

ANY: Final = "*"
"""In place of values: any of those declared, or where none are declared, any that is there."""

_ANY_VALUE = (ANY,)

Declared = Mapping[str, Sequence[str] | None]
"""A metric's dimensions by name: the values each may have, None where it may have any."""


@dataclass(frozen=True, slots=True)
class PriceFilter:
    """A price for usage that has, in each dimension named by `match`, one of the values."""

    match: Mapping[str, tuple[str, ...]]
    price: Price

    def takes(self, dimensions: Mapping[str, str], declared: Declared) -> bool:
        """Tell whether usage of these dimensions has this price, if no other filter says more."""
        for name, values in self.match.items():
            if name not in dimensions:
                return False
            known = declared.get(name) if values == _ANY_VALUE else values
            if known is not None and dimensions[name] not in known:
                return False
        return True


def match(
    filters: Sequence[PriceFilter], dimensions: Mapping[str, str], declared: Declared
) -> int | None:
    """Return the position of the filter that usage of these dimensions falls under, if any.

    Of those that take it, the one with the most keys wins; the first where some have as many.
    """
    taking = [number for number, each in enumerate(filters) if each.takes(dimensions, declared)]
    return max(taking, key=lambda number: len(filters[number].match), default=None)
