"""Prices of every model go in and come out; a draft is published once; a dry run stores nothing."""

from typing import Any

import pytest

from tests.api.caller import USD, Caller

pytestmark = pytest.mark.usefixtures("rows")

EVERY_MODEL: list[dict[str, Any]] = [
    {
        "metric": "tokens_input",
        "model": "standard",
        "unitPrice": "0.00025",
        "transform": {"operation": "divide", "factor": "1000", "rounding": "ceiling"},
        "filters": [
            {
                "match": {"model": ["gpt-5", "gpt-5-mini"], "region": "*"},
                "model": "graduated",
                "tiers": [
                    {"upTo": "1000", "unitPrice": "4", "flatFee": "0"},
                    {"upTo": None, "unitPrice": "3.5", "flatFee": "500"},
                ],
            }
        ],
        "groupBy": ["region"],
        "shareTiers": True,
    },
    {
        "metric": "tokens_output",
        "model": "volume",
        "tiers": [{"upTo": None, "unitPrice": "1", "flatFee": "0"}],
        "discountPercent": "10",
    },
    {
        "metric": "images",
        "model": "package",
        "packageSize": "100",
        "packagePrice": "400",
        "packageRounding": "down",
        "freeUnits": "100",
        "minimumAmount": "1000",
        "maximumAmount": "90000",
    },
    {
        "metric": "agent_runs",
        "model": "percentage",
        "rate": "2.9",
        "fixedFee": "30",
        "freeEvents": 3,
        "freeAmount": "25000",
        "perEventMinimum": "175",
        "perEventMaximum": "1200",
    },
    {
        "metric": "calls",
        "model": "graduated_percentage",
        "tiers": [{"upTo": None, "rate": "1", "flatFee": "0"}],
    },
    {
        "metric": "storage_gb",
        "filters": [{"match": {"tier": ["hot"]}, "model": "standard", "unitPrice": "2"}],
    },
]


def images(unit_price: str) -> dict[str, Any]:
    return {"USD": [{"metric": "images", "model": "standard", "unitPrice": unit_price}]}


@pytest.fixture
def card(caller: Caller) -> dict[str, Any]:
    """Return a rate card whose version 1 prices an image at four cents."""
    product_id = caller.get("/products").get_json()["data"][0]["id"]
    body = {"productId": product_id, "code": "gold", "name": "Gold", "currencies": images("4")}
    made: dict[str, Any] = caller.post("/rate-cards", body).get_json()
    return made


def put(caller: Caller, path: str, body: Any) -> Any:
    return caller.call("PUT", path, json=body)


def refusal(answer: Any) -> tuple[int, str, str]:
    problem = answer.get_json()
    return answer.status_code, problem["code"], problem.get("path", "")


def test_prices_of_every_model_come_back_as_they_were_sent(
    caller: Caller, card: dict[str, Any]
) -> None:
    body = {"currencies": {"USD": EVERY_MODEL}, "commitments": {"USD": "100000"}}
    made = caller.post(f"/rate-cards/{card['id']}/versions", body).get_json()

    assert made["currencies"] == {"USD": EVERY_MODEL}
    assert made["commitments"] == {"USD": "100000"}
    assert caller.get(f"/rate-card-versions/{made['id']}").get_json() == made


@pytest.mark.parametrize(
    ("price", "path"),
    [
        ({"model": "package", "packageSize": "0", "packagePrice": "1"}, "packageSize"),
        ({"model": "percentage", "rate": "1000.1"}, "rate"),
        ({"model": "standard", "unitPrice": "1", "packageSize": "1"}, "packageSize"),
        ({"model": "standard", "unitPrice": "1", "discountPercent": "101"}, "discountPercent"),
        ({"model": "standard", "unitPrice": "1", "groupBy": ["colour"]}, "groupBy[0]"),
        (
            {"model": "volume", "tiers": [{"upTo": None, "unitPrice": "1"}, {"upTo": None}]},
            "tiers[1].unitPrice",
        ),
        ({}, "model"),
    ],
    ids=str,
)
def test_a_wrong_price_is_named_by_its_path(
    caller: Caller, card: dict[str, Any], *, price: dict[str, Any], path: str
) -> None:
    body = {"currencies": {"USD": [{"metric": "images"} | price]}}
    status, _, at = refusal(caller.post(f"/rate-cards/{card['id']}/versions", body))

    assert (status, at) == (422, f"currencies.USD[0].{path}")


