"""A merchant changes its settings within bounds, and none that its bills were made with."""

import pytest
from sqlalchemy.orm import Session

from app.core.money import Currency
from app.identity import clocks, merchants
from tests.make import NOON


def test_settings_that_are_not_given_stay(session: Session) -> None:
    merchant = merchants.update_settings(session, grace_hours=0)

    assert (merchant.grace_hours, merchant.late_window_days) == (0, 400)
    assert merchant.settlement_currency is Currency.USD


def test_a_merchant_is_settled_in_one_of_the_nine_currencies(session: Session) -> None:
    merchant = merchants.update_settings(session, settlement_currency="SGD")

    assert merchant.settlement_currency is Currency.SGD


@pytest.mark.parametrize("currency", ["CNY", "VND", "usd", ""])
def test_other_currencies_are_refused(session: Session, currency: str) -> None:
    with pytest.raises(merchants.InvalidSetting) as refused:
        merchants.update_settings(session, settlement_currency=currency)

    assert refused.value.path == "settlement_currency"


def test_the_first_invoice_fixes_the_settlement_currency(session: Session) -> None:
    clocks.get_merchant(session).first_invoice_at = NOON

    with pytest.raises(merchants.SettlementCurrencyFixed):
        merchants.update_settings(session, settlement_currency="EUR")
    merchants.update_settings(session, settlement_currency="USD", late_window_days=30)


@pytest.mark.parametrize(("days", "hours"), [(-1, 0), (3661, 0), (0, -1), (0, 241)])
def test_windows_have_bounds(session: Session, days: int, hours: int) -> None:
    with pytest.raises(merchants.InvalidSetting):
        merchants.update_settings(session, late_window_days=days, grace_hours=hours)


def test_the_time_zone_is_free_until_usage_was_counted(session: Session) -> None:
    merchants.change_time_zone(session, "Asia/Singapore", is_metered=False)

    with pytest.raises(merchants.TimeZoneFixed):
        merchants.change_time_zone(session, "Europe/Paris", is_metered=True)
    assert clocks.get_merchant(session).time_zone == "Asia/Singapore"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "localtime", "Etc/GMT+8"])
def test_a_time_zone_is_a_place(session: Session, zone: str) -> None:
    with pytest.raises(merchants.InvalidSetting):
        merchants.change_time_zone(session, zone, is_metered=False)


def test_saving_the_same_time_zone_again_is_no_change(session: Session) -> None:
    assert merchants.change_time_zone(session, "Asia/Shanghai", is_metered=True).time_zone
