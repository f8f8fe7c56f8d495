"""A CSV file says what the list shows, and nothing in it runs in a spreadsheet."""

import pytest

from app.core.paging import Page
from app.web.csv import all_rows, guarded


@pytest.mark.parametrize(
    "text", ["=cmd()", "+cmd", "-cmd", "@SUM(A1)", "\tx", "\rx", "-1+1", "+1=2"]
)
def test_what_could_be_a_formula_gets_a_quote(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-12.50", "905.33", "0", "+8", "Lumen AI", "上海", ""])
def test_numbers_and_words_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text


def test_nothing_is_an_empty_cell() -> None:
    assert guarded(None) == ""


def test_the_rows_of_every_page_are_read_once() -> None:
    pages = {None: Page([1, 2], "b"), "b": Page([3], "c"), "c": Page([4], None)}

    assert list(all_rows(lambda cursor: pages[cursor])) == [1, 2, 3, 4]


def test_a_page_is_read_only_when_its_rows_are_wanted() -> None:
    asked = []

    def read(cursor: str | None) -> Page[int]:
        asked.append(cursor)
        return Page([1, 2], "b")

    rows = all_rows(read)
    assert [next(rows), next(rows)] == [1, 2]
    assert asked == [None]
