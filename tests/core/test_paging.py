"""Paging by key visits every row once, whatever is added meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import paging
from app.core.errors import Invalid
from app.core.paging import BadCursor
from app.pricing.models import Product
from tests.make import Make


def visit(session: Session, limit: int) -> list[str]:
    """Read all pages and return the codes in the order they came."""
    codes, cursor = [], None
    while True:
        page = paging.newest_first(session, select(Product), Product.id, cursor=cursor, limit=limit)
        codes += [product.code for product in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            return codes


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 100])
def test_every_row_is_visited_once_the_newest_first(
    session: Session, make: Make, limit: int
) -> None:
    made = [make.product().code for _ in range(7)]

    assert visit(session, limit) == made[::-1]


def test_a_row_that_is_added_meanwhile_moves_nothing(session: Session, make: Make) -> None:
    made = [make.product().code for _ in range(4)]
    first = paging.newest_first(session, select(Product), Product.id, limit=2)
    make.product()

    second = paging.newest_first(
        session, select(Product), Product.id, cursor=first.next_cursor, limit=2
    )

    assert [product.code for product in second.rows] == [made[1], made[0]]


def test_an_empty_list_has_no_next_page(session: Session) -> None:
    page = paging.newest_first(session, select(Product), Product.id)

    assert (page.rows, page.next_cursor) == ([], None)


@pytest.mark.parametrize("limit", [0, -1, 101, 10**9])
def test_a_page_has_one_to_a_hundred_rows(session: Session, limit: int) -> None:
    with pytest.raises(Invalid):
        paging.newest_first(session, select(Product), Product.id, limit=limit)


@given(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.text()), min_size=1, max_size=3))
def test_a_cursor_is_read_back(keys: list[int | str]) -> None:
    assert paging.decode_cursor(paging.encode_cursor(*keys), size=len(keys)) == keys


@pytest.mark.parametrize(
    "cursor", ["x", "é", "AAAA", "W10", "WzEsMl0", "WzEuNV0", "W251bGxd", "[1]"]
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        paging.decode_cursor(cursor, size=1)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader_of_cursors(cursor: str) -> None:
    try:
        keys = paging.decode_cursor(cursor, size=1)
    except BadCursor:
        return
    assert len(keys) == 1
