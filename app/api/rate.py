"""How many calls a key may make in a second, over all processes and operations of a dialect.

Redis counts, in a moving window. While it is away each process counts for itself: a limit that
fails open would be none, and one that fails closed would take the API down with a cache.
"""

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from redis import RedisError
from werkzeug.exceptions import TooManyRequests

from app.core import clock
from app.extensions import limiter

_ASK_AGAIN_SECONDS = 5.0


class CallLimit:
    """The limit of one dialect. `who` is whatever tells callers apart."""

    def __init__(self, limit: RateLimitItem, *, scope: str) -> None:
        self._limit = limit
        self._scope = scope
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0

    def count(self, who: str) -> None:
        """Count a call. Raises TooManyRequests when there were too many in the last second."""
        if not self._hit(who):
            raise TooManyRequests(str(self._limit))

    def _hit(self, who: str) -> bool:
        if clock.monotonic() >= self._away_until:
            try:
                return limiter.limiter.hit(self._limit, who, self._scope)
            except RedisError:
                self._away_until = clock.monotonic() + _ASK_AGAIN_SECONDS
        return self._own.hit(self._limit, who, self._scope)
