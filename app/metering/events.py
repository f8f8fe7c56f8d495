"""A usage event on its way in: what a door hands over, what may be in it, what becomes of it."""

import re
from collections.abc import Collection, Mapping
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
_PLAIN_QUANTITY = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?", re.ASCII).fullmatch
"""A quantity that is right at first sight, as nearly all are: it has no sign."""
_SURROGATE = re.compile("[\ud800-\udfff]")

Dimensions = Mapping[str, str | int]
"""Flat: text, whole numbers and booleans. Compared as text, so 1 and "1" are the same."""

Source = tuple[str, str, bytes]
"""Whose event it is, of which metric, with which dimensions. Of a batch, few differ in it: what
depends on nothing else is looked at once for all events of one source."""


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
    def dimensions_json(self) -> bytes:
        """The same as a JSON object, in any spelling; `{}` for none."""

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


def source_of(event: ReceivedEvent) -> Source:
    """Return whose event it is, of which metric, with which dimensions."""
    return event.customer_external_id, event.metric, event.dimensions_json


def are_plain(events: Collection[ReceivedEvent], samples: Collection[ReceivedEvent]) -> bool:
    """Tell whether nothing is wrong with events in themselves, nor special about any of them.

    `samples` has one event of each of their sources. True is what nearly every batch gets, for a
    fifth of what `check_form` takes for each; after False, that says what is wrong, if anything.
    """
    keys = [event.idempotency_key for event in events]
    quantities = map(str, [event.quantity for event in events])
    if not (
        all(keys)
        and max(map(len, keys)) <= KEY_LENGTH
        and is_storable("".join(keys))
        and all(map(_PLAIN_QUANTITY, quantities))
        and all(event.corrects is None for event in events)
    ):
        return False
    try:
        for event in samples:
            _check_source(event)
    except Invalid:
        return False
    return True


def check_form(event: ReceivedEvent) -> None:
    """Refuse an event that is wrong in itself, whatever the merchant's state.

    Raises InvalidKey, InvalidText, InvalidDecimal, NegativeQuantity and InvalidDimensions, each
    naming the field.
    """
    _check_key(event.idempotency_key, path="idempotency_key")
    _check_source(event)
    _check_quantity(event.quantity, is_correction=event.corrects is not None)
    if event.corrects is not None:
        _check_key(event.corrects, path="corrects")


def is_negative(quantity: str | int) -> bool:
    """Tell whether a quantity has a sign, `-0` included."""
    return str(quantity).startswith("-")


def _check_quantity(quantity: str | int, *, is_correction: bool) -> None:
    parse_quantity(quantity, path="quantity")
    if is_negative(quantity) and not is_correction:
        message = "may be negative only in an event that `corrects` another"
        raise NegativeQuantity(message, path="quantity")


def _check_source(event: ReceivedEvent) -> None:
    check_name(event.customer_external_id, path="customer_external_id")
    check_name(event.metric, path="metric")
    _check_dimensions(event.dimensions or {})


def _check_key(key: str, *, path: str) -> None:
    if not 1 <= len(key) <= KEY_LENGTH or not is_storable(key):
        raise InvalidKey(f"must be 1 to {KEY_LENGTH} characters", path=path)


def check_name(name: str, *, path: str) -> None:
    """Refuse a name that no customer or metric can have, and no table could keep.

    Raises InvalidText.
    """
    if len(name) > NAME_LENGTH or not is_storable(name):
        raise InvalidText(f"must be at most {NAME_LENGTH} characters", path=path)


def _check_dimensions(dimensions: Dimensions) -> None:
    if len(dimensions) > DIMENSIONS:
        raise InvalidDimensions(f"must be at most {DIMENSIONS}", path="dimensions")
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
