"""A coupon is attached to a contract once, while it has a place, and only where it fits."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest
from sqlalchemy.orm import Session

from app.billing import attachments, collection
from app.billing.attachments import (
    ContractInvoiced,
    CouponArchived,
    CouponAttached,
    CouponCurrencyMismatch,
    CouponCustomerLimit,
    CouponExhausted,
    CouponExpired,
    CouponForNewCustomers,
    TooManyCoupons,
)
from app.core.db import Transaction
from app.core.errors import NotFound
from app.core.ids import Prefix, show
from app.core.money import Currency
from app.pricing import coupons
from app.pricing.discounts import Duration
from tests.billing.make import Sold, billed, sold, use
from tests.make import ADA, BY_ADA, NOON, Make, deeds, usd


def attach(session: Session, sale: Sold, coupon_id: int, *, now: datetime = NOON) -> None:
    attachments.attach(session, sale.contract.id, coupon_id, actor=ADA, now=now)


def test_the_next_invoice_uses_it(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1000")

    attach(session, sale, make.coupon().id)

    assert billed(session, sale).discount == usd(100)


def test_a_contract_lists_its_coupons_in_their_order(session: Session, make: Make) -> None:
    sale, first, second = sold(make), make.coupon(), make.coupon()

    attach(session, sale, second.id)
    attach(session, sale, first.id)

    found = attachments.list_of_contract(session, sale.contract.id)
    assert [each.coupon for each in found] == [second, first]
    assert [each.first_on for each in found] == [None, None]


def test_the_list_tells_when_a_repeating_coupon_ends(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1000")
    attach(session, sale, make.coupon(duration=Duration.REPEATING, months=3).id)

    billed(session, sale)

    (found,) = attachments.list_of_contract(session, sale.contract.id)
    assert (found.first_on, found.ends_on) == (date(2026, 6, 1), date(2026, 9, 1))


def test_the_list_tells_that_a_single_use_is_over(session: Session, make: Make) -> None:
    sale = sold(make)
    use(session, sale, "1000")
    attach(session, sale, make.coupon(duration=Duration.ONCE).id)

    billed(session, sale)

    (found,) = attachments.list_of_contract(session, sale.contract.id)
    assert found.is_used_up


def test_twice_is_refused(session: Session, make: Make) -> None:
    sale, coupon = sold(make), make.coupon()
    attach(session, sale, coupon.id)

    with pytest.raises(CouponAttached):
        attach(session, sale, coupon.id)


def test_a_contract_has_at_most_ten(session: Session, make: Make) -> None:
    sale = sold(make)
    for _ in range(10):
        attach(session, sale, make.coupon().id)

    with pytest.raises(TooManyCoupons):
        attach(session, sale, make.coupon().id)


def test_an_amount_in_another_currency_is_refused(session: Session, make: Make) -> None:
    coupon = make.coupon(amount_minor=100, currency=Currency.CNY)

    with pytest.raises(CouponCurrencyMismatch):
        attach(session, sold(make), coupon.id)


def test_a_minimum_in_another_currency_is_refused(session: Session, make: Make) -> None:
    coupon = make.coupon(minimum_minor=100, currency=Currency.CNY)

    with pytest.raises(CouponCurrencyMismatch):
        attach(session, sold(make), coupon.id)


def test_an_archived_one_is_refused(session: Session, make: Make) -> None:
    coupon = make.coupon()
    coupons.archive_coupon(session, coupon.id, **BY_ADA)

    with pytest.raises(CouponArchived):
        attach(session, sold(make), coupon.id)


def test_its_last_day_is_one_of_the_merchants_days(session: Session, make: Make) -> None:
    coupon = make.coupon(redeem_by=date(2026, 6, 2))
    last_minute = datetime(2026, 6, 2, 15, 59, tzinfo=UTC)
    midnight = datetime(2026, 6, 2, 16, tzinfo=UTC)

    attach(session, sold(make), coupon.id, now=last_minute)
    with pytest.raises(CouponExpired):
        attach(session, sold(make), coupon.id, now=midnight)


def test_it_is_attached_as_often_as_it_may_be_redeemed(session: Session, make: Make) -> None:
    coupon = make.coupon(max_redemptions=2)
    attach(session, sold(make), coupon.id)
    attach(session, sold(make), coupon.id)

    with pytest.raises(CouponExhausted):
        attach(session, sold(make), coupon.id)


def test_detaching_what_was_not_used_frees_its_place(session: Session, make: Make) -> None:
    coupon, first = make.coupon(max_redemptions=1), sold(make)
    attach(session, first, coupon.id)

    attachments.detach(session, first.contract.id, coupon.id, **BY_ADA)

    attach(session, sold(make), coupon.id)


def test_detaching_what_was_used_frees_nothing(session: Session, make: Make) -> None:
    coupon, first = make.coupon(max_redemptions=1), sold(make)
    use(session, first, "1000")
    attach(session, first, coupon.id)
    invoice = billed(session, first)
    attachments.detach(session, first.contract.id, coupon.id, **BY_ADA)

    with pytest.raises(CouponExhausted):
        attach(session, sold(make), coupon.id)
    collection.void(session, invoice, reason="Wrong company", now=NOON)
    attach(session, sold(make), coupon.id)


def test_one_customer_takes_no_more_than_his_share(session: Session, make: Make) -> None:
    coupon, customer = make.coupon(max_per_customer=1), make.customer()
    attach(session, sold(make, customer_id=customer.id), coupon.id)

    with pytest.raises(CouponCustomerLimit):
        attach(session, sold(make, customer_id=customer.id), coupon.id)
    attach(session, sold(make), coupon.id)


def test_for_new_customers_is_for_who_was_never_billed(session: Session, make: Make) -> None:
    coupon, customer = make.coupon(is_for_new_customers=True), make.customer()
    first = sold(make, customer_id=customer.id)
    attach(session, first, coupon.id)
    billed(session, first)

    with pytest.raises(CouponForNewCustomers):
        attach(session, sold(make, customer_id=customer.id), coupon.id)


def test_a_contract_that_is_all_invoiced_takes_none(session: Session, make: Make) -> None:
    sale = sold(make, next_period_at=None, due_at=None)

    with pytest.raises(ContractInvoiced):
        attach(session, sale, make.coupon().id)


def test_what_is_not_attached_can_not_be_detached(session: Session, make: Make) -> None:
    with pytest.raises(NotFound):
        attachments.detach(session, sold(make).contract.id, make.coupon().id, **BY_ADA)


def test_of_many_who_ask_for_the_last_place_one_gets_it(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        coupon = make.coupon(max_redemptions=1)
        sales = [sold(make) for _ in range(6)]

    def ask(sale: Sold) -> str:
        try:
            with transaction() as session:
                attach(session, sale, coupon.id)
        except CouponExhausted as refusal:
            return refusal.code
        return "attached"

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(ask, sales))

    assert answers == ["attached", *["coupon_exhausted"] * 5]


def test_attaching_and_detaching_are_written_down(session: Session, make: Make) -> None:
    sale, coupon = sold(make), make.coupon(code="WELCOME")
    attachments.attach(session, sale.contract.id, coupon.id, **BY_ADA)
    attachments.detach(session, sale.contract.id, coupon.id, **BY_ADA)

    named = {"coupon": show(Prefix.COUPON, coupon.id), "code": "WELCOME"}
    assert deeds(session, show(Prefix.CONTRACT, sale.contract.id)) == [
        ("contract.coupon_attached", {}, named),
        ("contract.coupon_detached", named, {}),
    ]
