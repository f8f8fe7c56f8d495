"""Coupons and taxes as a program sets them, and how invoices show them."""

from typing import Any

import pytest

from tests.api.caller import Caller

pytestmark = pytest.mark.usefixtures("rows")
WELCOME = {"code": "welcome10", "name": "Welcome", "percent": "10", "duration": "forever"}
VAT = {"code": "vat_6", "name": "增值税", "percent": "6", "isInclusive": True}


def problem(answer: Any) -> tuple[int, str, str]:
    body = answer.get_json()
    return answer.status_code, body["code"], body.get("path", "")


def may_of(caller: Caller) -> dict[str, Any]:
    """Sell tokens at a quarter cent, use 12,500 of them, and return the invoice to come."""
    price = {"metric": "tokens_input", "model": "standard", "unitPrice": "0.25"}
    product = caller.get("/products", q="chat_api").get_json()["data"][0]
    card = {
        "productId": product["id"],
        "code": "tokens",
        "name": "Tokens",
        "currencies": {"USD": [price]},
    }
    customer = caller.post("/customers", {"externalId": "user_9", "name": "Nine"}).get_json()
    terms = {
        "customerId": customer["id"],
        "rateCardId": caller.post("/rate-cards", card).get_json()["id"],
        "currency": "USD",
        "cycle": "monthly_calendar",
        "startsOn": "2026-05-01",
    }
    contract = caller.post("/contracts", terms).get_json()
    return {"contract": contract["id"], "customer": customer["id"], "product": product["id"]}


def test_a_coupon_is_made_shown_renamed_and_archived(caller: Caller) -> None:
    made = caller.post("/coupons", WELCOME).get_json()
    path = f"/coupons/{made['id']}"

    assert (made["code"], made["percent"], made["amount"]) == ("WELCOME10", "10", None)
    assert (made["timesRedeemed"], made["status"]) == (0, "active")
    assert caller.get(path).get_json() == made
    assert caller.get("/coupons", q="welcome").get_json()["data"][0] == made | {"name": "Welcome"}
    assert caller.patch(path, {"name": "欢迎"}).get_json()["name"] == "欢迎"
    assert caller.post(f"{path}/archive").get_json()["status"] == "archived"
    assert caller.post(f"{path}/restore").get_json()["status"] == "active"


def test_an_amount_has_its_currency(caller: Caller) -> None:
    body = {"code": "FIVE", "name": "Five", "amountMinor": 500, "currency": "USD"}

    made = caller.post("/coupons", body | {"minimumMinor": 2000}).get_json()

    assert made["amount"] == {"amountMinor": 500, "currency": "USD"}
    assert made["minimum"] == {"amountMinor": 2000, "currency": "USD"}


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"percent": "101"}, (422, "invalid_coupon", "percent")),
        ({"percent": 10}, (422, "validation_failed", "percent")),
        ({"amountMinor": 5}, (422, "invalid_coupon", "percent")),
        ({"minimumMinor": 5}, (422, "invalid_coupon", "currency")),
        ({"duration": "repeating"}, (422, "invalid_coupon", "months")),
        ({"maxRedemptions": 0}, (422, "invalid_coupon", "maxRedemptions")),
        ({"metricCodes": ["nowhere"]}, (422, "invalid_coupon", "metricCodes")),
        ({"code": "two words"}, (422, "invalid_code", "code")),
    ],
)
def test_a_wrong_coupon_is_refused_at_its_field(
    caller: Caller, change: dict[str, Any], refusal: tuple[int, str, str]
) -> None:
    assert problem(caller.post("/coupons", WELCOME | change)) == refusal


