"""A job that is owed is done at least once, whoever dies (I6)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core import outbox
from app.core.db import Transaction, begin, merchant_of
from app.core.outbox import LEASE, MAX_ATTEMPTS
from tests.make import NOON

TASK = "jobs.documents.print_invoice"


def owed(transaction: Transaction) -> int:
    with transaction() as session:
        job = outbox.owe(session, TASK, now=NOON, invoice="inv_1")
        session.flush()
        return job.id


def test_a_job_is_owed_with_the_transaction_or_not_at_all(transaction: Transaction) -> None:
    def crash() -> None:
        with transaction() as session:
            outbox.owe(session, TASK, now=NOON, invoice="inv_1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()

    with transaction() as session:
        assert outbox.claim(session, now=NOON) == []


def test_a_claim_is_a_lease(session: Session) -> None:
    outbox.owe(session, TASK, now=NOON, invoice="inv_1")
    session.flush()

    (job,) = outbox.claim(session, now=NOON)
    again = outbox.claim(session, now=NOON + LEASE - timedelta(seconds=1))
    late = outbox.claim(session, now=NOON + LEASE)

    assert (job.task, job.arguments) == (TASK, {"invoice": "inv_1"})
    assert again == []
    assert late == [job]


def test_jobs_owed_together_are_claimed_as_those_owed_alone(session: Session) -> None:
    outbox.owe_all(session, TASK, [{"invoice": "inv_1"}, {"invoice": "inv_2"}], now=NOON)

    jobs = outbox.claim(session, now=NOON)

    assert outbox.owes(session)
    assert [(job.task, job.attempts) for job in jobs] == [(TASK, 0), (TASK, 0)]
    assert sorted(job.arguments["invoice"] for job in jobs) == ["inv_1", "inv_2"]


def test_no_jobs_owed_ring_no_queue(session: Session) -> None:
    outbox.owe_all(session, TASK, [], now=NOON)

    assert not outbox.owes(session)


def test_waiting_in_a_queue_is_no_attempt(session: Session) -> None:
    outbox.owe(session, TASK, now=NOON)
    session.flush()
    for lease in range(50):
        (job,) = outbox.claim(session, now=NOON + lease * LEASE)

    assert job.attempts == 0


def test_an_attempt_is_counted_before_it_runs(session: Session) -> None:
    job = outbox.owe(session, TASK, now=NOON)
    session.flush()

    outbox.begin(session, job.id, now=NOON)

    assert job.attempts == 1
    assert outbox.claim(session, now=NOON + LEASE) == []
    assert outbox.claim(session, now=NOON + LEASE + timedelta(seconds=10)) == [job]


def test_a_job_that_is_done_is_never_begun_again(session: Session) -> None:
    job = outbox.owe(session, TASK, now=NOON)
    session.flush()
    outbox.begin(session, job.id, now=NOON)

    outbox.finish(session, job.id, now=NOON)

    assert outbox.begin(session, job.id, now=NOON) is None
    assert outbox.claim(session, now=NOON + timedelta(days=1)) == []


def test_a_job_that_never_ends_dies_and_can_be_revived(session: Session) -> None:
    job = outbox.owe(session, TASK, now=NOON)
    session.flush()
    for attempt in range(MAX_ATTEMPTS):
        outbox.claim(session, now=NOON + timedelta(days=attempt))
        outbox.begin(session, job.id, now=NOON + timedelta(days=attempt))
        outbox.fail(session, job.id, "PoisonPill: it always ends like this")

    assert outbox.claim(session, now=NOON + timedelta(days=99)) == []
    assert job.dead_at is not None
    assert outbox.begin(session, job.id, now=NOON) is None

    outbox.revive(job, now=NOON)
    session.flush()

    assert outbox.claim(session, now=NOON) == [job]


def test_of_many_relays_one_claims_a_job(transaction: Transaction) -> None:
    wanted = {owed(transaction) for _ in range(20)}

    def take(_: int) -> list[int]:
        with transaction() as session:
            return [job.id for job in outbox.claim(session, now=NOON, limit=5)]

    with ThreadPoolExecutor(8) as pool:
        taken = [job for claimed in pool.map(take, range(16)) for job in claimed]

    assert sorted(taken) == sorted(wanted)


def test_the_reader_finds_who_owes(transaction: Transaction, reader: Engine) -> None:
    owed(transaction)
    with transaction() as session:
        merchant_id = merchant_of(session)
        assert not outbox.owes(session)

    with begin(reader, None) as platform:
        assert merchant_id in outbox.due_merchants(platform, now=NOON)
        assert merchant_id not in outbox.due_merchants(platform, now=NOON - timedelta(seconds=1))
