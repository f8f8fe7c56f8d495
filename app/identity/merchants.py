"""The settings of a merchant: what it may change itself, and until when."""

from datetime import datetime
from zoneinfo import available_timezones

from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.core import ids
from app.core.errors import Conflict, Invalid
from app.core.money import SETTLEMENT_CURRENCIES, Currency
from app.identity import clocks
from app.identity.models import Merchant

MAX_LATE_WINDOW_DAYS = 3660
MAX_GRACE_HOURS = 240
MAX_REFUND_WINDOW_DAYS = 365
"""As long as channels pay refunds back."""


class InvalidSetting(Invalid):
    code = "invalid_setting"


class SettlementCurrencyFixed(Conflict):
    code = "settlement_currency_fixed"


class TimeZoneFixed(Conflict):
    code = "time_zone_fixed"


def time_zones() -> list[str]:
    """Return the time zones a merchant may live in: places, by name, and UTC."""
    places = (name for name in available_timezones() if "/" in name)
    return ["UTC", *sorted(name for name in places if not name.startswith(("Etc/", "SystemV/")))]


def update_settings(
    session: Session,
    *,
    settlement_currency: str | None = None,
    late_window_days: int | None = None,
    grace_hours: int | None = None,
) -> Merchant:
    """Change what is given; it holds for events and invoices from now on.

    The settlement currency is one of the nine, and fixed by the first finalised invoice: one
    balance has one currency. Locks the merchant. Raises InvalidSetting with the field as its
    path, and SettlementCurrencyFixed.
    """
    merchant = clocks.lock_merchant(session)
    if settlement_currency is not None:
        _settle_in(merchant, settlement_currency)
    if late_window_days is not None:
        merchant.late_window_days = _within(
            late_window_days, MAX_LATE_WINDOW_DAYS, path="late_window_days"
        )
    if grace_hours is not None:
        merchant.grace_hours = _within(grace_hours, MAX_GRACE_HOURS, path="grace_hours")
    return merchant


def change_time_zone(session: Session, time_zone: str, *, is_metered: bool) -> Merchant:
    """Let the merchant's days begin at midnight of `time_zone`.

    `is_metered` says that usage was counted by its days already; then the zone is fixed. Locks
    the merchant. Raises InvalidSetting and TimeZoneFixed.
    """
    merchant = clocks.lock_merchant(session)
    if time_zone == merchant.time_zone:
        return merchant
    if time_zone not in time_zones():
        raise InvalidSetting("is not a time zone we know", path="time_zone")
    if is_metered:
        raise TimeZoneFixed("usage was counted by days of this time zone", path="time_zone")
    merchant.time_zone = time_zone
    return merchant


def set_refund_window(session: Session, days: int, *, actor: Actor, now: datetime) -> Merchant:
    """Let payments be refunded for so many days from when they were paid; 0 is never.

    It holds for payments made before, too. Locks the merchant. Raises InvalidSetting.
    """
    merchant = clocks.lock_merchant(session)
    before = merchant.refund_window_days
    merchant.refund_window_days = _within(days, MAX_REFUND_WINDOW_DAYS, path="window_days")
    if days != before:
        record(
            session,
            actor,
            "refund_settings.changed",
            subject=ids.show_merchant(merchant.merchant_id),
            change=Change({"window_days": before}, {"window_days": days}),
            now=now,
        )
    return merchant


def _settle_in(merchant: Merchant, currency: str) -> None:
    if currency == merchant.settlement_currency:
        return
    if currency not in SETTLEMENT_CURRENCIES:
        raise InvalidSetting(
            f"must be one of {', '.join(SETTLEMENT_CURRENCIES)}", path="settlement_currency"
        )
    if merchant.first_invoice_at is not None:
        raise SettlementCurrencyFixed(
            f"invoices were settled in {merchant.settlement_currency}", path="settlement_currency"
        )
    merchant.settlement_currency = Currency(currency)


def _within(value: int, maximum: int, *, path: str) -> int:
    if not 0 <= value <= maximum:
        raise InvalidSetting(f"must be from 0 to {maximum}", path=path)
    return value