def test_a_draft_is_saved_shown_and_published(caller: Caller, card: dict[str, Any]) -> None:
    path = f"/rate-cards/{card['id']}"

    draft = put(caller, f"{path}/draft", {"currencies": images("5")}).get_json()

    assert (draft["currencies"], draft["basedOn"]) == (images("5"), 1)
    assert (draft["isOutdated"], draft["updatedBy"]) == (False, "tests")
    assert caller.get(f"{path}/draft").get_json() == draft
    assert caller.get(path).get_json()["draft"] == draft
    body = {"sha256": draft["sha256"]}
    published = caller.post(f"{path}/draft/publish", body)
    assert (published.status_code, published.get_json()["number"]) == (201, 2)
    after = caller.get(path).get_json()
    assert (after["draft"], after["currentVersion"]["currencies"]) == (None, images("5"))
    assert refusal(caller.get(f"{path}/draft"))[:2] == (404, "not_found")
    assert refusal(caller.post(f"{path}/draft/publish", {}))[:2] == (409, "no_draft")


def test_versions_are_published_or_superseded(caller: Caller, card: dict[str, Any]) -> None:
    path = f"/rate-cards/{card['id']}/versions"
    caller.post(path, {"currencies": images("5")})

    listed = caller.get(path).get_json()["data"]

    assert [(one["number"], one["status"]) for one in listed] == [
        (2, "published"),
        (1, "superseded"),
    ]
    old = caller.get(f"/rate-card-versions/{card['currentVersion']['id']}").get_json()
    assert old["status"] == "superseded"


def test_a_discarded_draft_is_gone(caller: Caller, card: dict[str, Any]) -> None:
    path = f"/rate-cards/{card['id']}/draft"
    put(caller, path, {"currencies": images("5")})

    assert caller.call("DELETE", path).status_code == 200
    assert caller.call("DELETE", path).status_code == 200
    assert caller.get(path).status_code == 404


def test_an_outdated_draft_shows_what_was_published_since(
    caller: Caller, card: dict[str, Any]
) -> None:
    path = f"/rate-cards/{card['id']}"
    put(caller, f"{path}/draft", {"currencies": images("5")})
    caller.post(f"{path}/versions", {"currencies": images("6")})

    assert refusal(caller.post(f"{path}/draft/publish", {}))[:2] == (409, "draft_outdated")
    diff = caller.get(f"{path}/draft/diff").get_json()
    field = {"currency": "USD", "metric": "images", "match": None, "field": "unitPrice"}
    assert diff == {
        "current": 2,
        "basedOn": 1,
        "differences": [field | {"before": "6", "after": "5"}],
        "publishedSince": [field | {"before": "4", "after": "6"}],
    }
    assert caller.post(f"{path}/draft/rebase").get_json()["isOutdated"] is False
    assert caller.post(f"{path}/draft/publish", {}).get_json()["number"] == 3


def test_a_version_is_compared_with_another(caller: Caller, card: dict[str, Any]) -> None:
    first = card["currentVersion"]["id"]
    filtered = {"match": {"model": ["flux"]}, "model": "package", "packageSize": "10"}
    price = images("4")["USD"][0] | {"filters": [filtered | {"packagePrice": "30"}]}
    body = {"currencies": {"USD": [price]}}
    second = caller.post(f"/rate-cards/{card['id']}/versions", body).get_json()["id"]

    diff = caller.get(f"/rate-card-versions/{second}/diff").get_json()

    assert diff["against"] == first
    assert diff["differences"] == [
        {
            "currency": "USD",
            "metric": "images",
            "match": {"model": ["flux"]},
            "field": "",
            "before": None,
            "after": {
                "model": "package",
                "packageSize": "10",
                "packagePrice": "30",
                "packageRounding": "up",
            },
        }
    ]
    back = caller.get(f"/rate-card-versions/{first}/diff", against=second).get_json()
    assert back["differences"][0]["after"] is None
    assert caller.get(f"/rate-card-versions/{first}/diff").get_json()["against"] is None


