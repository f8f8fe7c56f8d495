"""A JSON object read strictly: fields are taken out one by one, and what remains is refused."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from app.core.decimals import parse_decimal, plain
from app.core.errors import Invalid

ZERO = Decimal(0)


class InvalidPrice(Invalid):
    code = "invalid_price"


class Fields:
    """The fields of a JSON object that stands at `path`. A field that is null is left out.

    Every method raises InvalidPrice or InvalidDecimal with the path of the field it refuses.
    """

    def __init__(self, document: object, path: str) -> None:
        if not isinstance(document, Mapping):
            raise InvalidPrice("must be an object", path=path)
        self.path = path
        self._left = dict(document)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}"

    def take(self, name: str) -> object:
        """Return the value of a field, None where it is left out."""
        return self._left.pop(name, None)

    def decimal(self, name: str, *, at_most: Decimal | None = None) -> Decimal:
        """Return a decimal not below zero, that must be there."""
        value = parse_decimal(self.take(name), path=self.at(name))
        if at_most is not None and value > at_most:
            raise InvalidPrice(f"must not be above {plain(at_most)}", path=self.at(name))
        return value

    def optional(self, name: str, *, at_most: Decimal | None = None) -> Decimal | None:
        """Return a decimal not below zero, None where it is left out."""
        if self._left.get(name) is None:
            self._left.pop(name, None)
            return None
        return self.decimal(name, at_most=at_most)

    def amount(self, name: str, *, at_most: Decimal | None = None) -> Decimal:
        """Return a decimal not below zero, which it is where it is left out."""
        return self.optional(name, at_most=at_most) or ZERO

    def positive(self, name: str) -> Decimal:
        """Return a decimal above zero, that must be there."""
        value = self.decimal(name)
        if not value:
            raise InvalidPrice("must be above 0", path=self.at(name))
        return value

    def choice(self, name: str, among: Collection[str], *, default: str | None = None) -> str:
        """Return one of a few words; `default` where it is left out, if there is one."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in among:
            raise InvalidPrice(f"must be one of {', '.join(among)}", path=self.at(name))
        return value

    def entries(self, name: str, *, at_most: int) -> list[object]:
        """Return a list of at least one entry."""
        value = self.take(name)
        if not isinstance(value, list) or not 1 <= len(value) <= at_most:
            raise InvalidPrice(f"must be a list of 1 to {at_most} {name}", path=self.at(name))
        return value

    def refuse_rest(self) -> None:
        for name in self._left:
            raise InvalidPrice("is not a field of a price", path=self.at(name))
