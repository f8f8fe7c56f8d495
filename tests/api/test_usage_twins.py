"""A batch sent again under its Idempotency-Key is done once, however the copies meet."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, func, select

from app.core import clock, idempotency
from app.core.db import Transaction, begin
from app.core.idempotency import IdempotencyRecord
from app.customers.models import Contract
from app.identity.models import Scope
from app.metering.models import DeadEvent, IngestTally, UsageEvent, UsageRollup
from tests.api.caller import Caller
from tests.api.conftest import Call
from tests.api.test_idempotency import other_thread
from tests.api.test_usage import event
from tests.conftest import Databases
from tests.metering.test_rollups import await_waiting

PATH = "/usage-events"

pytestmark = pytest.mark.usefixtures("rows")


def raw(*events: dict[str, Any]) -> bytes:
    return json.dumps({"events": events}).encode()


def send(caller: Caller, body: bytes, key: str = "k-1") -> Any:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    return caller.call("POST", PATH, data=body, headers=headers)


def counted(engine: Engine, merchant_id: int, model: type[Any] = UsageEvent) -> int:
    with begin(engine, merchant_id) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_replay_is_equal_to_the_byte_whatever_became_of_the_events(
    caller: Caller, engine: Engine, merchant_id: int
) -> None:
    with begin(engine, merchant_id) as session:
        for contract in session.scalars(select(Contract)):
            contract.billed_to = contract.next_period_at = datetime(2026, 5, 25, 16, tzinfo=UTC)
    caller.post(PATH, {"events": [event("known", occurredAt="2026-05-26T10:00:00Z")]})
    body = raw(
        event("known", occurredAt="2026-05-26T10:00:00Z"),
        event("known"),
        event("late"),
        event("fine", occurredAt="2026-05-26T10:00:00Z"),
        event("dead", metric="hours"),
        event("wrong", dimensions={"my_model": "x" * 257}),
        event("worse", quantity=1.5),
    )

    first, again = send(caller, body), send(caller, body)

    statuses = [one["status"] for one in first.get_json()["results"]]
    assert statuses[:5] == ["duplicate", "conflict", "late", "accepted", "unmatched"]
    assert statuses[5:] == ["invalid", "invalid"]
    assert again.data == first.data
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert counted(engine, merchant_id, IngestTally) == 1
    with begin(engine, merchant_id) as session:
        dead = select(DeadEvent.seen).where(DeadEvent.idempotency_key == "dead")
        assert session.scalars(dead).all() == [1]


def test_the_same_key_with_other_events_changes_nothing(
    caller: Caller, engine: Engine, merchant_id: int
) -> None:
    send(caller, raw(event("a")))
    before = counted(engine, merchant_id)
    answer = send(caller, raw(event("b")))

    assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_key_reused")
    assert answer.get_json()["path"] == "Idempotency-Key"
    assert counted(engine, merchant_id) == before


def test_a_batch_that_is_refused_keeps_no_key(caller: Caller) -> None:
    assert send(caller, raw()).status_code == 422
    assert send(caller, raw(event("a"))).status_code == 200


def test_a_replay_needs_the_scope(caller: Caller, caller_with: Call) -> None:
    send(caller, raw(event("a")))

    assert send(caller_with(scopes=[Scope.USAGE_READ]), raw(event("a"))).status_code == 403


def test_eight_at_once_do_it_once_and_answer_the_same(
    caller: Caller, engine: Engine, merchant_id: int
) -> None:
    before = counted(engine, merchant_id)
    for number in range(5):
        body = raw(*[event(f"{number}-{index}") for index in range(20)])
        again = partial(send, body=body, key=f"k-{number}")
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(again, [other_thread(caller) for _ in range(8)]))

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.data for answer in answers}) == 1
        assert answers[0].get_json()["accepted"] == 20
        replays = ["Idempotent-Replayed" in answer.headers for answer in answers]
        assert sorted(replays) == [False] + [True] * 7

    assert counted(engine, merchant_id) == before + 100
    with begin(engine, merchant_id) as session:
        assert 100 in session.scalars(select(UsageRollup.events)).all()


def test_whoever_finds_the_key_recorded_undoes_all_it_did(
    caller: Caller, engine: Engine, merchant_id: int, transaction_of: Transaction
) -> None:
    """The other one has stored nothing here, so what would be stored is seen."""
    body = raw(event("a"), event("b", metric="hours"))
    print_ = idempotency.fingerprint("POST", f"/api/v1{PATH}?", body)
    tables = (UsageEvent, UsageRollup, DeadEvent, IngestTally)
    before = [counted(engine, merchant_id, model) for model in tables]
    answered: list[Any] = []
    with transaction_of() as session:
        assert idempotency.keep_last(session, "k-1", print_, body=b"dd", now=clock.now())
        thread = threading.Thread(target=lambda: answered.append(send(other_thread(caller), body)))
        thread.start()
        await_waiting(transaction_of, 1)
    thread.join(20)

    (answer,) = answered
    assert [one["status"] for one in answer.get_json()["results"]] == ["duplicate", "duplicate"]
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert [counted(engine, merchant_id, model) for model in tables] == before


def test_what_is_kept_of_500_accepted_events_is_a_letter_each(
    caller: Caller, engine: Engine, merchant_id: int
) -> None:
    send(caller, raw(*[event(str(number)) for number in range(500)]))

    with begin(engine, merchant_id) as session:
        assert session.scalars(select(IdempotencyRecord.body)).all() == [b"a" * 500]


def test_a_server_that_was_away_costs_no_call(
    caller: Caller, databases: Databases, engine: Engine, merchant_id: int
) -> None:
    send(caller, raw(event("a")), "k-1")
    before = counted(engine, merchant_id)
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = 'bm_app'"
    )
    with psycopg.connect(databases.owner.replace("+psycopg", "")) as connection:
        connection.execute(cut)

    assert send(caller, raw(event("b")), "k-2").get_json()["accepted"] == 1
    engine.dispose()  # what the test itself looks through was cut off too
    assert counted(engine, merchant_id) == before + 1
