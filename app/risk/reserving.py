"""A payment that is opened takes of the limits at once; when it closes unpaid, it gives back.

Frequencies are of attempts and are not given back.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import ids
from app.core.db import merchant_of
from app.core.ids import Prefix
from app.core.money import Money
from app.identity import clocks
from app.risk import counting, freezes, limits
from app.risk.counting import Key
from app.risk.models import (
    RESERVATION,
    ReservationEvent,
    ReservationStatus,
    RiskReservation,
    Switch,
)
from app.risk.refusals import (
    ChannelLimit,
    DailyLimitReached,
    Hit,
    RiskRefused,
    TooManyPayments,
)
from app.risk.rules import LIMITS, Limit, Rule, Scope, Window, day_ends_at, window_at


@dataclass(frozen=True, slots=True)
class Attempt:
    """A payment somebody wants to open: how much CNY, of which customer, at which channel.

    `payer_ip` is empty where it is not known.
    """

    amount: Money
    customer_id: int
    channel: str
    payer_ip: str = ""


def reserve(session: Session, order_id: int, attempt: Attempt, *, now: datetime) -> None:
    """Let the payment order be opened and count it, or raise why not; `now` is real.

    Call it under the invoice's lock, in the transaction that writes the order. The merchant's
    counters stay locked until that ends, so its end should be near. Raises MerchantFrozen,
    DailyLimitReached, TooManyPayments and ChannelLimit: wrap the flow in `hits.kept`.
    """
    if freezes.hold(session, Switch.CHECKOUT).frozen_at is not None:
        raise freezes.refusal(Switch.CHECKOUT, amount_minor=attempt.amount.minor, now=now)
    at = clocks.to_merchant(session, now)
    maxima, uses = limits.limits_of(session), _uses(attempt, at=at)
    _check(attempt, maxima, counting.lock(session, _counted(uses)), uses=uses, now=now)
    counting.add(session, _counted(uses))
    session.add(
        RiskReservation(
            merchant_id=merchant_of(session),
            payment_order_id=order_id,
            customer_id=attempt.customer_id,
            channel=attempt.channel,
            amount_minor=attempt.amount.minor,
            day_at=window_at(Window.DAY, at),
            status=ReservationStatus.RESERVED,
        )
    )


def why_not(
    session: Session, attempt: Attempt, *, instead_of: Collection[int] = (), now: datetime
) -> RiskRefused | None:
    """Return what `reserve` would raise as things are, or None; locks and writes nothing.

    `instead_of` names orders that close before: what they took does not count.
    """
    if freezes.find(session, Switch.CHECKOUT) is not None:
        return freezes.refusal(Switch.CHECKOUT, amount_minor=attempt.amount.minor, now=now)
    uses = _uses(attempt, at=clocks.to_merchant(session, now))
    used = counting.read(session, _counted(uses))
    closing = select(RiskReservation).where(
        RiskReservation.payment_order_id.in_(instead_of),
        RiskReservation.status == ReservationStatus.RESERVED,
    )
    for row in session.scalars(closing) if instead_of else ():
        for key in used.keys() & set(_of_the_day(row)):
            used[key] -= row.amount_minor
    try:
        _check(attempt, limits.limits_of(session), used, uses=uses, now=now)
    except RiskRefused as refusal:
        return refusal
    return None


def release(session: Session, order_id: int) -> None:
    """Give back what a payment order took, which has closed unpaid; doing so twice does it once.

    An order that never reserved, or was paid, is left alone.
    """
    row = _lock(session, order_id)
    if row is None or RESERVATION.is_repeat(row.status, ReservationEvent.RELEASE):
        return
    row.status = RESERVATION.after(row.status, ReservationEvent.RELEASE)
    _add_to_day(session, row, -row.amount_minor)


def settle(session: Session, order_id: int) -> None:
    """Keep what a payment order took, which was paid; doing so twice does it once.

    Money is never refused: what comes after the order was closed counts again, above any limit.
    """
    row = _lock(session, order_id)
    if row is None or RESERVATION.is_repeat(row.status, ReservationEvent.SETTLE):
        return
    was_released = row.status is ReservationStatus.RELEASED
    row.status = RESERVATION.after(row.status, ReservationEvent.SETTLE)
    if was_released:
        _add_to_day(session, row, row.amount_minor)


def _uses(attempt: Attempt, *, at: datetime) -> dict[Key, int]:
    """Return what the attempt uses of each limit that is about it: fen, or one time."""
    return {
        Key(rule, subject, window_at(limit.window, at)): (
            attempt.amount.minor if limit.is_amount else 1
        )
        for rule, limit in LIMITS.items()
        if (subject := _subject(limit, attempt)) is not None
    }


def _counted(uses: Mapping[Key, int]) -> dict[Key, int]:
    """Leave out the limits on one payment: nothing adds up there."""
    return {
        key: number for key, number in uses.items() if LIMITS[key.rule].window is not Window.EACH
    }


def _subject(limit: Limit, attempt: Attempt) -> str | None:
    """Return whom the limit counts; None when it is not about this attempt."""
    match limit.scope:
        case Scope.MERCHANT:
            return ""
        case Scope.CUSTOMER:
            return ids.show(Prefix.CUSTOMER, attempt.customer_id)
        case Scope.PAYER:
            return attempt.payer_ip or None
        case Scope.CHANNEL:
            return attempt.channel if attempt.channel == limit.channel else None
        case Scope.REFUND:
            return None


def _check(
    attempt: Attempt,
    maxima: Mapping[Rule, int],
    used: Mapping[Key, int],
    *,
    uses: Mapping[Key, int],
    now: datetime,
) -> None:
    for key, number in uses.items():
        maximum = maxima[key.rule]
        if used.get(key, 0) + number > maximum:
            hit = Hit(key.rule, key.subject, attempt.amount.minor, maximum, now)
            raise _refusal(hit, key)


def _refusal(hit: Hit, key: Key) -> RiskRefused:
    limit = LIMITS[hit.rule]
    if limit.scope is Scope.CHANNEL:
        return ChannelLimit(f"this is more than {limit.channel} takes; pay another way", hit=hit)
    if limit.is_amount:
        until = day_ends_at(key.window_at).isoformat(timespec="minutes")
        return DailyLimitReached(f"payments of today have reached a limit until {until}", hit=hit)
    return TooManyPayments(f"too many were opened in this {limit.window}; wait a little", hit=hit)


def _add_to_day(session: Session, row: RiskReservation, amount_minor: int) -> None:
    keys = _of_the_day(row)
    counting.lock(session, keys)
    counting.add(session, dict.fromkeys(keys, amount_minor))


def _of_the_day(row: RiskReservation) -> list[Key]:
    """Return the counters of amounts that a reservation is in."""
    subjects = {
        Scope.MERCHANT: "",
        Scope.CUSTOMER: ids.show(Prefix.CUSTOMER, row.customer_id),
        Scope.CHANNEL: row.channel,
    }
    return [
        Key(rule, subjects[limit.scope], row.day_at)
        for rule, limit in LIMITS.items()
        if limit.is_amount and limit.window is Window.DAY and limit.channel in {"", row.channel}
    ]


def _lock(session: Session, order_id: int) -> RiskReservation | None:
    return session.scalars(
        select(RiskReservation)
        .where(RiskReservation.payment_order_id == order_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