def deeds(caller: Caller) -> list[str]:
    """Return what was done to rate cards."""
    found = [entry["action"] for entry in caller.get("/audit-entries").get_json()["data"]]
    return [action for action in found if action.startswith("rate_card")]


def test_who_published_is_listed(caller: Caller, card: dict[str, Any]) -> None:
    caller.post(f"/rate-cards/{card['id']}/versions", {"currencies": images("5")})

    published, created = caller.get("/audit-entries", subject=card["id"]).get_json()["data"]

    assert (published["action"], published["actorKind"]) == ("rate_card.published", "api_key")
    assert (published["actorName"], published["actorId"][:4]) == ("tests", "key_")
    assert published["before"]["prices"] == {"USD.images.unit_price": "4"}
    assert created["subject"] == card["id"]
    assert len(deeds(caller)) == 2


def test_a_metric_declares_dimensions(caller: Caller) -> None:
    body = {
        "code": "seats",
        "name": "Seats",
        "unit": "seat",
        "aggregation": "unique_count",
        "dimensions": {"user": None, "plan": ["a", "b"]},
        "uniqueBy": "user",
    }
    made = caller.post("/metrics", body).get_json()

    assert made["dimensions"] == {"user": None, "plan": ["a", "b"]}
    assert made["uniqueBy"] == "user"
    path = f"/metrics/{made['id']}"
    assert refusal(caller.patch(path, {"dimensions": {}})) == (422, "invalid_metric", "uniqueBy")
    changed = caller.patch(path, {"dimensions": {"user": None}, "name": "Users"}).get_json()
    assert changed == made | {"dimensions": {"user": None}, "name": "Users"}


def test_dimensions_of_a_built_in_metric_change_while_no_price_needs_them(
    caller: Caller, card: dict[str, Any]
) -> None:
    (found,) = caller.get("/metrics", q="images").get_json()["data"]
    path = f"/metrics/{found['id']}"
    assert caller.patch(path, {"dimensions": {"size": ["1024"]}}).status_code == 200

    price = images("4")["USD"][0] | {"groupBy": ["size"]}
    caller.post(f"/rate-cards/{card['id']}/versions", {"currencies": {"USD": [price]}})

    assert refusal(caller.patch(path, {"dimensions": {}}))[:2] == (409, "dimension_in_use")


def test_a_contract_goes_over_to_another_version(caller: Caller, card: dict[str, Any]) -> None:
    customer = caller.post("/customers", {"externalId": "u9", "name": "Nine"}).get_json()
    terms = {"currency": "USD", "cycle": "monthly_calendar", "startsOn": "2026-01-01"}
    body = terms | {"customerId": customer["id"], "rateCardId": card["id"]}
    made = caller.post("/contracts", body).get_json()
    second = caller.post(f"/rate-cards/{card['id']}/versions", {"currencies": images("5")})
    change = {"rateCardVersionId": second.get_json()["id"], "on": "2099-01-01"}
    path = f"/contracts/{made['id']}/next-version"

    scheduled = put(caller, path, change).get_json()

    following = {
        "nextRateCardVersionId": change["rateCardVersionId"],
        "nextVersionOn": "2099-01-01",
    }
    assert scheduled == made | following
    on_it = caller.get("/contracts", rateCardVersionId=change["rateCardVersionId"]).get_json()
    assert on_it["data"] == [scheduled]
    assert caller.call("DELETE", path).get_json() == made
    version = card["currentVersion"]["id"]
    answer = caller.post(f"/rate-card-versions/{version}/schedule-contracts", change)
    assert answer.get_json() == {"scheduled": 1, "refused": [], "isQueued": False}
    assert caller.get(f"/contracts/{made['id']}").get_json() == made | following


