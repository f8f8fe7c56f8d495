"""Coupons in words: what one gives, for how long, and what bounds it."""

from flask_babel import format_date, ngettext
from flask_babel import gettext as _

from app.core.decimals import plain
from app.pricing.discounts import Duration
from app.pricing.models import Coupon
from app.web.amounts import grouped


def benefit(coupon: Coupon) -> str:
    """Return what the coupon takes off, such as `10%` or `5.00 USD`."""
    if coupon.percent is not None:
        return f"{plain(coupon.percent)}%"
    return grouped(coupon.amount) if coupon.amount else ""


def duration(coupon: Coupon) -> str:
    """Return for how long it does so."""
    match coupon.duration:
        case Duration.ONCE:
            return str(_("one invoice"))
        case Duration.REPEATING:
            return str(ngettext("%(num)s month", "%(num)s months", coupon.months or 0))
        case Duration.FOREVER:
            return str(_("every invoice"))


def bounds(coupon: Coupon) -> list[str]:
    """Return what bounds the coupon, a sentence each; empty when nothing does."""
    said = []
    if coupon.minimum:
        said.append(_("Invoices from %(amount)s on", amount=grouped(coupon.minimum)))
    if coupon.product_codes:
        said.append(_("Products: %(codes)s", codes=", ".join(coupon.product_codes)))
    if coupon.metric_codes:
        said.append(_("Metrics: %(codes)s", codes=", ".join(coupon.metric_codes)))
    if coupon.redeem_by:
        said.append(_("Attached by %(day)s", day=format_date(coupon.redeem_by, "medium")))
    if coupon.max_redemptions:
        most = coupon.max_redemptions
        said.append(ngettext("At most %(num)s contract", "At most %(num)s contracts", most))
    if coupon.max_per_customer:
        of_one = ngettext(
            "At most %(num)s contract of a customer",
            "At most %(num)s contracts of a customer",
            coupon.max_per_customer,
        )
        said.append(of_one)
    if coupon.is_for_new_customers:
        said.append(_("Only for customers never billed before"))
    return said
