"""The URLs of what changes the amount of a bill: coupons and tax."""

from app.web import contract_coupons, coupons, taxes
from app.web.route import MERCHANT, Route

MONEY_ROUTES = (
    Route("/merchant/coupons", coupons.index, MERCHANT, name="coupons"),
    Route("/merchant/coupons/new", coupons.new, MERCHANT, name="new_coupon"),
    Route("/merchant/coupons/new", coupons.create, MERCHANT, name="create_coupon", method="POST"),
    Route("/merchant/coupons/<coupon_id>", coupons.show_coupon, MERCHANT, name="coupon"),
    Route(
        "/merchant/coupons/<coupon_id>",
        coupons.rename,
        MERCHANT,
        name="rename_coupon",
        method="POST",
    ),
    Route(
        "/merchant/coupons/<coupon_id>/archive",
        coupons.archive,
        MERCHANT,
        name="archive_coupon",
        method="POST",
    ),
    Route(
        "/merchant/coupons/<coupon_id>/restore",
        coupons.restore,
        MERCHANT,
        name="restore_coupon",
        method="POST",
    ),
    Route(
        "/merchant/contracts/<contract_id>/coupons",
        contract_coupons.attach_coupon,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/contracts/<contract_id>/coupons/<coupon_id>/detach",
        contract_coupons.detach_coupon,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/settings/taxes", taxes.tax_rates, MERCHANT),
    Route("/merchant/settings/taxes", taxes.create_tax_rate, MERCHANT, method="POST"),
    Route(
        "/merchant/settings/taxes/<tax_rate_id>/default",
        taxes.set_default_tax,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/settings/taxes/<tax_rate_id>/default/clear",
        taxes.clear_default_tax,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/settings/taxes/<tax_rate_id>/archive",
        taxes.archive_tax_rate,
        MERCHANT,
        method="POST",
    ),
    Route(
        "/merchant/settings/taxes/<tax_rate_id>/restore",
        taxes.restore_tax_rate,
        MERCHANT,
        method="POST",
    ),
    Route("/merchant/products/<product_id>/tax", taxes.set_product_tax, MERCHANT, method="POST"),
    Route("/merchant/customers/<customer_id>/tax", taxes.set_customer_tax, MERCHANT, method="POST"),
)
