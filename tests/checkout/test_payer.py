"""What comes back from WeChat's sign-in is believed for one browser, one link, ten minutes."""

from datetime import timedelta

import pytest

from app.checkout.payer import LIFETIME, is_state, new_state
from tests.make import NOON

KEY = b"k" * 32
LINK = "000xezr5z5u01ga22f0h8i9z8EnzLG5rzJFKZoRJsgp8Wf"


def test_our_own_state_is_known_while_it_lives() -> None:
    state, nonce = new_state(KEY, LINK, now=NOON)

    assert is_state(KEY, LINK, state, nonce=nonce, now=NOON + LIFETIME)
    assert not is_state(KEY, LINK, state, nonce=nonce, now=NOON + LIFETIME + timedelta(seconds=1))
    assert not is_state(KEY, LINK, state, nonce=nonce, now=NOON - timedelta(seconds=2))


def test_a_state_fits_what_wechat_takes() -> None:
    state, _ = new_state(KEY, LINK, now=NOON)

    assert state.isalnum()
    assert len(state) <= 128


@pytest.mark.parametrize("place", range(0, 104, 8))
def test_no_character_of_it_can_be_changed(place: int) -> None:
    state, nonce = new_state(KEY, LINK, now=NOON)
    other = "0" if state[place] != "0" else "1"
    changed = state[:place] + other + state[place + 1 :]

    assert not is_state(KEY, LINK, changed, nonce=nonce, now=NOON)


def test_it_is_of_one_link_one_browser_and_one_key() -> None:
    state, nonce = new_state(KEY, LINK, now=NOON)
    _, another = new_state(KEY, LINK, now=NOON)

    assert not is_state(KEY, f"{LINK[:-1]}0", state, nonce=nonce, now=NOON)
    assert not is_state(KEY, LINK, state, nonce=another, now=NOON)
    assert not is_state(KEY, LINK, state, nonce="", now=NOON)
    assert not is_state(b"x" * 32, LINK, state, nonce=nonce, now=NOON)
    assert not is_state(KEY, LINK, "", nonce="", now=NOON)
