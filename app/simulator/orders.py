"""Orders in the book: placed by a merchant, scanned and paid by a payer, closed by either end."""

import hashlib
import secrets
import sqlite3
import string
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from app.simulator.clock import CHINA
from app.simulator.keys import digits

CODE_ALPHABET = string.ascii_letters + string.digits
LARGEST_MINOR = 100_000_000_00  # fen: both channels stop at a hundred million yuan
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Channel(StrEnum):
    WECHAT = "wechat"
    ALIPAY = "alipay"


class Product(StrEnum):
    """How the payer comes to an order."""

    NATIVE = "native"  # a QR code
    JSAPI = "jsapi"  # a prepay id, for WeChat's own browser
    H5 = "h5"  # a prepay id inside a URL, for any other mobile browser
    PRECREATE = "precreate"  # a QR code
    PAGE = "page"  # a signed URL, on a desktop
    WAP = "wap"  # a signed URL, on a phone


# What a code begins with, and how long it lives; the order may live longer.
CODES = {
    Product.NATIVE: ("weixin://wxpay/bizpayurl?pr=", timedelta(hours=2)),
    Product.JSAPI: ("wx", timedelta(hours=2)),
    Product.H5: ("wx", timedelta(minutes=5)),
    Product.PRECREATE: ("https://qr.alipay.com/", timedelta(hours=2)),
    Product.PAGE: ("https://excashier.alipay.com/standard/", timedelta(days=15)),
    Product.WAP: ("https://mclient.alipay.com/home/", timedelta(days=15)),
}


class State(StrEnum):
    OPEN = "open"
    PAID = "paid"
    CLOSED = "closed"


class NotPlaced(Exception):
    """The number can not be ordered again; each channel has its own code for each reason."""


class NumberUsed(NotPlaced):
    """An order of that number exists and asks for something else."""


class AlreadyPaid(NotPlaced):
    pass


class AlreadyClosed(NotPlaced):
    pass


class NotPayable(Exception):
    """The payer came too late, or paid before."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a merchant asked for and what became of it. Amounts are fen, times the book's.

    An open order takes money until `payable_until`, and closes by itself at `closes_at`.
    `attach` is the merchant's own text, handed back in every notice; `qr` is the code the payer
    comes by, whatever it is called at the product.
    """

    channel: Channel
    product: Product
    out_trade_no: str
    fingerprint: str
    description: str
    amount_minor: int
    notify_url: str
    attach: str
    created_at: datetime
    payable_until: datetime
    closes_at: datetime | None
    return_url: str = ""
    openid: str = ""
    qr: str = ""
    qr_dies_at: datetime = LONG_AGO
    state: State = State.OPEN
    scanned_at: datetime | None = None
    failures: int = 0
    transaction_id: str | None = None
    paid_minor: int | None = None
    paid_at: datetime | None = None
    next_pay: str = ""

    def state_at(self, now: datetime) -> State:
        left_alone = self.closes_at is not None and now >= self.closes_at
        return State.CLOSED if self.state is State.OPEN and left_alone else self.state

    def takes(self, plan: "Plan", now: datetime) -> bool:
        """Say whether a payment that goes by `plan` comes through."""
        return self.is_payable(now) or (plan.late and self.state is not State.PAID)

    def is_payable(self, now: datetime) -> bool:
        in_time = now < min(self.qr_dies_at, self.payable_until)
        return in_time and self.state_at(now) is State.OPEN


