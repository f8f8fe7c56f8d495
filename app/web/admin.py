"""The operator's pages, over all merchants: health, and what stands in queues."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from rq import Queue, Worker
from rq.job import Job
from rq.worker import BaseWorker
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import queries as invoices
from app.core import clock, outbox
from app.core.errors import NotFound, Unavailable
from app.core.ids import find_merchant
from app.extensions import reading, runtime
from app.identity import queries as identity
from app.identity.models import Merchant
from app.web import health
from app.web.page import page

QUEUES = ("default", "webhooks", "documents")
_FAILED_SHOWN = 20
_PLATFORM = "BuffMoney"


@dataclass(frozen=True)
class FailedJob:
    """A job of the queue that raised: the outbox or the next beat brings its work back."""

    id: str
    task: str
    ended_at: datetime | None
    error: str


def admin() -> Response:
    """Show how the product is: what it stands on, what it is owed, what it did last."""
    now = clock.now()
    with reading() as session:
        version = session.scalar(text("SHOW server_version"))
        backlog = outbox.backlog(session, now=now)
        counts = invoices.count_all(session)
        last_run = next(iter(invoices.list_all_runs(session, limit=1).rows), None)
        merchants = len(identity.list_merchant_ids(session))
    checks, _status = health.readyz()
    return page(
        "admin/health.html",
        nav="admin",
        checks=checks,
        version=version,
        backlog=backlog,
        age=now - backlog.oldest_due_at if backlog.oldest_due_at else None,
        counts=counts,
        last_run=last_run,
        merchants=merchants,
        queues=_lengths(),
    )


def admin_jobs() -> Response:
    """Show the queues, who works on them, and what failed there."""
    try:
        queues = [_queue_row(queue) for queue in _queues()]
        workers = [_worker_row(worker) for worker in Worker.all(connection=runtime().redis)]
        failed = [job for queue in _queues() for job in _failed(queue)]
    except redis.RedisError as error:
        raise Unavailable("the queue does not answer") from error
    return page("admin/jobs.html", nav="jobs", queues=queues, workers=workers, failed=failed)


def merchant_names(session: Session, merchant_ids: Iterable[int]) -> dict[int, str]:
    """Name merchants by their numbers; what is no merchant's is the platform's."""
    wanted = set(merchant_ids)
    found: dict[int, Merchant] = identity.merchants_by_id(session, wanted)
    names = {merchant_id: merchant.name for merchant_id, merchant in found.items()}
    return dict.fromkeys(wanted, _PLATFORM) | names


def known_merchant(text: str) -> int:
    """Return the number of the merchant of this public id. Raises NotFound."""
    merchant_id = find_merchant(text)
    if merchant_id is not None:
        with reading() as session:
            if identity.merchants_by_id(session, [merchant_id]):
                return merchant_id
    raise NotFound("there is no merchant of this id", path="merchant")


def _queues() -> list[Queue]:
    return [runtime().queue(name) for name in QUEUES]


def _lengths() -> list[tuple[str, int]]:
    """Return how long each queue is; none when it does not answer, which the checks say."""
    try:
        return [(queue.name, len(queue)) for queue in _queues()]
    except redis.RedisError:
        return []


def _queue_row(queue: Queue) -> dict[str, Any]:
    return {
        "name": queue.name,
        "waiting": len(queue),
        "running": len(queue.started_job_registry),
        "failed": len(queue.failed_job_registry),
        "oldest_at": _oldest(queue),
    }


def _oldest(queue: Queue) -> datetime | None:
    first = queue.get_jobs(0, 1)
    return first[0].enqueued_at if first else None


def _worker_row(worker: BaseWorker) -> dict[str, Any]:
    return {
        "name": worker.name,
        "queues": worker.queue_names(),
        "state": worker.get_state(),
        "seen_at": worker.last_heartbeat,
        "done": worker.successful_job_count,
        "failed": worker.failed_job_count,
    }


def _failed(queue: Queue) -> list[FailedJob]:
    ids = queue.failed_job_registry.get_job_ids(0, _FAILED_SHOWN - 1)
    found = Job.fetch_many(ids, connection=queue.connection, serializer=queue.serializer)
    return [
        FailedJob(job.id, job.func_name or "", job.ended_at, _last_line(job))
        for job in found
        if job
    ]


def _last_line(job: Job) -> str:
    result = job.latest_result()
    trace = (result.exc_string if result else "") or ""
    return trace.strip().rpartition("\n")[2]
