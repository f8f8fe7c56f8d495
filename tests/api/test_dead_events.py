"""What was unmatched is shown as it was sent, and stored when its cause is mended."""

import pytest

from app.core.db import Transaction
from app.core.ids import Prefix, show
from app.metering.models import DeadStatus
from tests.api.caller import Caller
from tests.make import Make
from tests.metering.dead import kept, mend


@pytest.fixture
def dead_id(transaction_of: Transaction) -> str:
    """Keep one event of the customer user_77."""
    with transaction_of() as session:
        return show(Prefix.DEAD_EVENT, kept(session, idempotency_key="evt_lost").id)


@pytest.fixture
def mended(transaction_of: Transaction, dead_id: str) -> str:
    """Add that customer, with a contract."""
    with transaction_of() as session:
        mend(session, Make(session).metric(code="tokens"))
    return dead_id


def test_an_event_is_shown_as_it_was_sent(caller: Caller, dead_id: str) -> None:
    (found,) = caller.get("/dead-events").get_json()["data"]

    assert found == caller.get(f"/dead-events/{dead_id}").get_json()
    assert (found["status"], found["reason"]) == ("waiting", "unknown_customer")
    assert found["event"] == {
        "customerExternalId": "user_77",
        "idempotencyKey": "evt_lost",
        "metric": "tokens",
        "quantity": "10",
        "occurredAt": "2026-05-25T10:00:00+00:00",
        "dimensions": {"model": "gpt-5"},
    }


@pytest.mark.usefixtures("dead_id")
def test_status_reason_and_name_narrow_the_list(caller: Caller) -> None:
    def count(**query: str) -> int:
        return len(caller.get("/dead-events", **query).get_json()["data"])

    assert count(status="waiting", reason="unknown_customer", name="user_77") == 1
    assert count(status="replayed") == 0
    assert count(reason="unknown_metric") == 0
    assert count(name="user_78") == 0


def test_replaying_a_mended_event_counts_it(caller: Caller, mended: str) -> None:
    answer = caller.post(f"/dead-events/{mended}/replay").get_json()

    assert (answer["status"], answer["outcome"]) == ("replayed", "accepted")
    (event,) = caller.get("/usage-events").get_json()["data"]
    assert event["idempotencyKey"] == "evt_lost"


def test_an_event_that_is_not_mended_says_why_it_waits(caller: Caller, dead_id: str) -> None:
    answer = caller.post(f"/dead-events/{dead_id}/replay").get_json()

    assert (answer["status"], answer["outcome"]) == ("waiting", "unknown_customer")


@pytest.mark.usefixtures("mended")
def test_a_cause_is_replayed_whole(caller: Caller) -> None:
    cause = {"reason": "unknown_customer", "name": "user_77"}

    answer = caller.post("/dead-event-replays", cause).get_json()

    assert (answer["total"], answer["tried"], answer["taken"]) == (1, 1, 1)
    assert answer["endedAt"]
    assert caller.get("/dead-event-replays").get_json()["replay"] == answer


def test_before_the_first_replay_there_is_none(caller: Caller) -> None:
    assert caller.get("/dead-event-replays").get_json() == {"replay": None}


def test_nothing_to_replay_is_not_found(caller: Caller) -> None:
    assert caller.post("/dead-event-replays", {}).status_code == 404


def test_a_discarded_event_is_not_replayed(caller: Caller, mended: str) -> None:
    discarded = caller.post(f"/dead-events/{mended}/discard").get_json()

    assert discarded["status"] == DeadStatus.DISCARDED
    assert discarded["resolvedAt"]
    answer = caller.post(f"/dead-events/{mended}/replay")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "illegal_state")


@pytest.mark.usefixtures("dead_id")
def test_a_cause_is_discarded_whole(caller: Caller) -> None:
    cause = {"reason": "unknown_customer", "name": "user_77"}

    assert caller.post("/dead-event-discards", cause).get_json() == {"discarded": 1}
    assert caller.post("/dead-event-discards", cause).get_json() == {"discarded": 0}


@pytest.mark.parametrize("path", ["/dead-event-discards", "/dead-event-replays"])
def test_a_name_that_nothing_can_have_is_refused(caller: Caller, path: str) -> None:
    answer = caller.post(path, {"reason": "unknown_customer", "name": "user\x0077"})

    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_text")


def test_a_list_is_not_narrowed_by_a_name_that_nothing_can_have(caller: Caller) -> None:
    assert caller.get("/dead-events", name="user\x0077").status_code == 422
