"""What the outbox may owe: a name that is written in rows, and the function it means.

A name, once used, stays: rows of yesterday still carry it.
"""

from collections.abc import Callable

from jobs import billing, documents

TASKS: dict[str, Callable[..., None]] = {
    "billing.catch_up": billing.catch_up,
    "documents.print_invoice": documents.print_invoice,
}
QUEUES = {"documents.print_invoice": "documents"}
"""The queue of a task, where it is not `default`."""
