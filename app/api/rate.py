"""How many calls a key may make in a second, over all processes and operations of a dialect.

Redis counts, in a moving window. While it is away each process counts for itself: a limit that
fails open would be none, and one that fails closed would take the API down with a cache.

To ask Redis costs as much as a tenth of a small call. So a process asks for a handful of calls at
once, and those of the handful that come within a second are free: a limit may be passed by as
many as a handful holds, less one, a process.
"""

from collections.abc import Iterator

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from redis import RedisError
from werkzeug.exceptions import TooManyRequests

from app.core import clock
from app.extensions import limiter

HANDFUL = 5
_ASK_AGAIN_SECONDS = 5.0
_LASTS_SECONDS = 1.0
_REMEMBERED = 10_000

_NOTHING: tuple[float, Iterator[int]] = (0.0, iter(()))


class CallLimit:
    """The limit of one dialect. `who` is whatever tells callers apart."""

    def __init__(self, limit: RateLimitItem, *, scope: str) -> None:
        self._limit = limit
        self._scope = scope
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0
        self._held: dict[str, tuple[float, Iterator[int]]] = {}

    def count(self, who: str) -> None:
        """Count a call. Raises TooManyRequests when there were too many in the last second."""
        if not self._hit(who):
            raise TooManyRequests(str(self._limit))

    def _hit(self, who: str) -> bool:
        until, held = self._held.get(who, _NOTHING)
        if clock.monotonic() < until and next(held, None) is not None:
            return True
        if clock.monotonic() >= self._away_until:
            try:
                return self._ask(who)
            except RedisError:
                self._away_until = clock.monotonic() + _ASK_AGAIN_SECONDS
        return self._own.hit(self._limit, who, self._scope)

    def _ask(self, who: str) -> bool:
        """Ask Redis for a handful of calls, and for a single one when so many are not left."""
        if not limiter.limiter.hit(self._limit, who, self._scope, cost=HANDFUL):
            return limiter.limiter.hit(self._limit, who, self._scope)
        if len(self._held) >= _REMEMBERED:
            self._held.clear()
        self._held[who] = clock.monotonic() + _LASTS_SECONDS, iter(range(HANDFUL - 1))
        return True
