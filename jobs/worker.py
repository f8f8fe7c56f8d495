"""One worker process: takes jobs of one queue, one after the other, in this process.

`python -m jobs.worker [QUEUE]`. One queue a worker: on several a job popped by a worker that dies
would be in no list any more. It does not fork: a fork per job costs ten times the job, and what
a job must survive is the death of its process, which the outbox handles.
"""

import gc
import sys
import time

import redis
import structlog
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from app.extensions import runtime
from app.factory import create_app

SECONDS_TO_LIVE = 30
MAINTENANCE_SECONDS = 15


def main(queue: str = "default") -> None:
    """Work until told to stop; the job at hand is finished first."""
    app = create_app(login="worker")
    with app.app_context():
        _await_queue()
        gc.collect()
        gc.freeze()  # what start-up made stays: no later collection has to look at it again
        make_worker(queue).work(logging_level="WARNING")


def make_worker(*queues: str) -> SimpleWorker:
    """Return a worker of these queues in this process's application."""
    return SimpleWorker(
        list(queues),
        connection=runtime().redis,
        serializer=JSONSerializer,
        worker_ttl=SECONDS_TO_LIVE,
        maintenance_interval=MAINTENANCE_SECONDS,
    )


def _await_queue() -> None:
    """Wait for as long as the queue is away: that is an outage, and no reason to crash."""
    is_away = False
    while True:
        try:
            runtime().redis.ping()
        except redis.ConnectionError:
            if not is_away:  # said once an outage
                structlog.get_logger().warning("the queue does not answer; waiting for it")
            is_away = True
            time.sleep(1)
        else:
            return


if __name__ == "__main__":
    main(*sys.argv[1:2])
