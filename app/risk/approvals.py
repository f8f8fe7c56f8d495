"""Which refunds wait for the platform: large ones, too many of a day, those of who is stopped."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.core.money import Money
from app.identity import clocks
from app.risk import counting, freezes, hits, limits
from app.risk.counting import Key
from app.risk.models import Switch
from app.risk.refusals import Hit
from app.risk.rules import LIMITS, Rule, window_at


def must_be_approved(session: Session, amount: Money, *, now: datetime) -> bool:
    """Count a refund of the day, and tell whether the platform has to approve it; `now` is real.

    Call it once for each refund, in the transaction that writes it down: the counter of the day
    stays locked until then. That it waits is written down as a hit.
    """
    rule = Rule.REFUNDS_PER_DAY
    at = clocks.to_merchant(session, now)
    key = Key(rule, "", window_at(LIMITS[rule].window, at))
    is_frozen = freezes.hold(session, Switch.REFUNDS).frozen_at is not None
    maxima, used = limits.limits_of(session), counting.lock(session, [key])[key]
    counting.add(session, {key: 1})
    hit: Hit | None = None
    if is_frozen:
        hit = Hit(Rule.FROZEN, Switch.REFUNDS.value, amount.minor, None, now)
    elif amount.minor > maxima[Rule.REFUND_AMOUNT]:
        maximum = maxima[Rule.REFUND_AMOUNT]
        hit = Hit(Rule.REFUND_AMOUNT, "", amount.minor, maximum, now)
    elif used >= maxima[rule]:
        hit = Hit(rule, "", amount.minor, maxima[rule], now)
    if hit is not None:
        hits.record(session, hit)
    return hit is not None
