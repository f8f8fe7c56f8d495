"""What was done stays written down: by whom, to what, and what it changed."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from app.audit import queries, recording
from app.audit.models import ActorKind
from app.audit.recording import SYSTEM, Actor, Change
from app.core.db import Transaction
from tests.make import ADA, NOON

RENAMED = Change(before={"name": "Old"}, after={"name": "New"})


def record(
    session: Session, subject: str, actor: Actor = ADA, action: str = "thing.renamed"
) -> None:
    recording.record(session, actor, action, subject=subject, change=RENAMED, now=NOON)
    session.flush()


def test_a_deed_is_written_down_with_what_it_changed(session: Session) -> None:
    record(session, "rc_1")

    (entry,) = queries.list_entries(session).rows
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == (
        ActorKind.USER,
        7,
        "ada@lumen.example",
    )
    assert (entry.action, entry.subject, entry.at) == ("thing.renamed", "rc_1", NOON)
    assert (entry.before, entry.after) == ({"name": "Old"}, {"name": "New"})


def test_deeds_are_listed_by_subject_newest_first(session: Session) -> None:
    for subject in ("rc_1", "rc_2", "rc_1"):
        record(session, subject)

    every = [entry.subject for entry in queries.list_entries(session).rows]
    assert every == ["rc_1", "rc_2", "rc_1"]
    first = queries.list_entries(session, subject="rc_1", limit=1)
    (last,) = queries.list_entries(session, subject="rc_1", cursor=first.next_cursor).rows
    assert first.rows[0].id > last.id


def test_deeds_are_listed_by_kind(session: Session) -> None:
    for subject, action in [
        ("rc_1", "thing.renamed"),
        ("rc_1", "thing.sold"),
        ("rc_2", "thing.sold"),
    ]:
        record(session, subject, action=action)

    (sold,) = queries.list_entries(session, subject="rc_1", action="thing.sold").rows
    assert (sold.subject, sold.action) == ("rc_1", "thing.sold")


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries"]
)
def test_what_is_written_stays(session: Session, statement: str) -> None:
    record(session, "rc_1")

    with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
        session.execute(text(statement))


def test_entries_of_another_merchant_are_not_listed(
    session: Session, transaction: Transaction
) -> None:
    with transaction() as theirs:
        record(theirs, "rc_1")

    assert queries.list_entries(session, subject="rc_1").rows == []


@pytest.mark.parametrize("actor", [ADA, SYSTEM, Actor(ActorKind.API_KEY, 9, "Server")])
def test_an_actor_goes_through_the_outbox_as_texts(actor: Actor) -> None:
    assert Actor.load(**actor.dump()) == actor
