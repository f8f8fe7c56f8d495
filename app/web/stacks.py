"""Charts of parts on top of each other: the eight largest by name, all others as one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flask_babel import gettext as _

from app.web import axes, charts
from app.web.charts import BarChart

MOST = 8
"""How many parts have a colour of their own."""


@dataclass(frozen=True)
class Part:
    """One part: what it came to at each position, and over all of them.

    The total is its own: the highest of a month is not the sum of its days. `key` says what it
    is, and is empty for the others.
    """

    key: str
    label: str
    values: Sequence[Decimal]
    total: Decimal


@dataclass(frozen=True)
class Stack:
    """A drawing with its legend and its table, as `ui.chart` takes them."""

    id: str
    title: str
    parts: Sequence[Part]
    drawing: BarChart
    columns: Sequence[str]
    table: Sequence[Sequence[str]]
    y_labels: Sequence[str]
    x_labels: Sequence[str]

    @property
    def names(self) -> list[str]:
        return [part.label for part in self.parts]


@dataclass(frozen=True)
class Along:
    """The positions of a chart: each one's name, and the few that stand below it."""

    heading: str
    labels: Sequence[str]
    x_labels: Sequence[str]


def stack(
    name: str, title: str, parts: Sequence[Part], *, along: Along, write: Callable[[Decimal], str]
) -> Stack:
    """Draw the parts as stacked bars, in the order given; what is below zero is drawn as nothing.

    `write` writes a value in full, for the table.
    """
    heights = [[float(max(value, Decimal(0))) for value in part.values] for part in parts]
    drawing = charts.bar_chart(heights or [[0.0] * len(along.labels)])
    return Stack(
        id=name,
        title=title,
        parts=parts,
        drawing=drawing,
        columns=[along.heading, *(part.label for part in parts)],
        table=[
            (label, *(write(part.values[at]) for part in parts))
            for at, label in enumerate(along.labels)
        ],
        y_labels=[axes.short(tick) for tick in drawing.ticks],
        x_labels=along.x_labels,
    )


def largest(parts: Sequence[Part], *, most: int = MOST) -> list[Part]:
    """Return the largest parts by their total, the largest first, and all others as one part."""
    ordered = sorted(parts, key=lambda part: (not part.key, -part.total, part.label))
    named = [part for part in ordered if part.key][:most]
    others = [part for part in ordered if part not in named]
    return [*named, _together(others)] if others else named


def _together(parts: Sequence[Part]) -> Part:
    values = [sum(at, Decimal(0)) for at in zip(*(part.values for part in parts), strict=True)]
    return Part("", str(_("Others")), values, sum((part.total for part in parts), Decimal(0)))
