"""Uses of limits, counted on rows that stay locked until the caller's transaction ends."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.core.db import merchant_of, run_sql
from app.risk.models import RiskCounter
from app.risk.rules import Rule

_LOCK = """
INSERT INTO risk_counters AS c (merchant_id, rule, subject, window_at, used)
SELECT %(merchant)s, k.rule, k.subject, k.window_at, 0
FROM unnest(%(rules)s::text[], %(subjects)s::text[], %(windows)s::timestamptz[])
     AS k (rule, subject, window_at)
ON CONFLICT (merchant_id, rule, subject, window_at) DO UPDATE SET used = c.used
RETURNING rule, subject, window_at, used
"""

_ADD = """
UPDATE risk_counters c SET used = greatest(0, c.used + k.number)
FROM unnest(%(rules)s::text[], %(subjects)s::text[], %(windows)s::timestamptz[],
            %(numbers)s::bigint[]) AS k (rule, subject, window_at, number)
WHERE c.merchant_id = %(merchant)s
  AND (c.rule, c.subject, c.window_at) = (k.rule, k.subject, k.window_at)
"""

_READ = """
SELECT c.rule, c.subject, c.window_at, c.used
FROM risk_counters c
JOIN unnest(%(rules)s::text[], %(subjects)s::text[], %(windows)s::timestamptz[])
     AS k (rule, subject, window_at) USING (rule, subject, window_at)
WHERE c.merchant_id = %(merchant)s
"""


KEPT = timedelta(days=3)
"""How long counters are kept after their window began: longer than any order stays open."""


class Key(NamedTuple):
    """One counter: a rule, whom it counts ("" is the merchant), and when its window began."""

    rule: Rule
    subject: str
    window_at: datetime


def lock(session: Session, keys: Iterable[Key]) -> dict[Key, int]:
    """Lock these counters, which makes them where they are missing; return what each holds now.

    They are taken in one order by whoever takes them, so nobody waits for somebody who waits.
    """
    return _counts(run_sql(session, _LOCK, _columns(session, sorted(keys))))


def add(session: Session, numbers: Mapping[Key, int]) -> None:
    """Add to counters that the caller has locked; what is taken back never leaves less than 0."""
    keys = list(numbers)
    run_sql(session, _ADD, _columns(session, keys) | {"numbers": list(numbers.values())})


def read(session: Session, keys: Iterable[Key]) -> dict[Key, int]:
    """Return what these counters hold, without a lock: good for showing, not for deciding."""
    ordered = list(keys)
    found = _counts(run_sql(session, _READ, _columns(session, ordered)))
    return dict.fromkeys(ordered, 0) | found


def purge(session: Session, *, now: datetime) -> None:
    """Delete counters whose windows are long over; `now` is the merchant's time."""
    session.execute(delete(RiskCounter).where(RiskCounter.window_at < now - KEPT))


def _columns(session: Session, keys: list[Key]) -> dict[str, object]:
    return {
        "merchant": merchant_of(session),
        "rules": [key.rule.value for key in keys],
        "subjects": [key.subject for key in keys],
        "windows": [key.window_at for key in keys],
    }


def _counts(rows: Iterable[tuple[str, str, datetime, int]]) -> dict[Key, int]:
    return {Key(Rule(rule), subject, at): used for rule, subject, at, used in rows}
