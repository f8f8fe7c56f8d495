"""A coupon says what it gives, completely and once; what makes no sense is refused at its field."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from app.core.errors import Invalid
from app.core.ids import Prefix, show
from app.core.money import Currency
from app.core.text import InvalidCode
from app.pricing import coupons
from app.pricing.coupons import Benefit, Bounds, CouponCodeTaken, InvalidCoupon
from app.pricing.discounts import AmountOff, Duration, PercentOff
from app.pricing.models import CatalogStatus, Coupon
from tests.make import ADA, BY_ADA, NOON, Make, deeds, usd

TEN = Benefit(percent="10")
FIVE_DOLLARS = Benefit(amount_minor=500, currency=Currency.USD)


def create(
    session: Session, benefit: Benefit = TEN, bounds: Bounds | None = None, code: str = "WELCOME"
) -> Coupon:
    return coupons.create_coupon(
        session,
        code=code,
        name="Welcome",
        benefit=benefit,
        bounds=bounds or Bounds(),
        actor=ADA,
        now=NOON,
    )


def test_a_percentage(session: Session) -> None:
    coupon = create(session, Benefit(percent="12.5"))

    assert coupon.reduction == PercentOff(Decimal("12.5"))
    assert (coupon.duration, coupon.status) == (Duration.ONCE, CatalogStatus.ACTIVE)


def test_an_amount(session: Session) -> None:
    coupon = create(session, replace(FIVE_DOLLARS, minimum_minor=2_000))

    assert coupon.reduction == AmountOff(usd(500))
    assert coupon.minimum == usd(2_000)


def test_its_limits(session: Session) -> None:
    bounds = Bounds(date(2026, 12, 31), 100, 1, is_for_new_customers=True)

    coupon = create(session, bounds=bounds)

    assert coupon.limits.redeem_by == date(2026, 12, 31)
    assert (coupon.limits.max_redemptions, coupon.limits.max_per_customer) == (100, 1)
    assert coupon.limits.is_for_new_customers


def test_a_code_is_kept_in_capitals_and_taken_once(session: Session) -> None:
    assert create(session, code="spring-26").code == "SPRING-26"

    with pytest.raises(CouponCodeTaken):
        create(session, code="Spring-26")


@pytest.mark.parametrize("code", ["", "A B", "=1+1", "X" * 41, "优惠"])
def test_a_code_can_be_typed_anywhere(session: Session, code: str) -> None:
    with pytest.raises(InvalidCode):
        create(session, code=code)


@pytest.mark.parametrize(
    ("benefit", "path"),
    [
        (Benefit(), "percent"),
        (replace(FIVE_DOLLARS, percent="10"), "percent"),
        (Benefit(percent="0"), "percent"),
        (Benefit(percent="100.01"), "percent"),
        (Benefit(percent="10.001"), "percent"),
        (Benefit(percent="1e1"), "percent"),
        (Benefit(percent="-5"), "percent"),
        (Benefit(amount_minor=500), "currency"),
        (replace(TEN, currency=Currency.USD), "currency"),
        (replace(TEN, minimum_minor=100), "currency"),
        (replace(FIVE_DOLLARS, amount_minor=0), "amount_minor"),
        (replace(FIVE_DOLLARS, minimum_minor=-1), "minimum_minor"),
        (replace(TEN, duration=Duration.REPEATING), "months"),
        (replace(TEN, duration=Duration.REPEATING, months=0), "months"),
        (replace(TEN, months=3), "months"),
        (replace(TEN, product_codes=["nowhere"]), "product_codes"),
        (replace(TEN, metric_codes=["nowhere"]), "metric_codes"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(
    session: Session, benefit: Benefit, path: str
) -> None:
    with pytest.raises(InvalidCoupon) as refused:
        create(session, benefit)

    assert refused.value.path == path


@pytest.mark.parametrize(
    ("bounds", "path"),
    [
        (Bounds(max_redemptions=0), "max_redemptions"),
        (Bounds(max_per_customer=10**10), "max_per_customer"),
    ],
)
def test_a_limit_is_at_least_one(session: Session, bounds: Bounds, path: str) -> None:
    with pytest.raises(InvalidCoupon) as refused:
        create(session, bounds=bounds)

    assert refused.value.path == path


def test_it_covers_what_it_names(session: Session, make: Make) -> None:
    product, metric = make.product(), make.metric()

    both = create(session, replace(TEN, product_codes=[product.code], metric_codes=[metric.code]))

    assert both.covers(product.code, metric.code)
    assert not both.covers(product.code, "")
    assert not both.covers("other", metric.code)


def test_without_names_it_covers_all(session: Session) -> None:
    assert create(session).covers("anything", "")


def test_only_its_name_changes(session: Session) -> None:
    coupon = create(session)

    assert coupons.rename_coupon(session, coupon.id, name="欢迎", **BY_ADA).name == "欢迎"
    with pytest.raises(Invalid):
        coupons.rename_coupon(session, coupon.id, name=" ", **BY_ADA)


def test_archiving_and_restoring_may_be_repeated(session: Session) -> None:
    coupon = create(session)

    for _ in range(2):
        assert coupons.archive_coupon(session, coupon.id, **BY_ADA).status is CatalogStatus.ARCHIVED
    for _ in range(2):
        assert coupons.restore_coupon(session, coupon.id, **BY_ADA).status is CatalogStatus.ACTIVE


def test_a_list_is_searched_by_code_and_name(session: Session, make: Make) -> None:
    make.coupon(code="SPRING", name="Sale")
    make.coupon(code="OTHER", name="In spring")
    make.coupon(code="AUTUMN", name="Harvest")

    found = coupons.list_coupons(session, q="spring").rows

    assert [coupon.code for coupon in found] == ["OTHER", "SPRING"]


def test_whatever_is_done_to_a_coupon_is_written_down_once(session: Session) -> None:
    coupon = create(session, replace(TEN, product_codes=[]), Bounds(max_redemptions=5))
    coupons.rename_coupon(session, coupon.id, name="Hello", **BY_ADA)
    for _ in range(2):
        coupons.archive_coupon(session, coupon.id, **BY_ADA)
        coupons.rename_coupon(session, coupon.id, name="Hello", **BY_ADA)
    coupons.restore_coupon(session, coupon.id, **BY_ADA)

    (created, _, said), *later = deeds(session, show(Prefix.COUPON, coupon.id))
    assert (created, said["code"], said["percent"]) == ("coupon.created", "WELCOME", "10")
    assert said["max_redemptions"] == 5
    assert "amount_minor" not in said
    assert later == [
        ("coupon.renamed", {"name": "Welcome"}, {"name": "Hello"}),
        ("coupon.archived", {"status": "active"}, {"status": "archived"}),
        ("coupon.restored", {"status": "archived"}, {"status": "active"}),
    ]
