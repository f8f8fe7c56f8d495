"""A process that forks, ends or has no room loses no event silently and sends none twice."""

import os
import subprocess
import sys
import textwrap
import time
import tracemalloc
from contextlib import suppress

import pytest
from buffmoney import BuffMoney, QueueFull

from tests.sdk import SOURCE
from tests.sdk import stub as bad
from tests.sdk.conftest import KEY, Connect, Heard
from tests.sdk.stub import Stub

OPENING = """
import logging, os, sys, threading, time
from buffmoney import BuffMoney
client = BuffMoney(sys.argv[1], base_url=sys.argv[2], linger=0.05)
def track(key): client.usage.track("user_42", "tokens_input", 1, idempotency_key=key)
"""


def run(script: str, stub: Stub, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program of a merchant's to its end."""
    return subprocess.run(
        [sys.executable, "-c", OPENING + textwrap.dedent(script), KEY, stub.url],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE},
        timeout=seconds,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_waits_is_sent_when_the_process_ends(stub: Stub) -> None:
    done = run("track('evt_1'); track('evt_2')", stub)

    assert (done.returncode, done.stderr) == (0, "")
    assert list(stub.counted) == ["evt_1", "evt_2"]


def test_a_process_ends_in_time_though_nobody_answers(stub: Stub) -> None:
    stub.then = bad.be_slow(60)
    script = """
    import buffmoney.client
    assert buffmoney.client.EXIT_TIMEOUT == 5.0
    buffmoney.client.EXIT_TIMEOUT = 0.5
    client = BuffMoney(sys.argv[1], base_url=sys.argv[2])
    track("evt_1")
    """
    started = time.monotonic()
    done = run(script, stub)

    assert done.returncode == 0
    assert time.monotonic() - started < 20
    assert "1 events were given up: closed before it was sent" in done.stderr


def test_a_forked_child_sends_its_own_events_and_not_its_parents(stub: Stub) -> None:
    script = """
    client.usage.track("user_42", "tokens_input", 1, idempotency_key="before")
    client.usage.flush()
    track("parents")  # waits to be sent while the process forks
    pid = os.fork()
    if pid == 0:
        assert client.usage.stats.tracked == 0
        track("childs")
        ok = client.usage.flush(5) and client.usage.stats.accepted == 1
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    client.close()
    """
    done = run(script, stub)

    assert done.returncode == 0, done.stderr
    assert sorted(stub.counted) == ["before", "childs", "parents"]
    sent = [event["idempotencyKey"] for request in stub.requests for event in request.events]
    assert sorted(sent) == ["before", "childs", "parents"]
    assert len({request.connection for request in stub.requests}) == 2


def test_forking_under_load_neither_hangs_nor_repeats(stub: Stub) -> None:
    script = """
    def work():
        for n in range(2000): track(f"parent-{n}")
    thread = threading.Thread(target=work)
    thread.start()
    children = []
    for child in range(5):
        pid = os.fork()
        if pid == 0:
            for n in range(20): track(f"child-{child}-{n}")
            os._exit(0 if client.usage.flush(10) else 1)
        children.append(pid)
    thread.join()
    for pid in children:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert client.usage.flush(10)
    """
    done = run(script, stub)

    assert done.returncode == 0, done.stderr
    sent = [event["idempotencyKey"] for request in stub.requests for event in request.events]
    assert len(sent) == len(set(sent)) == 2_100


def test_keys_of_a_child_are_not_its_parents(stub: Stub) -> None:
    script = """
    keys = [client.usage.track("user_42", "tokens_input", 1) for _ in range(200)]
    pid = os.fork()
    keys = [client.usage.track("user_42", "tokens_input", 1) for _ in range(200)]
    client.close()
    os._exit(0) if pid == 0 else os.waitpid(pid, 0)
    """
    done = run(script, stub)

    assert done.returncode == 0, done.stderr
    assert len(stub.counted) == 600


def test_an_outage_takes_no_more_memory_than_was_allowed(connect: Connect, stub: Stub) -> None:
    stub.stop()
    client = connect(max_queue_bytes=1_000_000)
    tracemalloc.start()
    try:
        with suppress(QueueFull):
            for _ in range(100_000):
                client.usage.track("user_42", "tokens_input", 1, dimensions={"note": "x" * 800})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert 900 < client.usage.stats.queued < 1_100
    assert peak < 4_000_000


def test_the_key_is_shown_nowhere(
    stub: Stub, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    stub.plan.extend([bad.hang_up, bad.refuse(401, "invalid_api_key")])
    with heard.connect(stub.url) as client:
        client.usage.track("user_42", "tokens_input", 1)
        assert client.usage.flush(5)
        shown = f"{client!r} {client.usage!r} {heard.undelivered} {caplog.text}"

    assert "efGH56789longSecret" not in shown
    for wrong in ("bm_sandbox_x.secret\n", "", "bm secret", "clé"):
        with pytest.raises(ValueError, match="the API key is not one"):
            BuffMoney(wrong, base_url=stub.url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "billing.example.com",
            "ftp://billing.example.com",
            "https://",
            "https://u:p@example.com",
        ),
        "http://billing.example.com",
    ],
)
def test_a_key_is_sent_to_no_stranger(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        BuffMoney(KEY, base_url=url)


def test_plain_http_to_another_machine_is_the_callers_word() -> None:
    client = BuffMoney(KEY, base_url="http://billing.internal:8000", allow_http=True)

    assert repr(client) == "BuffMoney(base_url='http://billing.internal:8000')"
    client.close()
