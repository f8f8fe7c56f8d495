"""Beats instead of cron: each one rings a job that asks the database what is due.

Whoever sets a beat's slot in Redis first rings it, so any number of tickers is safe; a beat that
was missed is simply the next one. Imports no part of the app: it starts at once and stays small.
"""

import os
import signal
import threading

import redis
import structlog
from rq import Queue
from rq.serializers import JSONSerializer

from app.core import clock

BEATS = {
    "jobs.relay.relay": 2,
    "jobs.webhooks.deliver": 2,
    "jobs.mail.send": 5,
    "jobs.payments.heal": 5,
    "jobs.refunds.heal": 15,
    "jobs.channels.refresh_certificates": 60,
    "jobs.usage.refresh_days": 5,
    "jobs.billing.run_due": 15,
    "jobs.reminders.remind": 15,
    "jobs.billing.give_up_overdue": 300,
    "jobs.housekeeping.purge": 3600,
}
"""How many seconds lie between two beats of a job."""

ENOUGH_WAITING = 200


def main() -> None:
    """Ring what is due, once a second, until told to stop."""
    connection = redis.from_url(os.environ["REDIS_URL"])
    queue = Queue("default", connection=connection, serializer=JSONSerializer)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    is_away = False
    while not stop.wait(1):
        try:
            beat(connection, queue, int(clock.now().timestamp()))
        except redis.RedisError:
            if not is_away:  # said once an outage
                structlog.get_logger().warning("the queue does not answer; every beat tries again")
            is_away = True
        else:
            is_away = False


def beat(connection: redis.Redis, queue: Queue, second: int) -> list[str]:
    """Ring every job whose slot nobody took yet, and return which.

    Where the workers are behind nothing is rung: the beats that wait already find all that is due.
    """
    if queue.count > ENOUGH_WAITING:
        return []
    rung = []
    for job, every in BEATS.items():
        slot = f"beat:{job}:{second // every}"
        if connection.set(slot, 1, nx=True, ex=every * 3):
            queue.enqueue(job, result_ttl=0, job_timeout=300, failure_ttl=86_400)
            rung.append(job)
    return rung


if __name__ == "__main__":
    main()
