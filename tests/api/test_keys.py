"""Every operation wants a key, the scope it declares, and shows one merchant's rows only."""

import hashlib
import secrets
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from flask import Flask
from limits import parse
from sqlalchemy import Engine

from app.api.operations import RATE_LIMIT, Operation
from app.api.v1 import API
from app.core import clock, ids
from app.core.db import begin
from app.extensions import limiter
from app.identity import keys
from app.identity.models import Mode, Scope
from tests.api.caller import BODIES, Caller, stock
from tests.api.conftest import new_caller, new_merchant

QUERIES = {"get_usage": {"from": "2026-05-01", "to": "2026-06-01"}}
WITH_IDS = [operation for operation in API.operations if operation.path_ids]
UNKNOWN = f"bm_sandbox_AbCd1234.{ids.show_merchant(4711)}{'x' * 32}"


@pytest.fixture(scope="module")
def owner(engine: Engine) -> int:
    """Make the one merchant whose rows are asked for: what is refused changes nothing."""
    return new_merchant(engine)


@pytest.fixture(scope="module")
def rows(app: Flask, engine: Engine, owner: int) -> dict[str, str]:
    """Add a row of every kind to him; the ids by the names of paths."""
    with begin(engine, owner) as session:
        return stock(session, app.extensions["buffmoney"].keyring)


@pytest.fixture(scope="module")
def owner_without(app: Flask, engine: Engine, owner: int) -> Callable[[Scope], Caller]:
    """Call as the owner of the rows with every scope but one."""

    @cache  # a merchant has room for few keys
    def caller(scope: Scope) -> Caller:
        return new_caller(app, engine, owner, scopes=set(Scope) - {scope})

    return caller


def name(operation: Operation) -> str:
    return operation.name


