"""A long replay goes on in the background until every event was tried once."""

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Engine, func, select

from app.core import clock
from app.core.db import Transaction, begin
from app.metering import dead_events, replaying
from app.metering.dead_events import DeadFilter
from app.metering.models import UsageEvent
from jobs import relay
from tests.make import Make
from tests.metering.conftest import SHANGHAI
from tests.metering.dead import kept, mend


@pytest.fixture
def transaction(engine: Engine) -> Transaction:
    """Commit 1,001 events of a customer that is there by now, on a clock of those days."""
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        make = Make(session)
        make.merchant()
        mend(session, make.metric(code="tokens"))
        for _ in range(1_001):
            kept(session, occurred_at=clock.now())
    return partial(begin, engine, merchant_id)


def test_the_rest_is_replayed_by_a_job(transaction: Transaction, work: Callable[[], None]) -> None:
    now = clock.now()
    with transaction() as session:
        replaying.start_replay(session, DeadFilter(), merchant=SHANGHAI, now=now, real_now=now)

    relay.relay()
    work()

    with transaction() as session:
        replay = replaying.find_replay(session)
        assert replay
        assert (replay.tried, replay.taken) == (1_001, 1_001)
        assert replay.ended_at
        assert dead_events.count_waiting(session) == 0
        assert session.scalars(select(func.count()).select_from(UsageEvent)).one() == 1_001
