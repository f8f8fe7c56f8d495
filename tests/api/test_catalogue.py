"""Products, metrics, rate cards, customers and contracts, as a program manages them."""

from typing import Any

import pytest

from app.core.db import Transaction
from app.core.ids import Prefix, read
from app.pricing import products
from tests.api.caller import USD, Caller

pytestmark = pytest.mark.usefixtures("rows")
GRADUATED = {
    "USD": [
        {"metric": "tokens_input", "model": "standard", "unitPrice": "0.00025"},
        {
            "metric": "images",
            "model": "graduated",
            "tiers": [
                {"upTo": "1000", "unitPrice": "4", "flatFee": "0"},
                {"upTo": None, "unitPrice": "3.5", "flatFee": "500"},
            ],
            "freeUnits": "100",
            "minimumAmount": "1000",
            "maximumAmount": "90000",
        },
    ],
    "CNY": [{"metric": "images", "model": "standard", "unitPrice": "20"}],
}


def publish(caller: Caller, currencies: Any) -> tuple[int, str, str]:
    """Try to publish a rate card; return the status, the code and the path."""
    body = {
        "productId": caller.get("/products").get_json()["data"][0]["id"],
        "code": "gold",
        "name": "Gold",
        "currencies": currencies,
    }
    answer = caller.post("/rate-cards", body)
    problem = answer.get_json()
    return answer.status_code, problem.get("code", ""), problem.get("path", "")


def test_a_product_is_made_shown_changed_and_archived(caller: Caller) -> None:
    made = caller.post("/products", {"code": "voice_api", "name": "Voice"}).get_json()
    path = f"/products/{made['id']}"

    assert caller.get(path).get_json() == made
    changed = caller.patch(path, {"description": "Speech"}).get_json()
    assert changed == made | {"description": "Speech"}
    assert caller.post(f"{path}/archive").get_json()["status"] == "archived"
    assert caller.get("/products", status="archived").get_json()["data"][0]["id"] == made["id"]
    assert caller.post(f"{path}/restore").get_json()["status"] == "active"


def test_a_code_is_taken_once(caller: Caller) -> None:
    answer = caller.post("/products", {"code": "chat_api", "name": "x"})

    assert (answer.status_code, answer.get_json()["code"]) == (409, "product_code_taken")


def test_a_metric_is_made_and_archived(caller: Caller) -> None:
    body = {"code": "minutes", "name": "Minutes", "unit": "minute", "aggregation": "max"}
    made = caller.post("/metrics", body).get_json()

    assert made["aggregation"] == "max"
    assert caller.post(f"/metrics/{made['id']}/archive").get_json()["status"] == "archived"


def test_built_in_metrics_stay_as_they_are(caller: Caller) -> None:
    (images,) = caller.get("/metrics", q="images").get_json()["data"]
    answer = caller.patch(f"/metrics/{images['id']}", {"name": "Pictures"})

    assert images["isBuiltIn"] is True
    assert (answer.status_code, answer.get_json()["code"]) == (409, "metric_built_in")


def test_prices_come_back_as_they_were_published(caller: Caller) -> None:
    product_id = caller.get("/products").get_json()["data"][0]["id"]
    body = {"productId": product_id, "code": "gold", "name": "Gold", "currencies": GRADUATED}
    card = caller.post("/rate-cards", body).get_json()

    assert card["currentVersion"]["number"] == 1
    assert card["currentVersion"]["currencies"] == GRADUATED
    assert caller.get(f"/rate-cards/{card['id']}").get_json() == card


def test_a_price_changes_by_a_new_version(caller: Caller) -> None:
    card_id = caller.get("/rate-cards").get_json()["data"][0]["id"]
    made = caller.post(f"/rate-cards/{card_id}/versions", {"currencies": USD}).get_json()
    same = caller.post(f"/rate-cards/{card_id}/versions", {"currencies": USD})

    assert made["number"] == 2
    assert same.get_json()["code"] == "rate_card_unchanged"
    listed = caller.get(f"/rate-cards/{card_id}/versions").get_json()["data"]
    assert [version["number"] for version in listed] == [2, 1]
    assert caller.get(f"/rate-card-versions/{made['id']}").get_json() == made


@pytest.mark.parametrize(
    ("price", "refusal"),
    [
        ({"unitPrice": "-1"}, ("invalid_decimal", "unitPrice")),
        ({"unitPrice": "1e3"}, ("invalid_decimal", "unitPrice")),
        ({"unitPrice": "1" + "0" * 30}, ("invalid_decimal", "unitPrice")),
        ({"unitPrice": 15}, ("validation_failed", "unitPrice")),
        ({"unitPrice": "1", "freeUnits": "x"}, ("invalid_decimal", "freeUnits")),
        ({"unitPrice": "1", "unit_price": "1"}, ("validation_failed", "")),
        (
            {"unitPrice": "1", "maximumAmount": "0", "minimumAmount": "1"},
            ("invalid_price", "maximumAmount"),
        ),
        ({"model": "graduated", "tiers": []}, ("invalid_price", "tiers")),
        (
            {"model": "graduated", "tiers": [{"upTo": "5", "unitPrice": "1"}]},
            ("invalid_price", "tiers[0].upTo"),
        ),
        (
            {
                "model": "graduated",
                "tiers": [
                    {"upTo": "5", "unitPrice": "1"},
                    {"upTo": "5", "unitPrice": "1"},
                    {"upTo": None, "unitPrice": "1"},
                ],
            },
            ("invalid_price", "tiers[1].upTo"),
        ),
    ],
    ids=str,
)
def test_a_wrong_price_is_named_as_it_was_written(
    caller: Caller, price: dict[str, Any], refusal: tuple[str, str]
) -> None:
    whole = {"metric": "images", "model": "standard"} | price
    status, code, path = publish(caller, {"CNY": USD["USD"], "USD": [*USD["USD"], whole]})

    assert (status, code) == (422, refusal[0])
    assert path == f"currencies.USD[1].{refusal[1]}".rstrip(".")