def call(caller: Caller, operation: Operation, rows: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Perform the operation on these rows; return the answer without the request's id."""
    path = operation.rule
    for noun in operation.path_ids:
        path = path.replace(f"<{noun}>", rows[noun])
    body = BODIES.get(operation.name, {}) if operation.body is not None else None
    query = QUERIES.get(operation.name)
    answer = caller.call(operation.method, path, json=body, query_string=query)
    return answer.status_code, (answer.get_json() or {}) | {"requestId": ""}


def random_rows(rows: dict[str, str]) -> dict[str, str]:
    return {
        noun: ids.show(ids.Prefix[noun.removesuffix("_id").upper()], secrets.randbits(62))
        for noun in rows
    }


@pytest.mark.parametrize("operation", API.operations, ids=name)
def test_without_a_key_nothing_is_answered(
    app: Flask, rows: dict[str, str], operation: Operation
) -> None:
    status, problem = call(Caller(app.test_client(), ""), operation, rows)

    assert (status, problem["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("operation", API.operations, ids=name)
def test_every_other_scope_is_not_enough(
    owner_without: Callable[[Scope], Caller], rows: dict[str, str], operation: Operation
) -> None:
    status, problem = call(owner_without(operation.scope), operation, rows)

    assert (status, problem["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize("operation", WITH_IDS, ids=name)
def test_a_foreign_row_is_like_none(
    stranger: Caller, rows: dict[str, str], operation: Operation
) -> None:
    foreign = call(stranger, operation, rows)

    assert foreign == call(stranger, operation, random_rows(rows))
    assert (foreign[0], foreign[1]["code"]) == (404, "not_found")


@pytest.mark.parametrize("operation", WITH_IDS, ids=name)
def test_what_is_no_id_is_not_found(caller: Caller, operation: Operation) -> None:
    for text in ("0", "..", "%00", "x" * 10_000, "inv_", "INV_0000000000000", "inv_zzzzzzzzzzzzz"):
        status, problem = call(caller, operation, dict.fromkeys(operation.path_ids, text))

        assert (status, problem["code"]) == (404, "not_found"), text


def test_a_foreign_row_can_not_be_referred_to(stranger: Caller, rows: dict[str, str]) -> None:
    terms = {"currency": "USD", "cycle": "monthly_calendar", "startsOn": "2026-12-01"}
    mine = stranger.post("/customers", {"externalId": "a", "name": "A"}).get_json()["id"]

    answer = stranger.post(
        "/contracts", terms | {"customerId": mine, "rateCardId": rows["rate_card_id"]}
    )

    assert answer.status_code == 404


def test_a_revoked_key_is_refused_on_the_next_call(app: Flask, engine: Engine) -> None:
    merchant_id = new_merchant(engine)
    caller = new_caller(app, engine, merchant_id)
    assert caller.get("/products").status_code == 200

    with begin(engine, merchant_id) as session:
        (key,) = keys.list_keys(session)
        keys.revoke_key(session, key.id, now=clock.now())

    answer = caller.get("/products")
    assert (answer.status_code, answer.get_json()["code"]) == (401, "invalid_api_key")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="BuffMoney"'


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic {key}",
        "{key}",
        f"Bearer {UNKNOWN}",
        "Bearer {key}x",
        "Bearer {key}\u00a0",
        "Bearer {key}, Bearer {key}",
        "Bearer {lower}",
        "Bearer {half}",
    ],
)
def test_what_is_no_key_is_refused(app: Flask, caller: Caller, authorization: str) -> None:
    text = authorization.format(key=caller.key, lower=caller.key.lower(), half=caller.key[:-9])

    answer = app.test_client().get("/api/v1/products", headers={"Authorization": text})

    assert (answer.status_code, answer.get_json()["code"]) == (401, "invalid_api_key")


def test_a_key_in_the_url_is_no_key(app: Flask, caller: Caller) -> None:
    answer = app.test_client().get(f"/api/v1/products?api_key={caller.key}")

    assert answer.status_code == 401


def test_the_mode_is_the_keys_and_nothing_else(caller: Caller) -> None:
    assert caller.get("/products", mode="live").status_code == 422
    answer = caller.call("GET", "/sandbox/clock", headers={"X-Mode": "live"})
    assert answer.status_code == 200


def test_a_live_key_does_not_reach_sandbox_rows(
    app: Flask, engine: Engine, rows: dict[str, str]
) -> None:
    live = new_caller(app, engine, new_merchant(engine, Mode.LIVE))

    assert live.key.startswith("bm_live_")
    assert live.get(f"/invoices/{rows['invoice_id']}").status_code == 404


@pytest.mark.parametrize("rule", sorted({operation.rule for operation in API.operations}))
def test_methods_that_are_not_declared_do_nothing(caller: Caller, rule: str) -> None:
    declared = {operation.method for operation in API.operations if operation.rule == rule}
    if "GET" in declared:
        declared.add("HEAD")

    for method in {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - declared:
        answer = caller.call(method, rule.replace("<", "").replace(">", ""))

        assert answer.status_code == 405, method
        assert set(answer.headers["Allow"].split(", ")) == declared


def test_more_than_200_calls_a_second_are_slowed_down(app: Flask, caller: Caller) -> None:
    who = hashlib.sha256(f"Bearer {caller.key}".encode()).hexdigest()
    with app.app_context():
        limiter.limiter.hit(parse(RATE_LIMIT), who, API.name, cost=200)

    answer = caller.get("/balances")

    assert (answer.status_code, answer.get_json()["code"]) == (429, "too_many_requests")
    assert int(answer.headers["Retry-After"]) >= 1


def test_one_keys_calls_slow_down_no_other(app: Flask, caller: Caller, stranger: Caller) -> None:
    who = hashlib.sha256(f"Bearer {caller.key}".encode()).hexdigest()
    with app.app_context():
        limiter.limiter.hit(parse(RATE_LIMIT), who, API.name, cost=200)

    assert stranger.get("/balances").status_code == 200
