"""Invoices use the coupons of their contract: as long as they run, as often as they may."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import attachments, collection, invoicing, redemptions
from app.billing.coupon_models import ContractCoupon, CouponRedemption, RedemptionStatus
from app.billing.models import Invoice
from app.core.db import Transaction, merchant_of
from app.core.money import Currency
from app.ledger.queries import unbalanced
from app.pricing.discounts import Duration
from app.pricing.models import Coupon
from tests.billing.make import RATES, Sold, billed, drafted, lines_of, sold, use
from tests.make import BY_ADA, NOON, Make, cny, usd

JULY_2 = datetime(2026, 7, 2, 4, tzinfo=UTC)
AUGUST_2 = datetime(2026, 8, 2, 4, tzinfo=UTC)


def attached(session: Session, sale: Sold, *coupons: Coupon) -> Sold:
    """Attach the coupons as if each still had a place."""
    session.add_all(
        ContractCoupon(
            merchant_id=merchant_of(session),
            contract_id=sale.contract.id,
            position=position,
            coupon_id=coupon.id,
            attached_at=NOON,
        )
        for position, coupon in enumerate(coupons, start=1)
    )
    session.flush()
    return sale


def statuses(session: Session, coupon: Coupon) -> list[RedemptionStatus]:
    session.flush()
    of_coupon = select(CouponRedemption).where(CouponRedemption.coupon_id == coupon.id)
    rows = session.scalars(of_coupon.order_by(CouponRedemption.invoice_id))
    return [row.status for row in rows]


def three_months(session: Session, sale: Sold) -> list[int]:
    """Bill May, June and July at 10.00 each, and return what coupons took off."""
    for month in (5, 6, 7):
        use(session, sale, "1000", on=date(2026, month, 15))
    moments = (NOON, JULY_2, AUGUST_2)
    return [billed(session, sale, now=moment).discount_minor for moment in moments]


def test_a_coupon_is_on_the_invoice_and_its_lines(session: Session, make: Make) -> None:
    sale = attached(session, sold(make), make.coupon())
    use(session, sale, "12346")

    invoice = billed(session, sale)

    assert (invoice.discount, invoice.subtotal) == (usd(1_235), usd(11_111))
    assert (invoice.tax, invoice.total) == (usd(0), usd(11_111))
    assert invoice.collection == invoice.due == cny(79_575)
    (line,) = lines_of(session, invoice)
    assert (line.amount_minor, line.discount_minor) == (12_346, 1_235)
    assert unbalanced(session) == []


def test_coupons_are_taken_off_in_the_order_they_were_attached(
    session: Session, make: Make
) -> None:
    percent = make.coupon()
    fixed = make.coupon(amount_minor=100, currency=Currency.USD)
    sale = attached(session, sold(make), fixed, percent)
    use(session, sale, "1000")

    invoice = billed(session, sale)

    told = redemptions.list_of_invoice(session, invoice)
    assert told == [(fixed, usd(100)), (percent, usd(90))]


def test_a_draft_reserves_and_finalising_counts(session: Session, make: Make) -> None:
    coupon = make.coupon()
    sale = attached(session, sold(make), coupon)
    use(session, sale, "1000")

    invoice = drafted(session, sale)
    reserved = statuses(session, coupon)
    invoicing.finalize(session, invoice.id, rates=RATES, now=NOON)

    assert reserved == [RedemptionStatus.RESERVED]
    assert statuses(session, coupon) == [RedemptionStatus.COUNTED]


def test_an_invoice_of_nothing_uses_no_coupon(session: Session, make: Make) -> None:
    coupon = make.coupon(duration=Duration.ONCE)
    sale = attached(session, sold(make), coupon)

    billed(session, sale)

    assert statuses(session, coupon) == []


def test_usage_within_the_grace_may_use_a_coupon_that_the_draft_did_not(
    session: Session, make: Make
) -> None:
    coupon = make.coupon()
    sale = attached(session, sold(make), coupon)
    invoice = drafted(session, sale)
    use(session, sale, "1000")

    invoicing.finalize(session, invoice.id, rates=RATES, now=NOON)

    assert invoice.discount == usd(100)
    assert statuses(session, coupon) == [RedemptionStatus.COUNTED]


def test_once_is_one_invoice(session: Session, make: Make) -> None:
    sale = attached(session, sold(make), make.coupon(duration=Duration.ONCE))

    assert three_months(session, sale) == [100, 0, 0]


def test_once_is_one_invoice_also_when_all_are_drafted_on_one_day(
    session: Session, make: Make
) -> None:
    sale = attached(session, sold(make), make.coupon(duration=Duration.ONCE))
    use(session, sale, "1000")
    use(session, sale, "1000", on=date(2026, 6, 15))

    both = [drafted(session, sale, now=JULY_2), drafted(session, sale, now=JULY_2)]

    assert [invoice.discount_minor for invoice in both] == [100, 0]


def test_a_repeating_coupon_runs_for_its_months(session: Session, make: Make) -> None:
    coupon = make.coupon(duration=Duration.REPEATING, months=2)
    sale = attached(session, sold(make), coupon)

    assert three_months(session, sale) == [100, 100, 0]


def test_one_for_ever_does_not_end(session: Session, make: Make) -> None:
    sale = attached(session, sold(make), make.coupon())

    assert three_months(session, sale) == [100, 100, 100]


def test_voiding_gives_the_coupon_back(session: Session, make: Make) -> None:
    coupon = make.coupon(duration=Duration.ONCE, max_redemptions=1)
    sale = attached(session, sold(make), coupon)
    use(session, sale, "1000")
    use(session, sale, "1000", on=date(2026, 6, 15))
    may = billed(session, sale)

    collection.void(session, may, reason="Wrong company", now=NOON)
    june = billed(session, sale, now=JULY_2)

    assert (may.discount, june.discount) == (usd(100), usd(100))
    assert statuses(session, coupon) == [RedemptionStatus.RELEASED, RedemptionStatus.COUNTED]


def test_a_coupon_that_was_detached_is_not_on_what_is_finalised_later(
    session: Session, make: Make
) -> None:
    coupon = make.coupon()
    sale = attached(session, sold(make), coupon)
    use(session, sale, "1000")
    invoice = drafted(session, sale)

    attachments.detach(session, sale.contract.id, coupon.id, **BY_ADA)
    invoicing.finalize(session, invoice.id, rates=RATES, now=NOON)

    assert invoice.discount == usd(0)
    assert statuses(session, coupon) == [RedemptionStatus.RELEASED]
    assert redemptions.list_of_invoice(session, invoice) == []


def test_a_coupon_covers_only_the_metrics_it_names(session: Session, make: Make) -> None:
    sale = sold(make)
    attached(session, sale, make.coupon(metric_codes=["something_else"]))
    use(session, sale, "1000")

    assert billed(session, sale).discount == usd(0)


def test_a_whole_discount_pays_the_invoice_at_once(session: Session, make: Make) -> None:
    sale = attached(session, sold(make), make.coupon(percent=Decimal(100)))
    use(session, sale, "1000")

    invoice = billed(session, sale)

    assert (invoice.total, invoice.due, invoice.paid_at) == (usd(0), cny(0), NOON)
    assert statuses(session, make_of(session, sale)) == [RedemptionStatus.COUNTED]


def make_of(session: Session, sale: Sold) -> Coupon:
    (found,) = attachments.list_of_contract(session, sale.contract.id)
    return found.coupon


def test_a_customer_limit_counts_contracts_not_invoices(session: Session, make: Make) -> None:
    coupon = make.coupon(max_per_customer=1)
    customer = make.customer()
    first = attached(session, sold(make, customer_id=customer.id), coupon)
    second = attached(session, sold(make, customer_id=customer.id), coupon)
    use(session, second, "1000")

    assert three_months(session, first) == [100, 100, 100]
    assert billed(session, second).discount == usd(0)


def test_of_two_drafts_at_once_one_gets_the_last_redemption(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        coupon = make.coupon(max_redemptions=1)
        sales = [attached(session, sold(make), coupon) for _ in range(4)]
        for sale in sales:
            use(session, sale, "1000")

    def draft(sale: Sold) -> int:
        with transaction() as session:
            return drafted(session, sale).discount_minor

    with ThreadPoolExecutor(4) as pool:
        discounts = list(pool.map(draft, sales))

    assert sorted(discounts) == [0, 0, 0, 100]
    with transaction() as session:
        assert redemptions.redeemed_by_coupon(session, [coupon.id]) == {coupon.id: 1}


def test_finalising_twice_at_once_counts_once(transaction: Transaction) -> None:
    with transaction() as session:
        make = Make(session)
        coupon = make.coupon()
        sale = attached(session, sold(make), coupon)
        use(session, sale, "1000")
        invoice_id = drafted(session, sale).id

    def finalize(_: int) -> invoicing.Outcome:
        with transaction() as session:
            return invoicing.finalize(session, invoice_id, rates=RATES, now=NOON)

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(finalize, range(4)))

    assert outcomes == [invoicing.Outcome.FINALIZED, *[invoicing.Outcome.REPEATED] * 3]
    with transaction() as session:
        assert session.scalars(select(Invoice.discount_minor)).all() == [100]
        assert statuses(session, coupon) == [RedemptionStatus.COUNTED]
