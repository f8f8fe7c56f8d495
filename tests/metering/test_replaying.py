"""A dead event is stored once its cause is mended: exactly once, whoever replays it how often."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.audit.models import ActorKind
from app.audit.recording import Actor
from app.core import outbox
from app.core.db import Transaction
from app.core.errors import NotFound
from app.core.states import IllegalMove
from app.metering import dead_events, replaying
from app.metering.dead_events import DeadFilter
from app.metering.models import (
    DeadEvent,
    DeadReason,
    DeadReplay,
    DeadStatus,
    UsageEvent,
    UsageRollup,
)
from app.pricing.models import Metric
from tests.make import NOON, Make
from tests.metering.conftest import SHANGHAI, Event, send
from tests.metering.dead import kept, mend

EVERYTHING = DeadFilter()
WEI = Actor(ActorKind.USER, 7, "wei@lumen.example")


def replayed(session: Session, *rows: DeadEvent) -> list[str | None]:
    """Replay all that waits and return what is said of these."""
    start(session)
    for row in rows:
        session.refresh(row)
    return [row.outcome for row in rows]


def start(session: Session, wanted: DeadFilter = EVERYTHING) -> DeadReplay:
    return replaying.start_replay(session, wanted, merchant=SHANGHAI, now=NOON, real_now=NOON)


def go_on(session: Session) -> bool:
    return replaying.continue_replay(session, merchant=SHANGHAI, now=NOON, real_now=NOON)


@pytest.fixture
def metric(make: Make) -> Metric:
    return make.metric(code="tokens")


def test_a_mended_event_is_stored_and_counted(session: Session, metric: Metric) -> None:
    row = kept(session)
    mend(session, metric)

    assert replayed(session, row) == ["accepted"]
    assert row.status is DeadStatus.REPLAYED
    assert row.resolved_at

    stored = session.scalars(select(UsageEvent)).one()
    assert (stored.idempotency_key, str(stored.quantity)) == (
        row.idempotency_key,
        "10.000000000000",
    )
    assert stored.dimensions == {"model": "gpt-5"}
    assert session.scalars(select(func.sum(UsageRollup.quantity))).one() == 10


def test_an_event_that_still_finds_no_place_waits_on(session: Session, metric: Metric) -> None:
    row = kept(session)

    assert replayed(session, row) == ["unknown_customer"]
    assert row.status is DeadStatus.WAITING
    assert row.metric == metric.code


def test_the_reason_becomes_what_is_still_missing(session: Session, make: Make) -> None:
    row = kept(session)
    make.customer(external_id="user_77")

    assert replayed(session, row) == ["unknown_metric"]
    assert row.reason is DeadReason.UNKNOWN_METRIC


def test_one_that_can_not_be_stored_does_not_hold_up_the_others(
    session: Session, metric: Metric
) -> None:
    mended, lost = kept(session), kept(session, customer_external_id="user_78")
    mend(session, metric)

    assert replayed(session, mended, lost) == ["accepted", "unknown_customer"]


def test_what_was_sent_again_meanwhile_is_a_duplicate(session: Session, metric: Metric) -> None:
    row = kept(session)
    mend(session, metric)
    again = Event(
        idempotency_key=row.idempotency_key, quantity="10", customer_external_id="user_77"
    )
    send(session, again)

    assert replayed(session, row) == ["duplicate"]
    assert row.status is DeadStatus.REPLAYED
    assert session.scalars(select(func.count()).select_from(UsageEvent)).one() == 1


def test_a_key_that_is_taken_by_other_content_waits(session: Session, metric: Metric) -> None:
    row = kept(session)
    mend(session, metric)
    send(session, Event(idempotency_key=row.idempotency_key, customer_external_id="user_77"))

    assert replayed(session, row) == ["idempotency_conflict"]
    assert row.status is DeadStatus.WAITING


def test_replaying_one_twice_stores_it_once(session: Session, metric: Metric) -> None:
    row = kept(session)
    mend(session, metric)

    first = replaying.replay_one(session, row.id, merchant=SHANGHAI, now=NOON)
    session.refresh(row)

    assert first
    assert first.is_taken
    assert replaying.replay_one(session, row.id, merchant=SHANGHAI, now=NOON) is None


def test_what_was_given_up_is_not_replayed(session: Session) -> None:
    row = kept(session)
    dead_events.discard_one(session, row.id, actor=WEI, now=NOON)

    with pytest.raises(IllegalMove):
        replaying.replay_one(session, row.id, merchant=SHANGHAI, now=NOON)


def test_a_long_replay_ends_and_says_how_far_it_came(session: Session, metric: Metric) -> None:
    for _ in range(501):
        kept(session)
    lost = kept(session, customer_external_id="user_78")
    mend(session, metric)

    replay = start(session)
    assert (replay.total, replay.tried, replay.taken) == (502, 500, 500)
    assert outbox.owes(session)
    assert not go_on(session)

    assert (replay.tried, replay.taken, replay.ended_at) == (502, 501, NOON)
    assert [row.id for row in dead_events.list_dead(session, EVERYTHING).rows] == [lost.id]
    assert not go_on(session)


def test_a_long_replay_tries_one_cause_alone(session: Session, metric: Metric) -> None:
    kept(session)
    kept(session, customer_external_id="user_78")
    mend(session, metric)

    replay = start(session, DeadFilter(DeadReason.UNKNOWN_CUSTOMER, "user_77"))

    assert (replay.total, replay.tried, replay.ended_at) == (1, 1, NOON)
    assert dead_events.count_waiting(session) == 1


def test_what_comes_during_a_replay_waits_for_the_next(session: Session, metric: Metric) -> None:
    for _ in range(501):
        kept(session)
    mend(session, metric)
    start(session)
    later = kept(session)

    go_on(session)

    assert [row.id for row in dead_events.list_dead(session, EVERYTHING).rows] == [later.id]


def test_one_replay_runs_at_a_time(session: Session) -> None:
    for _ in range(500):
        kept(session)
    assert start(session).ended_at is None

    with pytest.raises(replaying.ReplayRunning):
        start(session)

    go_on(session)
    assert start(session).tried == 500


def test_there_is_nothing_to_replay_when_nothing_waits(session: Session) -> None:
    with pytest.raises(NotFound):
        start(session)


def test_a_replay_that_never_began_does_not_go_on(session: Session) -> None:
    assert not go_on(session)


@pytest.fixture
def waiting(transaction: Transaction) -> list[int]:
    """Commit eight events of a customer that is there by now."""
    with transaction() as session:
        mend(session, Make(session).metric(code="tokens"))
        return [kept(session).id for _ in range(8)]


def at_once(*works: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def replay_each(transaction: Transaction, ids: list[int]) -> None:
    """Replay these one by one, in one transaction; what was discarded is left alone."""
    with transaction() as session:
        for dead_id in ids:
            with contextlib.suppress(IllegalMove):
                replaying.replay_one(session, dead_id, merchant=SHANGHAI, now=NOON)


def test_eight_replays_at_once_store_each_event_once(
    transaction: Transaction, waiting: list[int]
) -> None:
    at_once(*[partial(replay_each, transaction, waiting)] * 8)

    with transaction() as session:
        assert session.scalars(select(func.count()).select_from(UsageEvent)).one() == 8
        assert session.scalars(select(func.sum(UsageRollup.quantity))).one() == 80
        assert dead_events.count_waiting(session) == 0


def test_two_replays_started_at_once_take_turns(
    transaction: Transaction, waiting: list[int]
) -> None:
    def try_to_start() -> str:
        with transaction() as session:
            try:
                return f"taken {start(session).taken}"
            except NotFound:
                return "nothing waits"

    assert sorted(map(str, at_once(try_to_start, try_to_start))) == [
        "nothing waits",
        f"taken {len(waiting)}",
    ]


def test_an_event_is_discarded_or_counted_never_both(
    transaction: Transaction, waiting: list[int]
) -> None:
    def replay_all() -> None:
        with contextlib.suppress(replaying.DeadEventChanged):
            replay_each(transaction, waiting)

    def discard_all() -> None:
        with transaction() as session:
            dead_events.discard_waiting(session, EVERYTHING, actor=WEI, now=NOON)

    at_once(replay_all, discard_all, replay_all, discard_all)

    with transaction() as session:
        stored = session.scalars(select(func.count()).select_from(UsageEvent)).one()
        counted = dead_events.list_dead(session, DeadFilter(status=DeadStatus.REPLAYED)).rows
        assert stored == len(counted)
        assert dead_events.count_waiting(session) == 0