def test_a_contract_takes_and_loses_a_coupon(caller: Caller) -> None:
    coupon = caller.post("/coupons", WELCOME).get_json()
    path = f"/contracts/{may_of(caller)['contract']}/coupons"

    attached = caller.post(path, {"couponId": coupon["id"]})
    again = caller.post(path, {"couponId": coupon["id"]})
    detached = caller.call("DELETE", f"{path}/{coupon['id']}")

    assert attached.status_code == 201
    (held,) = attached.get_json()["data"]
    assert (held["code"], held["firstUsedOn"], held["endsOn"]) == ("WELCOME10", None, None)
    assert problem(again)[:2] == (409, "coupon_attached")
    assert detached.get_json() == {"data": []} == caller.get(path).get_json()


def test_the_invoice_to_come_shows_coupon_and_tax(caller: Caller) -> None:
    coupon = caller.post("/coupons", WELCOME).get_json()
    rate = caller.post("/tax-rates", VAT).get_json()
    sale = may_of(caller)
    caller.post(f"/contracts/{sale['contract']}/coupons", {"couponId": coupon["id"]})
    caller.call("PUT", f"/products/{sale['product']}/tax", json={"taxRateId": rate["id"]})
    event = {
        "customerExternalId": "user_9",
        "idempotencyKey": "evt_1",
        "metric": "tokens_input",
        "quantity": "12500",
        "occurredAt": "2026-05-25T10:00:00Z",
    }
    caller.post("/sandbox/clock", {"now": "2026-05-26T04:00:00Z"})
    assert caller.post("/usage-events", {"events": [event]}).get_json()["accepted"] == 1

    shown = caller.get(f"/contracts/{sale['contract']}/upcoming-invoice").get_json()

    amounts = ("discount", "subtotal", "tax", "total")
    assert [shown[name]["amountMinor"] for name in amounts] == [313, 2653, 159, 2812]
    assert [(each["code"], each["discount"]["amountMinor"]) for each in shown["coupons"]] == [
        ("WELCOME10", 313)
    ]
    (line,) = shown["lines"]
    assert (line["amount"]["amountMinor"], line["discount"]["amountMinor"]) == (3125, 313)
    assert (line["tax"]["amountMinor"], line["taxPercent"]) == (159, "6")
    assert line["taxIsInclusive"]


def test_a_tax_rate_becomes_the_default_and_stops_being_it(caller: Caller) -> None:
    made = caller.post("/tax-rates", VAT).get_json()
    path = f"/tax-rates/{made['id']}"

    assert (made["percent"], made["isInclusive"], made["isDefault"]) == ("6", True, False)
    assert caller.call("PUT", f"{path}/default").get_json()["isDefault"]
    assert problem(caller.post(f"{path}/archive"))[:2] == (409, "tax_rate_is_default")
    assert not caller.call("DELETE", f"{path}/default").get_json()["isDefault"]
    assert caller.post(f"{path}/archive").get_json()["status"] == "archived"


def test_a_customer_has_a_rate_or_is_exempt(caller: Caller) -> None:
    rate = caller.post("/tax-rates", VAT).get_json()["id"]
    customer = caller.get("/customers", externalId="user_42").get_json()["data"][0]
    path = f"/customers/{customer['id']}/tax"

    assert (customer["taxRateId"], customer["isTaxExempt"]) == (None, False)
    assert caller.call("PUT", path, json={"taxRateId": rate}).get_json()["taxRateId"] == rate
    exempt = caller.call("PUT", path, json={"isExempt": True}).get_json()
    assert (exempt["taxRateId"], exempt["isTaxExempt"]) == (None, True)
    both = caller.call("PUT", path, json={"taxRateId": rate, "isExempt": True})
    assert problem(both) == (422, "exempt_with_tax_rate", "taxRateId")


def test_a_rate_of_somebody_else_is_not_there(caller: Caller, stranger: Caller) -> None:
    theirs = stranger.post("/tax-rates", VAT).get_json()["id"]
    product = caller.get("/products").get_json()["data"][0]["id"]

    answer = caller.call("PUT", f"/products/{product}/tax", json={"taxRateId": theirs})

    assert problem(answer)[:2] == (404, "not_found")
