"""A usage event on its way in: what a door hands over, what may be in it, what becomes of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.core.decimals import parse_quantity
from app.core.errors import Invalid
from app.core.text import InvalidText

KEY_LENGTH = 200
NAME_LENGTH = 200
DIMENSIONS = 20
DIMENSION_NAME_LENGTH = 64
DIMENSION_VALUE_LENGTH = 256
_WHOLE_LIMIT = 1 << 63
_PLAIN_QUANTITY = re.compile(r"[1-9][0-9]{0,17}", re.ASCII).fullmatch
"""What most quantities are: right at first sight."""
_SURROGATE = re.compile("[\ud800-\udfff]")

Dimensions = Mapping[str, str | int]
"""Flat: text, whole numbers and booleans. Compared as text, so 1 and "1" are the same."""


class ReceivedEvent(Protocol):
    """One measurement, decoded by a door but not checked any further.

    A door's own struct has these fields, so that nothing is copied on the way in.
    """

    @property
    def customer_external_id(self) -> str: ...

    @property
    def idempotency_key(self) -> str: ...

    @property
    def metric(self) -> str: ...

    @property
    def quantity(self) -> str | int: ...

    @property
    def occurred_at(self) -> datetime:
        """With its zone."""

    @property
    def dimensions(self) -> Dimensions | None: ...

    @property
    def corrects(self) -> str | None:
        """The key of the event that this one puts right, of the same customer and metric."""


@dataclass(frozen=True, slots=True)
class InvalidEvent:
    """What a door could not decode, in the place of the event: the others are not its fault."""

    code: str
    message: str
    path: str = ""


class Outcome(StrEnum):
    ACCEPTED = "accepted"  # stored, and counted
    DUPLICATE = "duplicate"  # stored before with the same content; nothing changed
    CONFLICT = "conflict"  # its key was stored before with other content; nothing changed
    LATE = "late"  # stored and counted; its period is invoiced already, so the next invoice has it
    UNMATCHED = "unmatched"  # no active customer or metric, or no contract: kept, its key free
    INVALID = "invalid"  # can never be stored as it is


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one event. `code` is stable and public; empty when nothing is wrong."""

    outcome: Outcome
    code: str = ""
    message: str = ""
    path: str = ""


class InvalidKey(Invalid):
    code = "invalid_idempotency_key"


class NegativeQuantity(Invalid):
    code = "negative_quantity"


class InvalidDimensions(Invalid):
    code = "invalid_dimensions"


class Seen:
    """What was found right in a batch so far: names and dimensions repeat from event to event."""

    def __init__(self) -> None:
        self.customers: set[str] = set()
        self.metrics: set[str] = set()
        self.dimensions: set[tuple[str, str | int]] = set()


def check_form(event: ReceivedEvent, seen: Seen) -> None:
    """Refuse an event that is wrong in itself, whatever the merchant's state.

    What is in `seen` is known to be right, and what is right of this event is added. Raises
    InvalidKey, InvalidText, InvalidDecimal, NegativeQuantity and InvalidDimensions, each naming
    the field.
    """
    _check_key(event.idempotency_key, path="idempotency_key")
    if event.customer_external_id not in seen.customers:
        _check_name(event.customer_external_id, path="customer_external_id")
        seen.customers.add(event.customer_external_id)
    if event.metric not in seen.metrics:
        _check_name(event.metric, path="metric")
        seen.metrics.add(event.metric)
    quantity = event.quantity
    if type(quantity) is int or not _PLAIN_QUANTITY(str(quantity)):
        _check_quantity(quantity, is_correction=event.corrects is not None)
    if event.corrects is not None:
        _check_key(event.corrects, path="corrects")
    dimensions = event.dimensions
    if dimensions:
        if len(dimensions) > DIMENSIONS:
            raise InvalidDimensions(f"must be at most {DIMENSIONS}", path="dimensions")
        if not seen.dimensions.issuperset(dimensions.items()):
            _check_dimensions(dimensions)
            seen.dimensions.update(dimensions.items())


def is_negative(quantity: str | int) -> bool:
    """Tell whether a quantity has a sign, `-0` included."""
    return str(quantity).startswith("-")


def _check_quantity(quantity: str | int, *, is_correction: bool) -> None:
    parse_quantity(quantity, path="quantity")
    if is_negative(quantity) and not is_correction:
        message = "may be negative only in an event that `corrects` another"
        raise NegativeQuantity(message, path="quantity")


def _check_key(key: str, *, path: str) -> None:
    if not 1 <= len(key) <= KEY_LENGTH or not is_storable(key):
        raise InvalidKey(f"must be 1 to {KEY_LENGTH} characters", path=path)


def _check_name(name: str, *, path: str) -> None:
    """Refuse a name that no customer or metric can have, and no table could keep."""
    if len(name) > NAME_LENGTH or not is_storable(name):
        raise InvalidText(f"must be at most {NAME_LENGTH} characters", path=path)


def _check_dimensions(dimensions: Dimensions) -> None:
    for name, value in dimensions.items():
        if len(name) > DIMENSION_NAME_LENGTH or not is_storable(name):
            message = f"names must be at most {DIMENSION_NAME_LENGTH} characters"
            raise InvalidDimensions(message, path="dimensions")
        if isinstance(value, str):
            fits = len(value) <= DIMENSION_VALUE_LENGTH and is_storable(value)
        else:
            fits = -_WHOLE_LIMIT <= value < _WHOLE_LIMIT
        if not fits:
            message = f"values must be texts of at most {DIMENSION_VALUE_LENGTH} characters"
            raise InvalidDimensions(message, path=f"dimensions.{name}")


def text_of(value: str | int) -> str:
    """Write a dimension's value as it is compared: 1 as "1", true as "true"."""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL can hold the text: it knows neither NUL nor half a character."""
    return text.isprintable() or ("\0" not in text and not _SURROGATE.search(text))