class Plan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the payment of an order goes wrong; by default, not at all.

    `amount_minor` is paid instead of the amount asked for. `times` copies of the notice are
    sent, the first after `delay_seconds`; with `drop` none is, until somebody asks for it. A
    payment that is `late` was on its way: it comes although the order is closed or expired.
    """

    amount_minor: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_MINOR)] | None = None
    notify: Literal[
        "ok", "drop", "bad_signature", "sign_test", "unknown_serial", "stale", "tampered"
    ] = "ok"
    times: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    delay_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    late: bool = False


def fingerprint(request: object) -> str:
    """Return a digest that two requests share when they ask for the same thing."""
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()


def place(db: sqlite3.Connection, asked: Order, *, now: datetime) -> Order:
    """Enter the order, or return the one of that number when it asks for the same.

    The code stays the same as long as it lives; a dead one is replaced. Raises NumberUsed,
    AlreadyPaid and AlreadyClosed.
    """
    known = find(db, asked.channel, asked.out_trade_no)
    if known is None:
        order = _with_new_code(asked, now)
        row = asdict(order)
        columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        db.execute(f"INSERT INTO orders ({columns}) VALUES ({values})", row)  # noqa: S608 — our own field names
        return order
    if known.state_at(now) is State.PAID:
        raise AlreadyPaid
    if known.fingerprint != asked.fingerprint:
        raise NumberUsed
    if known.state_at(now) is State.CLOSED or now >= known.payable_until:
        raise AlreadyClosed
    if now < known.qr_dies_at:
        return known
    return _update(db, _with_new_code(known, now))


def find(db: sqlite3.Connection, channel: Channel, out_trade_no: str) -> Order | None:
    return _one(db, "channel = ? AND out_trade_no = ?", (channel, out_trade_no))


def find_by_transaction(
    db: sqlite3.Connection, channel: Channel, transaction_id: str
) -> Order | None:
    return _one(db, "channel = ? AND transaction_id = ?", (channel, transaction_id))


def find_by_code(db: sqlite3.Connection, qr: str) -> Order | None:
    return _one(db, "qr = ?", (qr,))


def recent(db: sqlite3.Connection, *, containing: str, limit: int) -> list[Order]:
    """Return the newest orders whose number or description contains a text."""
    rows = db.execute(
        "SELECT * FROM orders WHERE instr(out_trade_no, :text) OR instr(description, :text)"
        " ORDER BY created_at DESC LIMIT :limit",
        {"text": containing, "limit": limit},
    )
    return [_order(row) for row in rows]


def paid_between(
    db: sqlite3.Connection, channel: Channel, *, start: datetime, end: datetime
) -> list[Order]:
    """Return what was paid from `start` until before `end`, in the order of payment."""
    rows = db.execute(
        "SELECT * FROM orders WHERE channel = ? AND paid_at >= ? AND paid_at < ? ORDER BY paid_at",
        (channel, start, end),
    )
    return [_order(row) for row in rows]


def scan(db: sqlite3.Connection, order: Order, *, now: datetime) -> Order:
    """Note that a payer opened the code: at Alipay the trade exists from here on."""
    if order.scanned_at is not None:
        return order
    transaction_id = trade_number(now) if order.channel is Channel.ALIPAY else None
    return _update(db, replace(order, scanned_at=now, transaction_id=transaction_id))


def pay(db: sqlite3.Connection, order: Order, plan: Plan, *, now: datetime) -> Order:
    """Take the payer's money, once. Raises NotPayable when the order is not open for it."""
    if not order.takes(plan, now):
        raise NotPayable
    scanned = scan(db, order, now=now)
    return _update(
        db,
        replace(
            scanned,
            state=State.PAID,
            transaction_id=scanned.transaction_id or transaction_number(now),
            paid_minor=plan.amount_minor or order.amount_minor,
            paid_at=now,
            next_pay="",
        ),
    )


def fail(db: sqlite3.Connection, order: Order, *, now: datetime) -> Order:
    """Note a payment that the payer's bank refused; the order stays payable. Raises NotPayable."""
    if not order.is_payable(now):
        raise NotPayable
    scanned = scan(db, order, now=now)
    return _update(db, replace(scanned, failures=order.failures + 1))


def close(db: sqlite3.Connection, order: Order, *, now: datetime) -> Order:
    """Close an unpaid order; closing it again changes nothing. Raises AlreadyPaid."""
    if order.state_at(now) is State.PAID:
        raise AlreadyPaid
    return _update(db, replace(order, state=State.CLOSED))


def arm(db: sqlite3.Connection, order: Order, plan: Plan) -> Order:
    """Keep `plan` for the payer's next payment of this order, however he pays it."""
    return _update(db, replace(order, next_pay=msgspec.json.encode(plan).decode()))


def armed(order: Order) -> Plan:
    return msgspec.json.decode(order.next_pay, type=Plan) if order.next_pay else Plan()


def transaction_number(now: datetime) -> str:
    """Make a WeChat transaction id: 28 digits, with the Chinese day of payment inside."""
    return f"4200{digits(6)}{now.astimezone(CHINA):%Y%m%d}{digits(10)}"


def trade_number(now: datetime) -> str:
    """Make an Alipay trade number: 28 digits that begin with the Chinese day of the scan."""
    return f"{now.astimezone(CHINA):%Y%m%d}22001{digits(15)}"


def _with_new_code(order: Order, now: datetime) -> Order:
    prefix, lifetime = CODES[order.product]
    if order.product in {Product.JSAPI, Product.H5}:
        token = f"{now.astimezone(CHINA):%d%H%M%S}{secrets.token_hex(13)}"
    else:
        token = "".join(secrets.choice(CODE_ALPHABET) for _ in range(16))
    return replace(order, qr=prefix + token, qr_dies_at=now + lifetime)


def _update(db: sqlite3.Connection, order: Order) -> Order:
    db.execute(
        """
        UPDATE orders SET qr = :qr, qr_dies_at = :qr_dies_at, state = :state,
            scanned_at = :scanned_at, failures = :failures, transaction_id = :transaction_id,
            paid_minor = :paid_minor, paid_at = :paid_at, next_pay = :next_pay
        WHERE channel = :channel AND out_trade_no = :out_trade_no
        """,
        asdict(order),
    )
    return order


def _one(db: sqlite3.Connection, where: str, values: tuple[str, ...]) -> Order | None:
    row = db.execute(f"SELECT * FROM orders WHERE {where}", values).fetchone()  # noqa: S608 — `where` is ours
    return _order(row) if row else None


def _order(row: sqlite3.Row) -> Order:
    kinds = {"channel": Channel, "product": Product, "state": State}
    return Order(**{**dict(row), **{name: kind(row[name]) for name, kind in kinds.items()}})
