"""What found no place is kept, grouped by its cause, and given up only by somebody's decision."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.models import ActorKind, AuditEntry
from app.audit.recording import Actor
from app.core.errors import NotFound
from app.core.states import IllegalMove
from app.metering import dead_events
from app.metering.dead_events import Cause, DeadFilter
from app.metering.models import DeadReason, DeadStatus
from tests.make import NOON
from tests.metering.dead import OCCURRED_AT, kept

WEI = Actor(ActorKind.USER, 7, "wei@lumen.example")


def test_events_are_grouped_by_what_is_missing(session: Session) -> None:
    kept(session)
    kept(session, occurred_at=OCCURRED_AT + timedelta(hours=1))
    kept(session, reason=DeadReason.UNKNOWN_METRIC, metric="gpus")

    assert dead_events.causes(session) == [
        Cause(
            DeadReason.UNKNOWN_CUSTOMER,
            "user_77",
            2,
            OCCURRED_AT,
            OCCURRED_AT + timedelta(hours=1),
        ),
        Cause(DeadReason.UNKNOWN_METRIC, "gpus", 1, OCCURRED_AT, OCCURRED_AT),
    ]


def test_only_what_waits_is_counted(session: Session) -> None:
    kept(session)
    kept(session, status=DeadStatus.REPLAYED)

    assert dead_events.count_waiting(session) == 1


def test_a_list_shows_one_cause_the_last_first(session: Session) -> None:
    first, second = kept(session), kept(session)
    kept(session, customer_external_id="user_78")

    found = dead_events.list_dead(session, DeadFilter(name="user_77"))

    assert [row.id for row in found.rows] == [second.id, first.id]


def test_pages_show_each_event_once(session: Session) -> None:
    ids = {kept(session).id for _ in range(5)}

    first = dead_events.list_dead(session, DeadFilter(), limit=3)
    second = dead_events.list_dead(session, DeadFilter(), cursor=first.next_cursor, limit=3)

    assert {row.id for row in [*first.rows, *second.rows]} == ids
    assert second.next_cursor is None


def test_discarding_says_who_did_it(session: Session) -> None:
    row = kept(session)

    dead_events.discard_one(session, row.id, actor=WEI, now=NOON)

    assert row.status is DeadStatus.DISCARDED
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor_name) == ("dead_event.discarded", "wei@lumen.example")


def test_discarding_twice_is_written_down_once(session: Session) -> None:
    row = kept(session)

    for _ in range(2):
        dead_events.discard_one(session, row.id, actor=WEI, now=NOON)

    assert len(session.scalars(select(AuditEntry)).all()) == 1


def test_what_is_counted_can_not_be_discarded(session: Session) -> None:
    row = kept(session, status=DeadStatus.REPLAYED)

    with pytest.raises(IllegalMove):
        dead_events.discard_one(session, row.id, actor=WEI, now=NOON)


def test_a_cause_is_discarded_whole_and_no_other(session: Session) -> None:
    kept(session)
    kept(session)
    other = kept(session, customer_external_id="user_78")

    count = dead_events.discard_waiting(
        session, DeadFilter(DeadReason.UNKNOWN_CUSTOMER, "user_77"), actor=WEI, now=NOON
    )

    assert count == 2
    assert [row.id for row in dead_events.list_dead(session, DeadFilter()).rows] == [other.id]
    assert session.scalars(select(AuditEntry.after)).one()["events"] == 2


def test_discarding_nothing_leaves_no_trace(session: Session) -> None:
    assert dead_events.discard_waiting(session, DeadFilter(), actor=WEI, now=NOON) == 0
    assert session.scalars(select(AuditEntry)).all() == []


def test_another_merchants_event_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        dead_events.get_dead_event(session, 1 << 40)
