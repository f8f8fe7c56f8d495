"""What the outbox may owe: a name that is written in rows, and the function it means.

A name, once used, stays: rows of yesterday still carry it.
"""

from collections.abc import Callable

from jobs import billing, documents

TASKS: dict[str, Callable[..., None]] = {
    "jobs.billing.catch_up": billing.catch_up,
    "jobs.documents.print_invoice": documents.print_invoice,
    "jobs.documents.print_receipt": documents.print_receipt,
}
QUEUES = {
    "jobs.documents.print_invoice": "documents",
    "jobs.documents.print_receipt": "documents",
}
"""The queue of a task, where it is not `default`."""
