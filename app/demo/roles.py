"""What the cast is told in: companies with their prices, buyers with their habits and their turns.

Whatever says by how many months ago a period began, or a day was, counts from the month of today.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.billing.one_off import Item
from app.channels.base import ChannelName
from app.core.money import Currency
from app.core.periods import Cycle
from app.demo.prices import Content
from app.pricing.coupons import Benefit, Bounds
from app.pricing.models import Aggregation


class Ending(StrEnum):
    """What becomes of an issued invoice."""

    PAID = "paid"
    OPEN = "open"
    VOID = "void"
    WRONG_AMOUNT = "wrong_amount"  # paid, but not what was asked for
    TWICE = "twice"  # paid at one channel and, with a code still at hand, at the other
    DEAD_CARD = "dead_card"  # paid with a card that takes nothing back


class Deed(StrEnum):
    """What is done about an invoice once it is out."""

    CREDIT = "credit"
    REISSUE = "reissue"
    GIVE_UP = "give_up"
    REFUND = "refund"
    DISPUTE = "dispute"
    WIN = "win"  # the dispute
    LOSE = "lose"
    ASK_FAPIAO = "ask_fapiao"
    REJECT_FAPIAO = "reject_fapiao"
    ISSUE_FAPIAO = "issue_fapiao"
    RED_LETTER = "red_letter"


@dataclass(frozen=True)
class Turn:
    """A deed about the invoice of the period that began `period` months ago.

    It is done on the `day` of the month that was `month` months ago, one of `seeding.STOP_DAYS`.
    """

    deed: Deed
    period: int
    month: int
    day: int
    why: str = ""
    percent: int = 100  # of the invoice, where the deed moves money


@dataclass(frozen=True)
class Buyer:
    """A customer on contract for `months`, or until its contract ended `ended` months ago.

    `endings` says by how many months ago a period began what its invoice comes to; the others
    are paid. `late` names, in the same way, the periods of which some usage came only when their
    invoices were out.
    """

    external_id: str
    name: str
    email: str
    months: int
    size: int  # per cent of the merchant's usual customer
    pays_after: int  # days
    pays_by: ChannelName
    tax_id: str = ""
    language: str = "zh_Hans_CN"
    currency: Currency | None = None  # the merchant's, unless it is another one
    cycle: Cycle = Cycle.MONTHLY_CALENDAR
    coupons: Sequence[str] = ()
    is_tax_exempt: bool = False
    endings: Mapping[int, Ending] = field(default_factory=dict)
    turns: Sequence[Turn] = ()
    late: Sequence[int] = ()
    ended: int | None = None


@dataclass(frozen=True)
class OwnMetric:
    """A metric that is not built in. A unique count counts the values of `unique_by`."""

    code: str
    name: str
    unit: str
    aggregation: Aggregation
    dimensions: Sequence[str]
    unique_by: str | None = None


@dataclass(frozen=True)
class Habit:
    """How much of a metric the usual customer uses in a day, and what its events may say of it."""

    daily: int
    dimensions: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Offer:
    """A coupon of the merchant's."""

    code: str
    name: str
    benefit: Benefit
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class Rate:
    """The tax on all that a merchant sells."""

    code: str
    name: str
    percent: str
    is_inclusive: bool


@dataclass(frozen=True)
class ByHand:
    """An invoice that the merchant writes today; a draft, unless it `is_issued`."""

    external_id: str
    item: Item
    is_issued: bool = True


@dataclass(frozen=True)
class Watch:
    """What the platform's risk desk has set for a merchant. Amounts are fen.

    `daily` and `pause` come today: the year would have been another one with them.
    """

    refunds_above: int | None = None  # wait for approval
    daily: int | None = None
    pause: str = ""  # why payouts are


@dataclass(frozen=True)
class Company:
    """A merchant: what it sells, at which prices, and what its customers use."""

    name: str
    email: str
    settles_in: Currency
    sells_in: Currency
    product: tuple[str, str]
    content: Content
    habits: Mapping[str, Habit]
    buyers: tuple[Buyer, ...]
    own_metrics: tuple[OwnMetric, ...] = ()
    offers: tuple[Offer, ...] = ()
    rate: Rate | None = None
    by_hand: tuple[ByHand, ...] = ()
    watch: Watch = field(default_factory=Watch)
    has_busy_day: bool = False  # what `busy_day` tells happens to it
