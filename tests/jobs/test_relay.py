"""A job that is owed is done: whatever the queue loses, whoever is killed, and once."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import redis
from flask import Flask
from sqlalchemy import Engine, create_engine, func, select, text

from app.billing.run_models import InvoiceRun
from app.config import ROOT
from app.core import clock, outbox
from app.core.db import Transaction, merchant_of
from app.core.ids import Prefix, show, show_merchant
from app.core.outbox import MAX_ATTEMPTS, OutboxJob
from jobs import relay
from tests.conftest import Databases

TASK = "jobs.billing.catch_up"
LEASE = timedelta(minutes=2)  # longer than the first lease with its back-off
Work = Callable[[], None]


def owe(transaction: Transaction, **arguments: str) -> int:
    with transaction() as session:
        job = outbox.owe(session, TASK, now=clock.now(), **arguments)
        session.flush()  # the id is made by the database
        return job.id


def find(transaction: Transaction, job_id: int) -> OutboxJob:
    with transaction() as session:
        return session.scalars(select(OutboxJob).where(OutboxJob.id == job_id)).one()


def count_runs(transaction: Transaction) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(InvoiceRun)) or 0


def hand_over(after: timedelta = timedelta(0)) -> None:
    relay.hand_over(now=clock.now() + after)


def test_an_owed_job_is_handed_over_and_done(transaction: Transaction, work: Work) -> None:
    job_id = owe(transaction)

    hand_over()
    work()

    assert find(transaction, job_id).done_at
    assert count_runs(transaction) == 1


def test_a_lost_queue_loses_no_job(
    transaction: Transaction, work: Work, queue: redis.Redis
) -> None:
    job_id = owe(transaction)
    hand_over()
    queue.flushdb()
    work()
    assert not find(transaction, job_id).done_at

    hand_over(LEASE)
    work()

    assert find(transaction, job_id).done_at


def test_a_job_that_could_not_begin_is_handed_over_again_after_its_lease(
    transaction: Transaction, work: Work, databases: Databases
) -> None:
    job_id = owe(transaction)
    hand_over()
    with away(databases):
        work()
    assert find(transaction, job_id).attempts == 0

    hand_over(LEASE)
    work()

    assert find(transaction, job_id).done_at


def test_what_is_leased_is_not_handed_over_again(transaction: Transaction, work: Work) -> None:
    job_id = owe(transaction)
    hand_over()
    hand_over()
    work()

    assert find(transaction, job_id).attempts == 1
    assert count_runs(transaction) == 1


def test_a_job_that_is_done_is_not_done_again(transaction: Transaction, app: Flask) -> None:
    job_id = owe(transaction)
    with transaction() as session:
        merchant = show_merchant(merchant_of(session))
    for _ in range(3):
        relay.run(merchant=merchant, job=show(Prefix.OUTBOX, job_id))

    assert app
    assert count_runs(transaction) == 1


def test_a_poison_job_ends_dead_with_its_reason_and_stops_nobody(
    transaction: Transaction, work: Work
) -> None:
    poison = owe(transaction, nobody="takes this argument")
    sound = owe(transaction)
    for attempt in range(MAX_ATTEMPTS + 1):
        hand_over(timedelta(hours=attempt))
        work()

    dead = find(transaction, poison)
    assert dead.dead_at
    assert dead.attempts == 8
    assert "unexpected keyword argument 'nobody'" in (dead.last_error or "")
    assert find(transaction, sound).done_at


def test_a_task_nobody_knows_is_a_failure_like_any_other(
    transaction: Transaction, work: Work
) -> None:
    with transaction() as session:
        job = outbox.owe(session, "jobs.yesterday.forgotten", now=clock.now())
        session.flush()
        job_id = job.id
    hand_over()
    work()

    assert find(transaction, job_id).last_error == "KeyError: 'jobs.yesterday.forgotten'"


def test_a_worker_killed_at_its_job_leaves_it_to_the_next(
    transaction: Transaction, work: Work, databases: Databases, redis_url: str, app: Flask
) -> None:
    job_id = owe(transaction)
    hand_over()
    owner = create_engine(databases.owner)
    with owner.begin() as blocking:
        # The job waits for this table in the middle of its work: time to kill it.
        blocking.execute(text("LOCK TABLE invoice_runs IN ACCESS EXCLUSIVE MODE"))
        process = start_worker(databases, redis_url, app.instance_path)
        await_waiting(owner)
        process.kill()
        process.wait()
    owner.dispose()
    assert not find(transaction, job_id).done_at

    hand_over(LEASE)
    work()

    assert find(transaction, job_id).done_at
    assert find(transaction, job_id).attempts == 2


@contextmanager
def away(databases: Databases) -> Iterator[None]:
    """Take the table from every worker, as an outage of the database does."""
    owner = create_engine(databases.owner)
    rename = "ALTER TABLE {} RENAME TO {}"
    with owner.begin() as connection:
        connection.execute(text(rename.format("outbox_jobs", "outbox_jobs_away")))
    try:
        yield
    finally:
        with owner.begin() as connection:
            connection.execute(text(rename.format("outbox_jobs_away", "outbox_jobs")))
        owner.dispose()


def start_worker(
    databases: Databases, redis_url: str, instance: str, *, queue: str = "default"
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.worker", queue],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "APP_DATABASE_URL": databases.app,
            "WORKER_DATABASE_URL": databases.worker,
            "READER_DATABASE_URL": databases.reader,
            "REDIS_URL": redis_url,
            "INSTANCE_DIR": instance,
        },
    )


def await_waiting(owner: Engine) -> None:
    """Come back once a session of this database waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(waiting):
            assert time.monotonic() < deadline
            time.sleep(0.05)
