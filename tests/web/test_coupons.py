"""Coupons and tax rates by hand: made, attached and given; what is typed is never lost."""

from sqlalchemy import Engine

from app.core.db import begin
from app.core.ids import Prefix, show
from tests.billing.make import sold
from tests.make import Make
from tests.web.conftest import PARTIAL, Browser

TEN = {"name": "Welcome", "code": "welcome10", "kind": "percent", "percent": "10"}


def contracts_of(browser: Browser, engine: Engine, *, count: int = 1) -> list[str]:
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        return [show(Prefix.CONTRACT, sold(make).contract.id) for _ in range(count)]


def coupon_of(browser: Browser, **form: str) -> str:
    """Make a coupon by the form and return the path of its page."""
    answer = browser.post("/merchant/coupons/new", TEN | form)
    assert answer.status_code == 303, answer.text
    return answer.location


def test_a_coupon_is_made_and_listed(browser: Browser) -> None:
    path = coupon_of(browser, duration="repeating", months="3", max_redemptions="5")

    shown = browser.text(path)
    assert "WELCOME10" in shown
    assert "10%" in shown
    assert "At most 5 contracts" in shown
    rows = browser.text("/merchant/coupons", headers=PARTIAL)
    assert rows in browser.text("/merchant/coupons")
    assert "0 / 5" in rows


def test_an_amount_is_typed_in_major_units(browser: Browser) -> None:
    path = coupon_of(browser, kind="amount", amount_minor="5.00", currency="USD")

    assert "5.00 USD" in browser.text(path)


def test_a_refused_coupon_keeps_what_was_typed(browser: Browser) -> None:
    form = TEN | {"percent": "120", "redeem_by": "2026-12-31"}

    answer = browser.post("/merchant/coupons/new", form)

    assert answer.status_code == 422
    assert 'value="120"' in answer.text
    assert 'value="2026-12-31"' in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_more_decimals_than_the_currency_has_are_refused(browser: Browser) -> None:
    form = TEN | {"kind": "amount", "amount_minor": "5.5", "currency": "JPY"}

    answer = browser.post("/merchant/coupons/new", form)

    assert answer.status_code == 422
    assert "The currency has fewer decimals." in answer.text


def test_html_in_a_name_is_escaped(browser: Browser) -> None:
    path = coupon_of(browser, name="<script>alert(1)</script>")

    assert "<script>alert(1)" not in browser.text(path)


def test_the_file_has_what_is_filtered(browser: Browser) -> None:
    coupon_of(browser)
    coupon_of(browser, code="OTHER", name="=1+1")

    text = browser.text("/merchant/coupons?q=other&format=csv")

    assert "WELCOME10" not in text
    assert "'=1+1" in text


def test_a_contract_takes_a_coupon_and_loses_it(browser: Browser, engine: Engine) -> None:
    (contract,) = contracts_of(browser, engine)
    coupon = coupon_of(browser).rsplit("/", 1)[1]
    path = f"/merchant/contracts/{contract}"

    assert browser.post(f"{path}/coupons", {"coupon": coupon}).status_code == 303
    assert "WELCOME10" in browser.text(path)
    assert contract in browser.text(f"/merchant/coupons/{coupon}")
    assert browser.post(f"{path}/coupons/{coupon}/detach").status_code == 303
    assert "Take off" not in browser.text(path)


def test_what_can_not_be_attached_is_said(browser: Browser, engine: Engine) -> None:
    first, second = contracts_of(browser, engine, count=2)
    coupon = coupon_of(browser, max_redemptions="1").rsplit("/", 1)[1]
    browser.post(f"/merchant/contracts/{first}/coupons", {"coupon": coupon})

    browser.post(f"/merchant/contracts/{second}/coupons", {"coupon": coupon})

    page = browser.text(f"/merchant/contracts/{second}")
    assert "This coupon is redeemed as often as it may be." in page


def test_a_tax_rate_is_made_and_becomes_the_default(browser: Browser) -> None:
    form = {"name": "增值税", "code": "vat_6", "percent": "6", "basis": "inclusive"}
    assert browser.post("/merchant/settings/taxes", form).status_code == 303
    page = browser.text("/merchant/settings/taxes")
    action = page.split('/default"')[0].rsplit('action="', 1)[1]

    assert browser.post(f"{action}/default").status_code == 303

    page = browser.text("/merchant/settings/taxes")
    assert "增值税" in page
    assert "No default" in page


def test_a_wrong_percent_is_refused_at_its_field(browser: Browser) -> None:
    form = {"name": "VAT", "code": "vat", "percent": "6.00001", "basis": "inclusive"}

    answer = browser.post("/merchant/settings/taxes", form)

    assert answer.status_code == 422
    assert 'value="6.00001"' in answer.text


def test_products_and_customers_are_given_a_rate(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        rate = show(Prefix.TAX_RATE, make.tax_rate(name="VAT").id)
        product = f"/merchant/products/{show(Prefix.PRODUCT, make.product().id)}"
        customer = f"/merchant/customers/{show(Prefix.CUSTOMER, make.customer().id)}"

    assert browser.post(f"{product}/tax", {"tax_rate": rate}).status_code == 303
    assert browser.post(f"{customer}/tax", {"tax_rate": "exempt"}).status_code == 303

    assert f'<option value="{rate}" selected>' in browser.text(product)
    assert '<option value="exempt" selected>' in browser.text(customer)
