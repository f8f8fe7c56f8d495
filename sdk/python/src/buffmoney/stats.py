"""How many events there were, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stats:
    """Counts of events since the process started (a forked one starts at zero).

    Every event is in one place: `tracked` is the sum of `queued`, `accepted`, `duplicates`,
    `late`, `rejected` and `undelivered`. Duplicates are counted too: an event whose first answer
    was lost, for example.
    """

    tracked: int = 0
    queued: int = 0
    """Waiting, being sent, or waiting to be sent again."""
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    rejected: int = 0
    """Answered in any other way: not counted. `on_result` was told of each."""
    undelivered: int = 0
    """Given up: `on_error` was told."""
    retries: int = 0
    """Not events but batches: how often one had to be put off."""
