"""A key's calls are counted over all processes, a handful at a time, and never too many pass."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask import Flask
from limits import parse
from werkzeug.exceptions import TooManyRequests

from app.api.rate import HANDFUL, CallLimit
from app.extensions import limiter

TWELVE = parse("12/minute")


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def allowed(limit: CallLimit, who: str) -> int:
    """Call until a call is refused, and return how many were not."""
    for number in range(100):
        try:
            limit.count(who)
        except TooManyRequests:
            return number
    raise AssertionError("nothing was refused")


def test_as_many_calls_pass_as_the_limit_says() -> None:
    assert allowed(CallLimit(TWELVE, scope="v1"), uuid4().hex) == 12


def test_processes_share_the_limit() -> None:
    one, other = CallLimit(TWELVE, scope="v1"), CallLimit(TWELVE, scope="v1")
    who = uuid4().hex
    one.count(who)

    assert allowed(other, who) == 12 - HANDFUL
    assert allowed(one, who) == HANDFUL - 1


def test_callers_and_dialects_have_limits_of_their_own() -> None:
    limit, who = CallLimit(TWELVE, scope="v1"), uuid4().hex
    allowed(limit, who)

    assert allowed(limit, uuid4().hex) == 12
    assert allowed(CallLimit(TWELVE, scope="other"), who) == 12


def test_a_handful_is_counted_at_once() -> None:
    limit, who = CallLimit(TWELVE, scope="v1"), uuid4().hex

    for _ in range(HANDFUL):
        limit.count(who)
        assert limiter.limiter.get_window_stats(TWELVE, who, "v1").remaining == 12 - HANDFUL
