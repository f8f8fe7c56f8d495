"""Charts say what the numbers say: nothing overshoots, nothing leaves the frame."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web import charts

AMOUNTS = st.lists(st.integers(0, 10**12), min_size=2, max_size=40)


def test_ticks_are_round_and_reach_the_top() -> None:
    assert charts.nice_ticks(92_000) == (0, 25_000, 50_000, 75_000, 100_000)


def test_a_top_that_is_round_already_gets_no_empty_interval() -> None:
    assert charts.nice_ticks(100) == (0, 25, 50, 75, 100)


def test_small_fractions_keep_exact_ticks() -> None:
    assert charts.nice_ticks(0.7) == (0, 0.2, 0.4, 0.6, 0.8)


def test_a_chart_of_zeros_still_has_an_axis() -> None:
    assert charts.line_chart([[0, 0, 0]]).ticks == (0, 1)


def test_the_greatest_value_stands_at_the_top_and_zero_at_the_bottom() -> None:
    chart = charts.line_chart([[0, 50, 100]])

    assert chart.tops == (100.0, 50.0, 0.0)
    assert chart.grid[0] == 260
    assert chart.grid[-1] == 0


def test_two_points_are_joined_by_a_straight_line() -> None:
    assert charts.monotone_path([(0, 0), (30, 60)]) == "M0,0C10 20 20 40 30 60"


def test_a_single_value_stands_in_the_middle() -> None:
    assert charts.line_chart([[100]]).lines == ("M500,0",)


def test_the_area_closes_along_the_bottom() -> None:
    assert charts.sparkline([1, 2]).area.endswith("L100,28L0,28Z")


def test_a_sparkline_of_nothing_is_empty() -> None:
    assert charts.sparkline([]).line == ""


def test_stacked_bars_stand_on_each_other() -> None:
    (low, high), *_ = charts.bar_chart([[60], [40]]).columns

    assert (low.series, low.y, low.height) == (1, 104, 156)
    assert (high.series, high.y, high.height) == (2, 0, 104)


def test_a_value_of_zero_draws_no_bar() -> None:
    assert charts.bar_chart([[0, 3], [0, 1]]).columns[0] == ()


@pytest.mark.parametrize("draw", [charts.line_chart, charts.bar_chart])
@pytest.mark.parametrize("series", [[], [[1, 2], [1]]])
def test_series_of_different_length_are_refused(draw: object, series: list[list[float]]) -> None:
    assert callable(draw)
    with pytest.raises(ValueError, match="one length"):
        draw(series)


@given(AMOUNTS)
def test_no_curve_leaves_the_range_of_its_neighbours(values: list[int]) -> None:
    chart = charts.line_chart([values])
    heights = [top * chart.height / 100 for top in chart.tops]
    curves = re.findall("C" + " ".join(["([^C ]+)"] * 6), chart.lines[0])

    for (start, end), curve in zip(pairwise(heights), curves, strict=True):
        for handle in (float(curve[1]), float(curve[3])):
            assert min(start, end) - 0.1 <= handle <= max(start, end) + 0.1


@given(st.integers(1, 10**15))
def test_ticks_grow_evenly_from_zero_past_the_top(top: int) -> None:
    ticks = charts.nice_ticks(top)

    assert ticks[0] == 0
    assert ticks[-1] >= top * (1 - 1e-9)
    assert len({round((b - a) / ticks[1], 6) for a, b in pairwise(ticks)}) == 1
