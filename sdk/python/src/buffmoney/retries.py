"""How long to wait before a request is sent again."""

from __future__ import annotations

import secrets

LONGEST_PAUSE = 30.0
"""Seconds between two tries, unless the server asks for more."""

_FIRST_PAUSE = 0.5
_MOST_DOUBLINGS = 10
_dice = secrets.SystemRandom()


def pause(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row: exponential, with full jitter.

    So that clients which failed together do not come back together.
    """
    ceiling = _FIRST_PAUSE * 2 ** min(failures - 1, _MOST_DOUBLINGS)
    return _dice.uniform(0, min(ceiling, LONGEST_PAUSE))
