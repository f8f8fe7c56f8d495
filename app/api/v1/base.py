"""What the resources of v1 share: the dialect, and how it writes lists, money and time."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from app.api.operations import Api
from app.core.ids import Prefix, show
from app.core.money import Currency, Money
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page

NO_OFFSET, LARGEST_OFFSET = timedelta(0), timedelta(hours=14)

_SNAKE = re.compile(r"_([a-z0-9])")

Row = TypeVar("Row")
Item = TypeVar("Item")


def camel(path: str) -> str:
    """Write a path of fields as this dialect does: `tiers[0].up_to` → `tiers[0].upTo`."""
    return _SNAKE.sub(lambda found: found[1].upper(), path)


API = Api("api_v1", prefix="/api/v1", spell=camel)

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""An instant: RFC 3339, with its zone. What goes to the database also needs `check_zone`."""

DecimalText = Annotated[
    str,
    msgspec.Meta(
        description="An exact decimal, as text.",
        # Only told: the room refuses with a code of its own and the path of the field.
        extra_json_schema={"pattern": r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?$"},
    ),
]


class In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A body or a query: a field that is not declared is refused, never ignored."""


class Out(msgspec.Struct, rename="camel"):
    """An answer. Amounts are integers of minor units; quantities and prices are decimal text."""


class PageQuery(In, kw_only=True):
    """Which page of a list."""

    cursor: Annotated[str, msgspec.Meta(description="`nextCursor` of the page before.")] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT

    @property
    def page(self) -> "dict[str, Any]":
        """What a room's list takes to find the page."""
        return {"cursor": self.cursor or None, "limit": self.limit}


class Listing(Out, Generic[Item]):
    """One page of a list, newest first. `nextCursor` is null on the last one."""

    data: list[Item]
    next_cursor: str | None = None

    @classmethod
    def of(cls, page: Page[Row], show: Callable[[Row], Item]) -> "Listing[Item]":
        return cls([show(row) for row in page.rows], page.next_cursor)


class Amount(Out):
    """Money: an integer of minor units of its currency. 14900 CNY are ¥149.00."""

    amount_minor: int
    currency: Currency

    @classmethod
    def of(cls, money: Money) -> "Amount":
        return cls(money.minor, money.currency)


def check_zone(moment: datetime | None, name: str) -> None:
    """Refuse an offset no place on earth has, which PostgreSQL could not read.

    Raises ValueError, which a Struct's `__post_init__` turns into its refusal.
    """
    if moment is None or moment.tzinfo is UTC:
        return
    if abs(moment.utcoffset() or NO_OFFSET) > LARGEST_OFFSET:
        raise ValueError(f"`{name}` is in a zone that is nowhere")


def show_or_none(prefix: Prefix, row_id: int | None) -> str | None:
    """Write the id of a row that need not be."""
    return None if row_id is None else show(prefix, row_id)


def utc(moment: datetime) -> datetime:
    """Return the same instant in UTC, which is written with a Z."""
    return moment.astimezone(UTC)


def utc_or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None else utc(moment)
