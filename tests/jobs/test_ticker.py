"""Every beat is rung once, by whoever comes first, and never into a queue that is behind."""

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from jobs import ticker


def make_queue(connection: redis.Redis) -> Queue:
    return Queue("default", connection=connection, serializer=JSONSerializer)


def test_a_beat_is_rung_once_by_any_number_of_tickers(queue: redis.Redis) -> None:
    first = ticker.beat(queue, make_queue(queue), 7200)
    second = ticker.beat(queue, make_queue(queue), 7200)

    assert sorted(first) == sorted(ticker.BEATS)
    assert second == []
    assert make_queue(queue).count == len(ticker.BEATS)


def test_the_next_slot_is_rung_again(queue: redis.Redis) -> None:
    ticker.beat(queue, make_queue(queue), 7200)

    assert ticker.beat(queue, make_queue(queue), 7202) == [
        "jobs.relay.relay",
        "jobs.webhooks.deliver",
    ]


def test_a_queue_that_is_behind_is_left_alone(queue: redis.Redis) -> None:
    for _ in range(ticker.ENOUGH_WAITING + 1):
        make_queue(queue).enqueue("jobs.relay.relay")

    assert ticker.beat(queue, make_queue(queue), 7200) == []


def test_every_beat_names_a_job_there_is(queue: redis.Redis) -> None:
    ticker.beat(queue, make_queue(queue), 7200)

    assert all(callable(job.func) for job in make_queue(queue).jobs)
