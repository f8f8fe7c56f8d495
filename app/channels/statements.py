"""What the statements of all channels share: exact yuan, times of one day, and nothing twice."""

import hashlib
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from app.channels import wire
from app.channels.base import (
    BadStatement,
    ChannelName,
    Statement,
    StatementRow,
)
from app.core.money import Currency, Money

_WRITTEN_AT = time(10, tzinfo=wire.CHINA)  # on the next day
_YUAN = re.compile(r"-?[0-9]{1,12}\.[0-9]{2}")
_FEE = re.compile(r"-?[0-9]{1,12}\.[0-9]{2,5}")


def of(channel: ChannelName, day: date, raw: bytes, *, rows: tuple[StatementRow, ...]) -> Statement:
    """Return the statement whose file was read. Raises BadStatement on a row that comes twice."""
    names = {(row.kind, row.channel_txn_id, row.out_refund_no) for row in rows}
    if len(names) != len(rows):
        raise BadStatement("a row comes twice")
    return Statement(channel, day, rows, raw, hashlib.sha256(raw).hexdigest())


def empty(channel: ChannelName, day: date) -> Statement:
    """Return the statement of a day on which nothing happened."""
    return of(channel, day, b"", rows=())


def is_written(day: date, *, now: datetime) -> bool:
    """Tell whether both channels have surely written the statement of a day."""
    return now >= datetime.combine(day + timedelta(days=1), _WRITTEN_AT)


def require(holds: bool, wrong: str) -> None:  # noqa: FBT001 - the one thing it is about
    """Raise BadStatement unless something holds."""
    if not holds:
        raise BadStatement(wrong)


def columns(header: str, wanted: str) -> list[str]:
    """Split a header, which has to name exactly the columns we know, in any order.

    A column we do not know may hold money that changes what the others mean. Raises BadStatement.
    """
    named, known = [name.strip() for name in header.split(",")], wanted.split(",")
    odd = sorted({*named} ^ {*known})
    require(not odd and len(named) == len(known), f"columns missing or unknown: {odd}")
    return named


def money(written: str) -> Money:
    """Read yuan with exactly two decimals, of either sign. Raises BadStatement."""
    require(_YUAN.fullmatch(written) is not None, f"{written!r} is not an amount in yuan")
    return Money(int(Decimal(written).scaleb(2)), Currency.CNY)


def above_zero(written: str) -> Money:
    """Read an amount that can not be zero or less. Raises BadStatement."""
    amount = money(written)
    require(amount.minor > 0, f"an amount of {written}")
    return amount


def fee(written: str) -> Decimal:
    """Read a fee in yuan with all its decimals, of either sign. Raises BadStatement."""
    require(_FEE.fullmatch(written) is not None, f"{written!r} is not a fee in yuan")
    return Decimal(written)


def moment(written: str, *, day: date) -> datetime:
    """Read a time of China that lies on `day`. Raises BadStatement."""
    try:
        at = datetime.strptime(written, "%Y-%m-%d %H:%M:%S").replace(tzinfo=wire.CHINA)
    except ValueError as fault:
        raise BadStatement(f"{written!r} is not a time") from fault
    require(at.date() == day, f"{written} is not on {day}")
    return at
