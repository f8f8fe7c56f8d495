"""What is under way at a moment, told by whoever is at it: so that a kill can be aimed."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from threading import Condition


class Step(StrEnum):
    """One step of the chain from an invoice to money that went back."""

    INVOICING = "invoicing"  # drafted and finalised
    OPENING = "opening"  # a payment order, here and at its channel
    CREDITING = "crediting"  # paid at the channel, and not in our books yet
    REFUNDING = "refunding"  # a refund is asked for
    RETURNING = "returning"  # the channel is told of it, and asked
    TELLING = "telling"  # a webhook is at its receiver, who has not answered yet
    PRINTING = "printing"  # a receipt is owed


class UnderWay:
    """Counts who is at which step. Safe to use from any thread."""

    def __init__(self) -> None:
        self._steps: Counter[Step] = Counter()
        self._changed = Condition()

    @contextmanager
    def at(self, step: Step) -> Iterator[None]:
        """Be at a step for as long as the block runs."""
        self._add(step, 1)
        try:
            yield
        finally:
            self._add(step, -1)

    def now(self) -> list[Step]:
        """Return the steps that somebody is at, in the order of the chain."""
        with self._changed:
            return [step for step in Step if self._steps[step]]

    def wait_for(self, step: Step, seconds: float) -> bool:
        """Wait until somebody is at `step`; say whether that came within `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._steps[step] > 0, seconds)

    def _add(self, step: Step, count: int) -> None:
        with self._changed:
            self._steps[step] += count
            self._changed.notify_all()
