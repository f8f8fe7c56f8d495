"""What the outbox may owe: the dotted names that rows may carry, and the queue of each.

A name, once used, stays: rows of yesterday still carry it. A task's module is imported when the
first job of it comes, so that only the workers who print load what printing needs.
"""

from collections.abc import Callable
from importlib import import_module
from typing import cast

QUEUES = {
    "jobs.billing.catch_up": "default",
    "jobs.billing.replay_prices": "default",
    "jobs.bulk.handle": "documents",
    "jobs.contracts.schedule_for_version": "default",
    "jobs.dead_events.replay_all": "default",
    "jobs.documents.mail_again": "documents",
    "jobs.documents.print_invoice": "documents",
    "jobs.documents.print_receipt": "documents",
    "jobs.documents.print_void": "documents",
    "jobs.documents.print_credit_note": "documents",
    "jobs.fapiao.mail_issued": "default",
    "jobs.fapiao.mail_red_lettered": "default",
    "jobs.fapiao.mail_rejected": "default",
    "jobs.refunds.mail": "default",
    "jobs.refunds.settle": "default",
    "jobs.webhook_mails.tell_owners": "default",
}

Task = Callable[..., None]


def queue_of(task: str) -> str:
    """Return the queue of a task; one that nobody knows fails on the default queue, visibly."""
    return QUEUES.get(task, "default")


def find(task: str) -> Task:
    """Return the function that a row names. Raises KeyError for any that may not be owed."""
    if task not in QUEUES:
        raise KeyError(task)
    module, _, function = task.rpartition(".")
    return cast("Task", getattr(import_module(module), function))
