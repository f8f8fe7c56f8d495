"""Nobody waits for a channel that does not answer, and nobody is kept from one that does."""

import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.channels.base import ChannelRefused, ChannelUnavailable
from app.channels.breaker import Breaker

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)


def silence() -> str:
    raise ChannelUnavailable("ReadTimeout")


def refusal() -> str:
    raise ChannelRefused("NO_AUTH", "no")


def answer() -> str:
    return "answer"


def never() -> str:
    raise AssertionError("the channel was called")


def fail(breaker: Breaker, times: int, *, at: datetime = NOON) -> None:
    for _ in range(times):
        with pytest.raises(ChannelUnavailable, match="ReadTimeout"):
            breaker.run(silence, now=at)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_after_five_unknown_results_it_answers_at_once_and_says_why() -> None:
    breaker = Breaker("wechat")
    fail(breaker, 5)

    with pytest.raises(ChannelUnavailable, match=r"wechat .* 5 calls .* ReadTimeout"):
        breaker.run(never, now=after(14))
    with pytest.raises(ChannelUnavailable):
        breaker.check(now=after(14))


def test_four_are_not_enough() -> None:
    breaker = Breaker("wechat")
    fail(breaker, 4)

    breaker.check(now=NOON)
    assert breaker.run(answer, now=NOON) == "answer"


@pytest.mark.parametrize("call", [answer, refusal])
def test_any_answer_in_between_counts_them_anew(call: Callable[[], str]) -> None:
    breaker = Breaker("wechat")
    fail(breaker, 4)
    with contextlib.suppress(ChannelRefused):
        breaker.run(call, now=NOON)

    fail(breaker, 4)

    assert breaker.run(answer, now=NOON) == "answer"


def test_after_a_pause_one_call_decides_for_all() -> None:
    breaker = Breaker("wechat")
    fail(breaker, 5)

    def while_others_come() -> str:
        with pytest.raises(ChannelUnavailable):
            breaker.run(never, now=after(15))
        return "answer"

    assert breaker.run(while_others_come, now=after(15)) == "answer"
    assert breaker.run(answer, now=after(15)) == "answer"


def test_a_channel_still_silent_is_left_alone_again() -> None:
    breaker = Breaker("wechat")
    fail(breaker, 5)
    fail(breaker, 1, at=after(15))

    with pytest.raises(ChannelUnavailable, match="left alone"):
        breaker.run(never, now=after(29))
    assert breaker.run(answer, now=after(30)) == "answer"


def test_a_fault_of_ours_says_nothing_about_the_channel() -> None:
    breaker = Breaker("wechat")
    fail(breaker, 5)

    with pytest.raises(AssertionError):
        breaker.run(never, now=after(15))

    assert breaker.run(answer, now=after(15)) == "answer"


def test_of_many_threads_one_tries() -> None:
    breaker = Breaker("wechat")
    fail(breaker, 5)
    tried, start = [], threading.Barrier(8)

    def go() -> None:
        start.wait()
        try:
            breaker.run(slow, now=after(15))
        except ChannelUnavailable:
            return

    def slow() -> str:
        tried.append(threading.get_ident())
        start_is_over.wait(timeout=5)
        return silence()

    start_is_over = threading.Event()
    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    start_is_over.set()
    for thread in threads:
        thread.join()

    assert len(tried) == 1
