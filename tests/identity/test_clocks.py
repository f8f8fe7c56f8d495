"""A sandbox merchant may move its clock; after its first invoice only forward."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.core.errors import Invalid
from app.identity import clocks
from app.identity.models import Mode
from tests.make import NOON


def test_the_clock_runs_on_from_where_it_was_moved(session: Session) -> None:
    merchant = clocks.move(session, NOON + timedelta(days=30), real_now=NOON)

    assert merchant.clock_offset == timedelta(days=30)


def test_before_the_first_invoice_the_clock_moves_freely(session: Session) -> None:
    clocks.move(session, NOON + timedelta(days=30), real_now=NOON)

    assert clocks.move(session, NOON, real_now=NOON).clock_offset == timedelta(0)


def test_after_the_first_invoice_the_clock_only_moves_forward(session: Session) -> None:
    merchant = clocks.move(session, NOON + timedelta(days=30), real_now=NOON)
    merchant.first_invoice_at = NOON

    with pytest.raises(clocks.ClockOnlyForward):
        clocks.move(session, NOON + timedelta(days=29), real_now=NOON)

    assert clocks.move(session, NOON + timedelta(days=31), real_now=NOON).clock_offset.days == 31


def test_a_live_merchant_has_the_real_time(session: Session) -> None:
    clocks.get_merchant(session).mode = Mode.LIVE

    with pytest.raises(clocks.ClockIsReal):
        clocks.move(session, NOON + timedelta(days=1), real_now=NOON)


def test_nobody_moves_a_clock_out_of_reach(session: Session) -> None:
    with pytest.raises(Invalid):
        clocks.move(session, NOON + timedelta(days=4000), real_now=NOON)
