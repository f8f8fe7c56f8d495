"""From the outbox to the queue, and from the queue to the function that is owed."""

from datetime import datetime
from functools import partial

import structlog
from rq import Queue
from rq.exceptions import DuplicateJobError

from app.core import clock, outbox
from app.core.ids import Prefix, find_merchant, read, show, show_merchant
from app.extensions import reading, runtime, transaction
from jobs import sweep, tasks

FAILURE_SECONDS = 86_400
"""How long the queue remembers a failed try; the outbox remembers the job for good."""

SLOT_SECONDS = 600

log = structlog.get_logger()


def relay() -> None:
    """Hand every due job of every merchant over to its queue."""
    hand_over(now=clock.now())


def hand_over(*, now: datetime) -> None:
    """Claim what is due at `now` and put it on its queue, merchant after merchant.

    Only ids go over the queue. A claim is a lease: a job that never reports back is due again.
    """
    with reading() as session:
        merchants = outbox.due_merchants(session, now=now)
    sweep.for_each(merchants, partial(_hand_over, now=now))


def _hand_over(merchant_id: int, *, now: datetime) -> None:
    with transaction(merchant_id) as session:
        claimed = [
            (show(Prefix.OUTBOX, job.id), job.task, job.attempts)
            for job in outbox.claim(session, now=now)
        ]
    merchant, slot = show_merchant(merchant_id), int(now.timestamp()) // SLOT_SECONDS
    for job, task, attempts in claimed:
        # Waiting in the queue a job keeps its id, so it is not doubled at every lease. The id of
        # one whose worker died stays taken: the slot is when it may be handed over again.
        ring = f"{merchant}-{job}-{attempts}-{slot}"
        queue = runtime().queue(tasks.queue_of(task))
        try:
            queue.enqueue(
                "jobs.relay.run",
                kwargs={"merchant": merchant, "job": job},
                job_id=ring,
                unique=True,
                result_ttl=0,
                failure_ttl=FAILURE_SECONDS,
                job_timeout=300,
            )
        except DuplicateJobError:
            _ring_again(queue, ring)


def _ring_again(queue: Queue, ring: str) -> None:
    """Put a ring back that failed before its job was begun, as while the database was away.

    One that waits in the queue is left there.
    """
    known = queue.fetch_job(ring)
    if known is not None and known.is_failed:
        known.requeue()


def run(*, merchant: str, job: str) -> None:
    """Do one owed job and write down that it is done; a job that is done already is left alone."""
    merchant_id = find_merchant(merchant)
    if merchant_id is None:
        raise ValueError(f"{merchant} is not a merchant's id")
    job_id = read(Prefix.OUTBOX, job)
    with transaction(merchant_id) as session:
        owed = outbox.begin(session, job_id, now=clock.now())
        if owed is None:
            return
        task, arguments = owed.task, owed.arguments
    try:
        tasks.find(task)(merchant_id=merchant_id, **arguments)
    except Exception as error:
        with transaction(merchant_id) as session:
            outbox.fail(session, job_id, f"{type(error).__name__}: {error}")
        log.exception("job failed", task=task, job=job)
        raise
    with transaction(merchant_id) as session:
        outbox.finish(session, job_id, now=clock.now())
