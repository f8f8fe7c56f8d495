"""What is sealed opens with its key, at its place, unchanged; and nowhere else (A12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.crypto import Keyring, Unsealable, digest, same

OLD, NEW = b"o" * 32, b"n" * 32
RING = Keyring({1: OLD})


@given(st.text(), st.text())
def test_what_is_sealed_opens_at_its_place(text: str, place: str) -> None:
    assert RING.unseal(RING.seal(text, place), place) == text


def test_the_same_text_is_never_sealed_the_same() -> None:
    assert RING.seal("whsec", "here") != RING.seal("whsec", "here")


def test_a_sealed_text_that_is_moved_does_not_open() -> None:
    with pytest.raises(Unsealable):
        RING.unseal(RING.seal("whsec", "merchant 1"), "merchant 2")


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    both = Keyring({1: OLD, 2: NEW})

    assert both.unseal(RING.seal("whsec", "here"), "here") == "whsec"
    assert both.seal("whsec", "here").startswith("v1.2.")
    with pytest.raises(Unsealable):
        RING.unseal(both.seal("whsec", "here"), "here")


@given(st.data())
def test_any_changed_character_is_noticed(data: st.DataObject) -> None:
    sealed = RING.seal("whsec", "here")
    at = data.draw(st.integers(0, len(sealed) - 2))  # the last holds bits that mean nothing
    other = "A" if sealed[at] != "A" else "B"

    with pytest.raises(Unsealable):
        RING.unseal(sealed[:at] + other + sealed[at + 1 :], "here")


@pytest.mark.parametrize("sealed", ["", "v1", "v1.1.", "v1.x.AAAA", "v2.1.AAAA", "v1.1.AAAA"])
def test_what_was_never_sealed_does_not_open(sealed: str) -> None:
    with pytest.raises(Unsealable):
        RING.unseal(sealed, "here")


def test_a_keyring_shows_no_key() -> None:
    assert "ooo" not in repr(RING)


def test_keys_of_the_wrong_size_are_refused() -> None:
    for keys in ({}, {1: b"short"}):
        with pytest.raises(ValueError, match="32 bytes"):
            Keyring(keys)


def test_a_digest_depends_on_the_pepper() -> None:
    assert same(digest(OLD, "key"), digest(OLD, "key"))
    assert not same(digest(OLD, "key"), digest(NEW, "key"))
