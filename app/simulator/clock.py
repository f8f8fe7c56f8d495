"""The simulator's own clock. Inside, time is a parameter; only its doors ask here."""

from datetime import UTC, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")


def now() -> datetime:
    """Return the moment, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 — a stranger may not borrow the clock of app.core
