"""A status changes only along its table; a copy is told from a fault."""

from enum import StrEnum

import pytest

from app.core.states import IllegalMove, Machine


class Lamp(StrEnum):
    OFF = "off"
    ON = "on"


class Press(StrEnum):
    SWITCH_ON = "switch on"
    SWITCH_OFF = "switch off"


LAMP = Machine(
    "lamp",
    moves={
        (Lamp.OFF, Press.SWITCH_ON): Lamp.ON,
        (Lamp.ON, Press.SWITCH_OFF): Lamp.OFF,
    },
    repeats=frozenset({(Lamp.ON, Press.SWITCH_ON)}),
)


def test_a_move_leads_on() -> None:
    assert LAMP.allows(Lamp.OFF, Press.SWITCH_ON)
    assert LAMP.after(Lamp.OFF, Press.SWITCH_ON) is Lamp.ON


def test_a_repeat_is_no_move() -> None:
    assert LAMP.is_repeat(Lamp.ON, Press.SWITCH_ON)
    assert not LAMP.allows(Lamp.ON, Press.SWITCH_ON)
    with pytest.raises(IllegalMove):
        LAMP.after(Lamp.ON, Press.SWITCH_ON)


def test_what_is_not_in_the_table_is_refused_by_name() -> None:
    with pytest.raises(IllegalMove, match="a lamp that is off can not switch off"):
        LAMP.after(Lamp.OFF, Press.SWITCH_OFF)


def test_a_table_that_both_moves_and_repeats_can_not_be_made() -> None:
    with pytest.raises(ValueError, match="both"):
        Machine("lamp", moves=LAMP.moves, repeats=frozenset({(Lamp.OFF, Press.SWITCH_ON)}))