@pytest.mark.parametrize(
    "again", ['"USD":[]', '"USD":[]},"currencies":{', '"USD":[]},"currencies":5,"x":{']
)
def test_a_field_given_twice_is_refused_too(caller: Caller, again: str) -> None:
    wrong = '{"metric":"images","model":"standard","unitPrice":15}'
    raw = f'{{"productId":"","code":"x","name":"x","currencies":{{"USD":[{wrong}],{again}}}}}'

    answer = caller.send("/rate-cards", raw.encode())

    assert (answer.status_code, answer.get_json()["path"]) == (
        422,
        "currencies[...][0].unitPrice",
    )


def test_an_unknown_currency_is_refused(caller: Caller) -> None:
    for name in ("XXX", "usd"):
        assert publish(caller, {name: USD["USD"]})[0] == 422


def test_customers_are_found_by_external_id(caller: Caller) -> None:
    (found,) = caller.get("/customers", externalId="user_42").get_json()["data"]

    assert found["externalId"] == "user_42"
    assert caller.get("/customers", externalId="user_4").get_json()["data"] == []
    assert (
        caller.get("/customers", externalId="user_42", status="archived").get_json()["data"] == []
    )


def test_a_customer_is_made_and_changed(caller: Caller) -> None:
    body = {"externalId": "公司-7", "name": "星图", "language": "en"}
    made = caller.post("/customers", body).get_json()
    changed = caller.patch(f"/customers/{made['id']}", {"email": "a@example.cn"}).get_json()

    assert changed == made | {"email": "a@example.cn"}


def test_a_contract_takes_the_current_version_and_ends(caller: Caller) -> None:
    card_id = caller.get("/rate-cards").get_json()["data"][0]["id"]
    version = caller.post(f"/rate-cards/{card_id}/versions", {"currencies": USD}).get_json()
    customer = caller.post("/customers", {"externalId": "user_9", "name": "Nine"}).get_json()
    terms = {"currency": "USD", "cycle": "monthly_calendar", "startsOn": "2026-05-01"}

    body = terms | {"customerId": customer["id"], "rateCardId": card_id}
    made = caller.post("/contracts", body).get_json()

    assert made["rateCardVersionId"] == version["id"]
    assert made["openPeriodFrom"] == "2026-04-30T16:00:00Z"
    ended = caller.post(f"/contracts/{made['id']}/end", {"endsOn": "2026-06-01"}).get_json()
    assert (ended["endsOn"], ended["status"]) == ("2026-06-01", "ended")
    listed = caller.get("/contracts", customerId=customer["id"], status="ended").get_json()
    assert listed["data"] == [ended]


def test_a_contract_names_a_card_or_a_version(caller: Caller, rows: dict[str, str]) -> None:
    terms = {"currency": "USD", "cycle": "monthly_calendar", "startsOn": "2026-05-01"}
    both = {"rateCardId": rows["rate_card_id"], "rateCardVersionId": rows["rate_card_version_id"]}
    customer = {"customerId": rows["customer_id"]}

    for body in (terms | customer, terms | customer | both):
        answer = caller.post("/contracts", body)
        assert (answer.status_code, answer.get_json()["path"]) == (422, "rateCardId")


def test_who_waits_too_long_for_a_row_may_try_again(
    caller: Caller, rows: dict[str, str], transaction_of: Transaction
) -> None:
    with transaction_of() as session:
        products.update_product(session, read(Prefix.PRODUCT, rows["product_id"]), name="Mine")
        answer = caller.patch(f"/products/{rows['product_id']}", {"name": "Theirs"})

    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_unavailable")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    "field", ["status", "merchantId", "id", "createdAt", "created_at", "platformFee"]
)
def test_a_field_that_is_not_declared_is_refused(caller: Caller, field: str) -> None:
    answer = caller.post("/products", {"code": "x", "name": "X", field: "paid"})

    assert (answer.status_code, answer.get_json()["code"]) == (422, "validation_failed")
    assert caller.get("/products", q="X").get_json()["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "-1"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "1e9"},
        {"offset": "5"},
        {"merchantId": "1"},
        {"cursor": "x"},
        {"cursor": "WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwXQ"},
        {"cursor": "WzFd!"},
        {"cursor": "WyJhIl0"},
        {"status": "gone"},
        {"status": "null"},
        {"q": "a\x00b"},
    ],
    ids=str,
)
def test_a_wrong_query_is_refused(caller: Caller, query: dict[str, str]) -> None:
    assert caller.get("/products", **query).status_code == 422


def test_text_that_can_not_be_stored_is_refused(caller: Caller) -> None:
    nul = caller.post("/products", {"code": "x", "name": "a\x00b"})
    half = caller.send("/products", b'{"code":"x","name":"\\ud800"}')

    assert (nul.status_code, nul.get_json()["path"]) == (422, "name")
    assert (half.status_code, half.get_json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("path", ["/products/", "/products/../metrics", "/nothing"])
def test_tricks_with_paths_lead_nowhere(caller: Caller, path: str) -> None:
    answer = caller.get(path)

    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
