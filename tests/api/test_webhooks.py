"""Webhook endpoints by program: the secret is shown once, the log can be sent again."""

from typing import Any

import pytest

from tests.api.caller import Caller
from tests.webhooks.test_guard import INTERNAL_HOSTS, PORTS, TRICKS

ENDPOINT = {"url": "https://example.com/hooks", "eventTypes": ["invoice.paid"]}


@pytest.fixture
def endpoint(caller: Caller) -> dict[str, Any]:
    made: dict[str, Any] = caller.post("/webhook-endpoints", ENDPOINT).get_json()
    return made


def test_the_secret_is_shown_once(caller: Caller, endpoint: dict[str, Any]) -> None:
    secret = endpoint.pop("secret")

    assert secret.startswith("whsec_")
    assert caller.get(f"/webhook-endpoints/{endpoint['id']}").get_json() == endpoint
    assert caller.get("/webhook-endpoints").get_json()["data"] == [endpoint]


def test_a_rolled_secret_is_another(caller: Caller, endpoint: dict[str, Any]) -> None:
    rolled = caller.post(f"/webhook-endpoints/{endpoint['id']}/roll-secret").get_json()

    assert rolled["secret"] != endpoint["secret"]
    assert rolled | {"secret": ""} == endpoint | {"secret": ""}


def test_an_endpoint_is_changed_disabled_and_archived(
    caller: Caller, endpoint: dict[str, Any]
) -> None:
    path = f"/webhook-endpoints/{endpoint['id']}"

    changed = caller.patch(path, {"eventTypes": ["invoice.voided", "payout.completed"]})
    assert changed.get_json()["eventTypes"] == ["invoice.voided", "payout.completed"]
    assert caller.post(f"{path}/disable").get_json()["disabledReason"] == "merchant"
    assert caller.post(f"{path}/enable").get_json()["status"] == "active"
    assert caller.post(f"{path}/archive").get_json()["status"] == "archived"
    assert caller.get("/webhook-endpoints").get_json()["data"] == []
    assert caller.patch(path, {}).get_json()["code"] == "webhook_endpoint_archived"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"eventTypes": []}, "eventTypes"),
        ({"eventTypes": ["invoice.lost"]}, "eventTypes[0]"),
        ({"description": "x" * 201}, "description"),
    ],
    ids=str,
)
def test_a_wrong_endpoint_is_refused(caller: Caller, change: dict[str, Any], path: str) -> None:
    answer = caller.post("/webhook-endpoints", ENDPOINT | change)

    assert (answer.status_code, answer.get_json()["path"]) == (422, path)


def test_x056_to_x059_no_url_that_may_lead_inside_is_saved(caller: Caller) -> None:
    ports = [f"https://shop.com:{port}" for port in PORTS]
    urls = [*INTERNAL_HOSTS, *TRICKS, *ports, "http://shop.com", "http://127.0.0.1:9000/hook"]

    saved = [
        url
        for url in urls
        if caller.post("/webhook-endpoints", ENDPOINT | {"url": url}).status_code != 422
    ]

    assert saved == []
    assert caller.get("/webhook-endpoints").get_json()["data"] == []


def test_a_delivery_is_listed_and_sent_again(caller: Caller, rows: dict[str, str]) -> None:
    listed, *_ = caller.get(
        "/webhook-deliveries",
        endpointId=rows["webhook_endpoint_id"],
        status="pending",
        eventType="invoice.paid",
    ).get_json()["data"]
    resent = caller.post(f"/webhook-deliveries/{listed['id']}/resend").get_json()

    assert listed["eventType"] == "invoice.paid"
    assert listed["messageId"].startswith("msg_")
    assert resent["messageId"] == listed["messageId"]
    assert resent["nextAttemptAt"] > listed["nextAttemptAt"]
    assert caller.get("/webhook-deliveries", eventType="invoice.voided").get_json()["data"] == []


def test_a_test_message_is_owed_and_stands_among_the_events(
    caller: Caller, rows: dict[str, str]
) -> None:
    path = f"/webhook-endpoints/{rows['webhook_endpoint_id']}"

    owed = caller.post(f"{path}/test").get_json()

    assert (owed["eventType"], owed["status"]) == ("webhook.test", "pending")
    (newest,) = caller.get("/webhook-events", limit="1").get_json()["data"]
    assert newest["id"] == owed["messageId"]
    assert f'"id":"{owed["messageId"]}"' in newest["body"]
    assert caller.get("/webhook-events", after=newest["id"]).get_json() == {"data": []}


def test_what_failed_is_sent_again_at_once(caller: Caller, rows: dict[str, str]) -> None:
    path = f"/webhook-endpoints/{rows['webhook_endpoint_id']}/resend"

    assert caller.post(path, {}).get_json() == {"count": 0}
    everything = caller.post(path, {"onlyFailed": False}).get_json()["count"]
    none = caller.post(path, {"onlyFailed": False, "until": "2020-01-01T00:00:00Z"}).get_json()

    assert everything > 0
    assert none == {"count": 0}


def test_the_old_secret_can_be_ended_at_once(caller: Caller, rows: dict[str, str]) -> None:
    path = f"/webhook-endpoints/{rows['webhook_endpoint_id']}"
    caller.post(f"{path}/roll-secret")

    assert caller.post(f"{path}/expire-old-secret").status_code == 200
