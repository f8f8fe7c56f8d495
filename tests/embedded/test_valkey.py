"""The embedded Valkey starts from whatever a crash left, with what it was given before."""

import signal
from pathlib import Path

import redis

from app.embedded import Valkey


def connect(server: Valkey) -> redis.Redis:
    return redis.from_url(server.url())


def test_what_was_queued_survives_a_hard_kill(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    server.start()
    with connect(server) as connection:
        connection.rpush("queue", "job")
        connection.execute_command("WAITAOF", 1, 0, 5000)
    assert server.process
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()

    server.start()

    with connect(server) as connection:
        assert connection.lrange("queue", 0, -1) == [b"job"]
    server.stop()


def test_a_leftover_server_is_stopped_before_ours_starts(tmp_path: Path) -> None:
    leftover, ours = Valkey(tmp_path), Valkey(tmp_path)
    leftover.start()
    ours.end_leftover()

    assert leftover.process
    assert leftover.process.wait(5) == 0
    ours.start()
    assert ours.process
    ours.stop()
