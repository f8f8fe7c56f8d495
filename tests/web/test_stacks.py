"""A chart names its eight largest parts; what is left is one, and nothing is lost."""

from decimal import Decimal

from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.web import stacks
from app.web.stacks import Along, Part

DAYS = Along("Day", ["Mon", "Tue"], ["Mon", "Tue"])


def part(key: str, *values: int) -> Part:
    return Part(key, key, [Decimal(value) for value in values], Decimal(sum(values)))


def test_the_largest_part_comes_first(web_app: Flask) -> None:
    with web_app.test_request_context():
        found = stacks.largest([part("a", 1, 1), part("b", 5, 0), part("c", 0, 3)], most=2)

    assert [(each.key, int(each.total)) for each in found] == [("b", 5), ("c", 3), ("", 2)]


def test_parts_that_were_folded_before_stay_with_the_others(web_app: Flask) -> None:
    with web_app.test_request_context():
        found = stacks.largest([part("", 90, 0), part("a", 1, 1)])

    assert [each.key for each in found] == ["a", ""]


@given(values=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1))
def test_a_day_adds_up_whatever_is_folded(web_app: Flask, values: list[tuple[int, int]]) -> None:
    parts = [part(f"p{at}", *pair) for at, pair in enumerate(values)]

    with web_app.test_request_context():
        found = stacks.largest(parts)

    assert len(found) <= stacks.MOST + 1
    assert sum(each.values[0] for each in found) == sum(first for first, _ in values)
    assert sum(each.total for each in found) == sum(map(sum, values))


def test_the_table_says_every_value_in_full() -> None:
    drawn = stacks.stack("x", "Usage", [part("a", 1, 20)], along=DAYS, write=str)

    assert drawn.columns == ["Day", "a"]
    assert drawn.table == [("Mon", "1"), ("Tue", "20")]


def test_a_credit_is_drawn_as_nothing_and_said_in_full() -> None:
    drawn = stacks.stack("x", "Usage", [part("a", -3, 2)], along=DAYS, write=str)

    assert drawn.drawing.columns[0] == ()
    assert drawn.table[0] == ("Mon", "-3")


def test_a_chart_of_nothing_still_has_its_days() -> None:
    assert len(stacks.stack("x", "Usage", [], along=DAYS, write=str).table) == 2
