"""A usage event: what may be in it, how it is written, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Union

from buffmoney import json_text
from buffmoney.errors import BuffMoneyError

Quantity = Union[int, Decimal, str]
Dimensions = Mapping[str, Union[str, int]]
"""Flat: text, whole numbers and booleans."""

COUNTED = frozenset({"accepted", "duplicate", "late"})
"""Outcomes of events that are stored and billed."""


@dataclass(frozen=True)
class Event:
    """One measurement, as it is sent.

    `corrects` is the key of the event that a quantity below zero takes back from.
    """

    customer: str
    metric: str
    quantity: str
    occurred_at: datetime
    idempotency_key: str
    dimensions: Dimensions | None = None
    corrects: str | None = None

    def encode(self) -> bytes:
        """Write the event as the API reads it. Raises ValueError on text that is no Unicode."""
        fields: dict[str, Any] = {
            "customerExternalId": self.customer,
            "idempotencyKey": self.idempotency_key,
            "metric": self.metric,
            "quantity": self.quantity,
            "occurredAt": self.occurred_at.astimezone(timezone.utc).isoformat(),
        }
        if self.dimensions:
            fields["dimensions"] = self.dimensions
        if self.corrects is not None:
            fields["corrects"] = self.corrects
        return json_text.write(fields)

    @classmethod
    def decode(cls, fields: Mapping[str, Any]) -> Event:
        """Read back what `encode` wrote, parsed."""
        return cls(
            customer=fields["customerExternalId"],
            metric=fields["metric"],
            quantity=fields["quantity"],
            occurred_at=datetime.fromisoformat(fields["occurredAt"]),
            idempotency_key=fields["idempotencyKey"],
            dimensions=fields.get("dimensions"),
            corrects=fields.get("corrects"),
        )


@dataclass(frozen=True)
class Result:
    """What became of an event that was not simply accepted.

    `outcome` is `duplicate`, `conflict`, `late`, `unmatched` or `invalid`, or one that a newer
    server knows. Go by `code`; the message is for people.
    """

    event: Event
    outcome: str
    code: str = ""
    message: str = ""
    path: str = ""

    @property
    def is_counted(self) -> bool:
        """Whether the event is stored and will be billed: there is nothing to do."""
        return self.outcome in COUNTED


@dataclass(frozen=True)
class Undelivered:
    """Events that were given up, and why. Some may have arrived: `resend` never counts twice."""

    events: tuple[Event, ...]
    error: BuffMoneyError


def exact(quantity: Quantity) -> str:
    """Write a quantity without losing a digit; the server says whether it is one.

    Raises TypeError on a float, which has lost some already, and ValueError on NaN and Infinity.
    """
    if isinstance(quantity, str):
        return quantity
    if isinstance(quantity, Decimal):
        if not quantity.is_finite():
            raise ValueError(f"a quantity is a finite number, not {quantity}")
        return f"{quantity:f}"
    if isinstance(quantity, int) and not isinstance(quantity, bool):
        return str(int(quantity))  # an IntEnum writes itself as its name
    raise TypeError(f"a quantity is an int, a Decimal or a str, not {type(quantity).__name__}")


def check_zone(moment: Any) -> datetime:
    """Return the moment. Raises TypeError if it is none, ValueError if it could be any of 24."""
    if not isinstance(moment, datetime):
        raise TypeError(f"occurred_at is a datetime, not {type(moment).__name__}")
    if moment.utcoffset() is None:
        raise ValueError("occurred_at needs its zone, such as datetime.now(timezone.utc)")
    return moment


def check_text(value: Any, name: str) -> str:
    """Return the value if it is a text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {type(value).__name__}")
    return value


def check_flat(dimensions: Mapping[str, Any]) -> Dimensions:
    """Return the dimensions if they are texts, whole numbers and booleans. Raises TypeError."""
    for name, value in dimensions.items():
        check_text(name, "the name of a dimension")
        if not isinstance(value, (str, int)):
            raise TypeError(f"dimension {name} is a str, int or bool, not {type(value).__name__}")
    return dimensions
