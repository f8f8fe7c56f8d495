"""Chart geometry: numbers in, SVG path data out. The same macro draws web, print and mail.

Pure, and floats on purpose: these are pixels, never money. Labels are the caller's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, hypot, log10

from markupsafe import Markup

Point = tuple[float, float]

WIDTH, HEIGHT = 1000, 260
SPARK_WIDTH, SPARK_HEIGHT, SPARK_MARGIN = 100, 28, 3
NICE_STEPS = (1, 2, 2.5, 5, 10)
STEEPEST = 3  # Fritsch-Carlson: a longer tangent may overshoot the data


@dataclass(frozen=True, slots=True)
class LineChart:
    """`lines[0]` is the main series; `tops` are its points as percent from the top."""

    width: int
    height: int
    ticks: tuple[float, ...]
    grid: tuple[float, ...]
    lines: tuple[str, ...]
    area: str
    tops: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle; `series` counts from 1, in the order the values were given."""

    series: int
    x: float
    y: float
    width: float
    height: float

    @property
    def rectangle(self) -> str:
        return (
            f'<rect class="bar s{self.series}" x="{self.x}" y="{self.y}" '
            f'width="{self.width}" height="{self.height}" />'
        )


@dataclass(frozen=True, slots=True)
class BarChart:
    """`columns[i]` are the stacked bars of the i-th value, lowest first; `step` their distance."""

    width: int
    height: int
    ticks: tuple[float, ...]
    grid: tuple[float, ...]
    columns: tuple[tuple[Bar, ...], ...]
    step: float

    @property
    def rectangles(self) -> Markup:
        """Every column's band and its bars, as SVG.

        Not a template: a chart of 90 days has 600, of numbers alone that need no escaping.
        """
        drawn = []
        for at, bars in enumerate(self.columns):
            drawn.append(
                f'<rect class="band" x="{at * self.step}" width="{self.step}" y="0" '
                f'height="{self.height}" />'
            )
            drawn += [bar.rectangle for bar in bars]
        return Markup("".join(drawn))  # noqa: S704  # numbers of our own


@dataclass(frozen=True, slots=True)
class Sparkline:
    width: int
    height: int
    line: str
    area: str


def line_chart(series: Sequence[Sequence[float]], *, width: int = WIDTH) -> LineChart:
    """Draw series of equal length, none below zero, over one axis that starts at zero.

    Raises ValueError when there is no series, or the series differ in length.
    """
    _check_equal_length(series)
    ticks = nice_ticks(max((value for values in series for value in values), default=0))
    scale = HEIGHT / ticks[-1]
    paths = [
        [(x, HEIGHT - value * scale) for x, value in zip(_spread(len(v), width), v, strict=True)]
        for v in series
    ]
    lines = tuple(monotone_path(points) for points in paths)
    return LineChart(
        width=width,
        height=HEIGHT,
        ticks=ticks,
        grid=_grid(ticks),
        lines=lines,
        area=_area(lines[0], paths[0], HEIGHT),
        tops=tuple(round(y / HEIGHT * 100, 2) for _, y in paths[0]),
    )


def bar_chart(series: Sequence[Sequence[float]], *, width: int = WIDTH) -> BarChart:
    """Stack series of equal length, none below zero, one column for each position.

    Raises ValueError when there is no series, or the series differ in length.
    """
    _check_equal_length(series)
    stacks = list(zip(*series, strict=True))
    ticks = nice_ticks(max((sum(stack) for stack in stacks), default=0))
    step = width / max(len(stacks), 1)
    return BarChart(
        width=width,
        height=HEIGHT,
        ticks=ticks,
        grid=_grid(ticks),
        columns=tuple(
            _column(stack, x=index * step, step=step, scale=HEIGHT / ticks[-1])
            for index, stack in enumerate(stacks)
        ),
        step=round(step, 2),
    )