def dry_run(caller: Caller, usage: list[dict[str, Any]], **at: Any) -> Any:
    return caller.post("/pricing/dry-run", {"currency": "USD", "usage": usage} | at)


def test_a_dry_run_prices_what_is_sent_along(caller: Caller) -> None:
    usage: list[dict[str, Any]] = [
        {"metric": "tokens_input", "quantity": "1500000", "dimensions": {"region": "cn"}},
        {
            "metric": "tokens_input",
            "quantity": 1200,
            "dimensions": {"region": "cn", "model": "gpt-5"},
        },
        {"metric": "agent_runs", "amounts": ["50", "100", "100", "100"]},
    ]
    currencies = {"USD": [EVERY_MODEL[0], EVERY_MODEL[3]]}

    answer = dry_run(caller, usage, currencies=currencies, commitments={"USD": "10000"}).get_json()

    gpt, others, runs = answer["lines"]
    # A thousand at 4 cents, 200 at 3.5 and the fee of 500 on entering.
    assert gpt["amount"] == {"amountMinor": 5200, "currency": "USD"}
    assert gpt["match"] == {"model": ["gpt-5", "gpt-5-mini"], "region": "*"}
    assert [tier["amount"] for tier in gpt["tiers"]] == ["4000", "1200"]
    # 1500 thousands at 0.00025 cents.
    assert (others["amount"]["amountMinor"], others["group"]) == (0, {"region": "cn"})
    # Three of the four are free; 2.9 % of 100.00 and 30 are 320.
    assert runs["amount"]["amountMinor"] == 320
    assert answer["commitment"]["amountMinor"] == 4480
    assert answer["total"]["amountMinor"] == 10_000
    assert deeds(caller) == []


def test_a_dry_run_prices_at_a_version_or_a_draft(caller: Caller, card: dict[str, Any]) -> None:
    put(caller, f"/rate-cards/{card['id']}/draft", {"currencies": images("5")})
    usage = [{"metric": "images", "quantity": "10"}, {"metric": "calls", "quantity": "3"}]

    at_version = dry_run(caller, usage, rateCardVersionId=card["currentVersion"]["id"]).get_json()
    at_draft = dry_run(caller, usage, draftOf=card["id"]).get_json()

    assert at_version["total"] == {"amountMinor": 40, "currency": "USD"}
    assert at_draft["total"] == {"amountMinor": 50, "currency": "USD"}
    assert [line["isPriced"] for line in at_draft["lines"]] == [True, False]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"currencies": None}, ("validation_failed", "currencies")),
        ({"draftOf": "rc_0123456789abc"}, ("validation_failed", "currencies")),
        ({"currency": "CNY"}, ("currency_not_priced", "currency")),
        ({"usage": [{"metric": "x", "quantity": "1"}]}, ("invalid_trial", "usage[0].metric")),
        ({"usage": [{"metric": "images"}]}, ("validation_failed", "usage[0].quantity")),
        (
            {"usage": [{"metric": "images", "quantity": "1e9"}]},
            ("invalid_decimal", "usage[0].quantity"),
        ),
        (
            {"usage": [{"metric": "storage_gb", "amounts": ["1"]}]},
            ("invalid_trial", "usage[0].amounts"),
        ),
        (
            {"usage": [{"metric": "agent_runs", "quantity": "1"}]},
            ("invalid_trial", "usage[0].amounts"),
        ),
    ],
    ids=str,
)
def test_a_dry_run_that_says_too_little_is_refused(
    caller: Caller, change: dict[str, Any], wanted: tuple[str, str]
) -> None:
    body = {
        "currency": "USD",
        "usage": [],
        "currencies": {"USD": [*USD["USD"], EVERY_MODEL[3]]},
    } | change

    assert refusal(caller.post("/pricing/dry-run", body)) == (422, *wanted)


def test_a_dry_run_beyond_what_is_billed_is_refused(caller: Caller) -> None:
    usage = [{"metric": "images", "quantity": "9" * 18}]

    answer = dry_run(caller, usage, currencies=images("9" * 18))

    assert refusal(answer)[:2] == (409, "line_too_large")
