"""When to try again, and when to stop: ten attempts over 75 hours, as Standard Webhooks advises."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from app.webhooks.sending import Attempt

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER_PERCENT = 10
LONGEST_PAUSE = timedelta(hours=24)  # of what an endpoint may ask for by Retry-After
WARN_AFTER = timedelta(days=1)  # of nothing but failures, then the owners get a mail
PATIENCE = timedelta(days=5)  # of nothing but failures, then the endpoint is disabled


def next_attempt_at(
    failures: int, attempt: Attempt, *, draw: float, now: datetime
) -> datetime | None:
    """Say when to try again after `failures` failed attempts, or None: it is out of attempts.

    `draw` is a random number from −1 to 1 and moves the delay by up to 10 %, so that what failed
    together does not come back together. An endpoint may ask for a longer pause, up to a day, by
    `Retry-After`, never for a shorter one.
    """
    if failures > len(DELAYS):
        return None
    delay = DELAYS[failures - 1]
    jittered = delay + delay * JITTER_PERCENT * draw / 100
    asked = read_retry_after(attempt.retry_after, now=now)
    return now + max(jittered, min(asked, LONGEST_PAUSE))


def read_retry_after(header: str | None, *, now: datetime) -> timedelta:
    """Read the pause a `Retry-After` asks for, in seconds or as an HTTP date; zero if unreadable.

    The header is a wish of a stranger: nonsense in it is no error, our own schedule holds then.
    """
    if header is None:
        return timedelta()
    wish = header.strip()
    if wish.isascii() and wish.isdecimal():
        return timedelta(seconds=min(int(wish[:10]), LONGEST_PAUSE // timedelta(seconds=1)))
    try:
        moment = parsedate_to_datetime(wish)
    except ValueError:
        return timedelta()
    if moment.tzinfo is None:  # "-0000": a time in UTC whose writer does not tell his own zone
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta())


def wants_no_more(attempt: Attempt) -> bool:
    """Tell whether the endpoint answered 410 Gone, the standard's way to say: disable me."""
    return attempt.status == HTTPStatus.GONE


def has_failed_too_long(failing_since: datetime, *, now: datetime) -> bool:
    """Tell whether everything has failed for five days."""
    return now - failing_since >= PATIENCE


def is_worth_a_mail(failing_since: datetime, *, now: datetime) -> bool:
    """Tell whether everything has failed for a day."""
    return now - failing_since >= WARN_AFTER
