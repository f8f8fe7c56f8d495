"""The same key with the same request runs once and is answered the same (I1)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.core import idempotency
from app.core.db import Transaction
from app.core.idempotency import Answer, KeyReused, StillRunning
from tests.make import NOON

REQUEST = idempotency.fingerprint("POST", "/api/v1/products", b'{"code":"chat"}')
OTHER = idempotency.fingerprint("POST", "/api/v1/products", b'{"code":"image"}')
ANSWER = Answer(201, "application/json", b'{"id":"prod_1"}')


def answered(session: Session) -> None:
    assert idempotency.begin(session, "key", REQUEST, now=NOON) is None
    idempotency.finish(session, "key", ANSWER)


def test_the_first_request_runs_and_the_second_is_answered_the_same(session: Session) -> None:
    answered(session)

    assert idempotency.begin(session, "key", REQUEST, now=NOON) == ANSWER


def test_another_request_with_the_same_key_is_refused(session: Session) -> None:
    answered(session)

    with pytest.raises(KeyReused):
        idempotency.begin(session, "key", OTHER, now=NOON)


def test_a_key_is_forgotten_after_a_day(session: Session) -> None:
    answered(session)
    later = NOON + timedelta(hours=24)

    assert idempotency.begin(session, "key", OTHER, now=later) is None
    idempotency.finish(session, "key", ANSWER)

    assert idempotency.begin(session, "key", OTHER, now=later) == ANSWER


def test_a_request_that_failed_leaves_its_key_free(transaction: Transaction) -> None:
    def crash() -> None:
        with transaction() as session:
            idempotency.begin(session, "key", REQUEST, now=NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()

    with transaction() as session:
        assert idempotency.begin(session, "key", OTHER, now=NOON) is None


def test_of_many_at_once_one_runs_and_the_others_wait_or_are_answered(
    transaction: Transaction,
) -> None:
    begun, ran = threading.Barrier(8), []

    def send(number: int) -> str:
        begun.wait()
        try:
            with transaction() as session:
                known = idempotency.begin(session, "key", REQUEST, now=NOON)
                if known:
                    return "answered"
                ran.append(number)
                threading.Event().wait(0.2)  # longer than a twin waits for the row
                idempotency.finish(session, "key", ANSWER)
                return "ran"
        except StillRunning:
            return "told to wait"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(send, range(8)))

    assert outcomes.count("ran") == len(ran) == 1
    assert set(outcomes) <= {"ran", "answered", "told to wait"}


def test_a_request_that_asks_a_channel_keeps_its_first_answer(session: Session) -> None:
    assert idempotency.find(session, "key", REQUEST, now=NOON) is None

    idempotency.keep(session, "key", REQUEST, answer=ANSWER, now=NOON)
    idempotency.keep(session, "key", REQUEST, answer=Answer(200, "x", b"second"), now=NOON)

    assert idempotency.find(session, "key", REQUEST, now=NOON) == ANSWER


def test_old_records_are_purged(session: Session) -> None:
    answered(session)

    assert idempotency.purge(session, now=NOON + timedelta(hours=23)) == 0
    assert idempotency.purge(session, now=NOON + timedelta(hours=24)) == 1