def sparkline(values: Sequence[float]) -> Sparkline:
    """Draw the shape of `values` between their own least and greatest, without an axis."""
    low, span = min(values, default=0), (max(values, default=0) - min(values, default=0)) or 1
    usable = SPARK_HEIGHT - 2 * SPARK_MARGIN
    points = [
        (x, SPARK_HEIGHT - SPARK_MARGIN - (value - low) / span * usable)
        for x, value in zip(_spread(len(values), SPARK_WIDTH), values, strict=True)
    ]
    line = monotone_path(points)
    return Sparkline(SPARK_WIDTH, SPARK_HEIGHT, line, _area(line, points, SPARK_HEIGHT))


def nice_ticks(top: float, *, intervals: int = 4) -> tuple[float, ...]:
    """Return round numbers from zero to `top` or just above, about `intervals` apart.

    Never empty and never only zero: a chart without values still has an axis.
    """
    if top <= 0:
        return (0, 1)
    rough = top / intervals
    magnitude = 10.0 ** floor(log10(rough))
    step = next(nice * magnitude for nice in NICE_STEPS if nice * magnitude >= rough * (1 - 1e-9))
    count = ceil(top / step * (1 - 1e-9))
    return tuple(_whole(step * index) for index in range(count + 1))


def monotone_path(points: Sequence[Point]) -> str:
    """Return a smooth path that never overshoots: revenue never dips below its own data.

    Monotone cubic interpolation after Fritsch and Carlson.
    """
    if not points:
        return ""
    start = f"M{_number(points[0][0])},{_number(points[0][1])}"
    tangents = _tangents(points)
    curves = []
    for ((x0, y0), (x1, y1)), (m0, m1) in zip(pairwise(points), pairwise(tangents), strict=True):
        third = (x1 - x0) / 3
        handles = (x0 + third, y0 + m0 * third, x1 - third, y1 - m1 * third, x1, y1)
        curves.append("C" + " ".join(_number(value) for value in handles))
    return start + "".join(curves)


def _tangents(points: Sequence[Point]) -> list[float]:
    slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(points)]
    if not slopes:
        return [0.0]
    inner = [0.0 if a * b <= 0 else (a + b) / 2 for a, b in pairwise(slopes)]
    tangents = [slopes[0], *inner, slopes[-1]]
    for index, slope in enumerate(slopes):
        if slope == 0:
            tangents[index] = tangents[index + 1] = 0.0
            continue
        before, after = tangents[index] / slope, tangents[index + 1] / slope
        length = hypot(before, after)
        if length > STEEPEST:
            tangents[index] = STEEPEST / length * before * slope
            tangents[index + 1] = STEEPEST / length * after * slope
    return tangents


def _column(stack: Sequence[float], *, x: float, step: float, scale: float) -> tuple[Bar, ...]:
    bars, top = [], float(HEIGHT)
    left, width = round(x + step * 0.15, 2), round(step * 0.7, 2)
    for series, value in enumerate(stack, start=1):
        height = value * scale
        top -= height
        if value:
            bars.append(Bar(series, left, round(top, 2), width, round(height, 2)))
    return tuple(bars)


def _area(line: str, points: Sequence[Point], bottom: int) -> str:
    if not points:
        return ""
    return f"{line}L{_number(points[-1][0])},{bottom}L{_number(points[0][0])},{bottom}Z"


def _grid(ticks: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(HEIGHT - tick / ticks[-1] * HEIGHT, 2) for tick in ticks)


def _spread(count: int, width: int) -> list[float]:
    if count == 1:
        return [width / 2]
    return [index * width / (count - 1) for index in range(count)]


def _check_equal_length(series: Sequence[Sequence[float]]) -> None:
    if len({len(values) for values in series}) != 1:
        raise ValueError("a chart needs at least one series, all of one length")


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _whole(value: float) -> float:
    rounded = round(value, 10)
    return int(rounded) if rounded == int(rounded) else rounded
