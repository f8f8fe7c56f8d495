"""An id is a bigint inside, a prefix and base36 outside, and nothing else is ever found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import ids
from app.core.errors import NotFound
from app.core.ids import Prefix


@given(st.integers(0, 2**63 - 1), st.sampled_from(Prefix))
def test_what_is_shown_is_read_back(number: int, prefix: Prefix) -> None:
    assert ids.read(prefix, ids.show(prefix, number)) == number


def test_an_id_has_thirteen_digits_behind_its_prefix() -> None:
    assert ids.show(Prefix.INVOICE, 0) == "inv_0000000000000"
    assert ids.show(Prefix.INVOICE, 2**63 - 1) == "inv_1y2p0ij32e8e7"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inv_",
        "inv_000000000000",
        "inv_00000000000000",
        "inv_000000000000A",
        "inv_000000000000\uff10",
        "inv_ 000000000001",
        "cus_0000000000001",
        "inv0000000000001",
        "inv_1y2p0ij32e8e8",
        "inv_zzzzzzzzzzzzz",
        "0000000000001",
    ],
)
def test_any_other_text_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        ids.read(Prefix.INVOICE, text)


def test_new_ids_grow_and_never_repeat() -> None:
    made = [ids.new_id() for _ in range(10_000)]

    assert made == sorted(set(made))
    assert made[-1] < 2**63


def test_a_merchants_id_is_below_two_to_the_53_and_keeps_its_cell() -> None:
    for cell in (0, 1, 1023):
        made = ids.new_merchant_id(cell)

        assert 0 < made < 2**53
        assert made >> 43 == cell
        assert ids.find_merchant(ids.show_merchant(made)) == made


@pytest.mark.parametrize("text", ["", "0", "zzzzzzzzzzz", "0000000000A", "000000000000"])
def test_what_is_no_merchant_is_none(text: str) -> None:
    assert ids.find_merchant(text) is None


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ids.base36(36, 1)
