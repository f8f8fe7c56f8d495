"""What an event is answered depends on itself, not on its company: a look at all is as strict."""

from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.core.errors import Invalid
from app.metering.events import KEY_LENGTH, NAME_LENGTH, are_plain, check_form
from tests.make import NOON
from tests.metering.conftest import Event, answers, send

ANY_TEXT = st.text(st.characters(codec=None), max_size=3)  # NUL and half a character among them

events = st.builds(
    Event,
    idempotency_key=st.one_of(ANY_TEXT, st.sampled_from(["evt", "k" * KEY_LENGTH, "k" * 201])),
    quantity=st.one_of(
        st.integers(-(10**19), 10**19),
        st.decimals(-5, 10**18, places=3).map(str),
        st.sampled_from(
            ["0", "-0", "00", "1e3", "", "1.", ".5", "9" * 18, "9" * 19, "1" + "." * 2]
        ),
    ),
    customer_external_id=st.sampled_from(["user_42", "user_43", "nobody", "n" * NAME_LENGTH, "\0"]),
    metric=st.sampled_from(["tokens", "storage", "unheard_of", "m" * 201]),
    occurred_at=st.sampled_from(
        [
            NOON,
            NOON - timedelta(days=35),
            NOON - timedelta(days=35, microseconds=1),
            NOON + timedelta(minutes=5),
            NOON + timedelta(minutes=5, microseconds=1),
            datetime.fromisoformat("0001-01-01T00:00:00+14:00"),
        ]
    ),
    dimensions=st.one_of(
        st.none(),
        st.dictionaries(ANY_TEXT, st.one_of(ANY_TEXT, st.integers(), st.booleans()), max_size=2),
    ),
    corrects=st.sampled_from([None, None, None, "evt_0", "", "\0"]),
)


def is_right(event: Event) -> bool:
    try:
        check_form(event)
    except Invalid:
        return False
    return True


@given(st.lists(events, min_size=1, max_size=4))
def test_what_is_plain_at_first_sight_is_right(batch: list[Event]) -> None:
    if are_plain(batch, batch):
        assert all(is_right(event) and event.corrects is None for event in batch)


@given(events)
def test_what_is_right_and_no_correction_is_plain_at_first_sight(event: Event) -> None:
    is_plain = are_plain([event], [event])

    assert is_plain == (is_right(event) and event.corrects is None)


@given(st.lists(events, min_size=2, max_size=5, unique_by=lambda event: event.idempotency_key))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_event_is_answered_alone_as_in_company(shop: Session, batch: list[Event]) -> None:
    alone = []
    for event in batch:
        with shop.begin_nested() as apart:
            alone += answers(send(shop, event))
            apart.rollback()
    with shop.begin_nested() as together:
        in_company = answers(send(shop, *batch))
        together.rollback()

    assert in_company == alone
