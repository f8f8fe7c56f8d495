"""Series: every event belongs to one combination of its metric's declared dimensions.

A series is made by the first event that has its combination, and stays for ever as it is, so a
process remembers those it has seen committed. A metric has about a thousand: beyond that, what is
new goes to the other series, which tells no dimensions apart (`docs/decisions/0013-ingest.md`).
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from app.core.db import Work, merchant_of, run_sql
from app.metering.literals import plain, texts
from app.metering.matching import Combination
from app.metering.models import OTHER_SERIES

LARGEST = 1_000
"""How many series the names of a metric get. Two writers at once may exceed it a little."""
_REMEMBERED = 20_000

_WANTED = """ROWS FROM (
      unnest(%(metrics)s::bigint[]), unnest(%(digests)s::text[]),
      jsonb_array_elements(%(names)s::jsonb), jsonb_array_elements(%(dimensions)s::jsonb)
    ) WITH ORDINALITY AS wanted (metric_id, digest, names, dimensions, position)"""

# Committed for all to see: no transaction that still runs can have made it, nor a savepoint.
_FIND = f"""
SELECT position - 1, id, age(series.xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid)
  FROM {_WANTED}
  JOIN usage_series AS series ON series.merchant_id = %(merchant)s
   AND series.metric_id = wanted.metric_id AND series.digest = decode(wanted.digest, 'hex')
"""  # noqa: S608  # a constant of this module

# Sorted, like every lock of ingestion: two batches that make the same series can not deadlock.
_CREATE = f"""
INSERT INTO usage_series (merchant_id, metric_id, names, dimensions, digest)
SELECT %(merchant)s, metric_id, ARRAY(SELECT jsonb_array_elements_text(names)), dimensions,
       decode(digest, 'hex')
  FROM (
    SELECT wanted.*, coalesce(known.series, 0)
         + row_number() OVER (PARTITION BY metric_id ORDER BY position) AS number
      FROM {_WANTED}
      LEFT JOIN (
        SELECT metric_id, to_jsonb(names) AS names, count(*) AS series
          FROM usage_series
         WHERE merchant_id = %(merchant)s AND metric_id = ANY(%(metrics)s::bigint[])
         GROUP BY 1, 2
      ) AS known USING (metric_id, names)
  ) AS wanted
 WHERE number <= %(largest)s
 ORDER BY metric_id, digest
ON CONFLICT DO NOTHING
"""  # noqa: S608  # a constant of this module


_remembered: dict[tuple[int, Combination], int] = {}


def find_series(
    session: Work, wanted: Iterable[Combination | None]
) -> Mapping[Combination | None, int]:
    """Return the series of each combination, made if need be.

    OTHER_SERIES is that of None, and of those that no room is left for. What is made is locked
    until the transaction ends, in the order of metric and digest.
    """
    merchant = merchant_of(session)
    found: dict[Combination | None, int] = {None: OTHER_SERIES}
    missing: list[Combination] = []
    for each in wanted:
        known = _remembered.get((merchant, each)) if each else OTHER_SERIES
        if known is not None:
            found[each] = known
        elif each is not None:
            missing.append(each)
    if missing:
        found.update(_read(session, missing))
        missing = [each for each in missing if each not in found]
    if missing:
        run_sql(session, _CREATE, _columns(session, missing))
        found.update(_read(session, missing))  # also those that somebody else has just made
    return dict.fromkeys(missing, OTHER_SERIES) | found


def _read(session: Work, wanted: Collection[Combination]) -> dict[Combination | None, int]:
    """Read the series there are, and remember those that no rollback can take away again."""
    ordered = list(wanted)
    found: dict[Combination | None, int] = {}
    for position, series_id, is_for_ever in run_sql(session, _FIND, _columns(session, ordered)):
        each = ordered[position]
        found[each] = series_id
        if is_for_ever:
            if len(_remembered) >= _REMEMBERED:
                _remembered.clear()
            _remembered[merchant_of(session), each] = series_id
    return found


def _columns(session: Work, wanted: Iterable[Combination]) -> dict[str, object]:
    metrics, names, values = zip(*wanted, strict=True)
    said = [_said(*pair) for pair in zip(names, values, strict=True)]
    return {
        "merchant": merchant_of(session),
        "metrics": plain(map(str, metrics)),
        "digests": texts(map(_digest, names, said)),
        "names": json.dumps(names, ensure_ascii=False),
        "dimensions": json.dumps(said, ensure_ascii=False),
        "largest": LARGEST,
    }


def _said(names: Iterable[str], values: Iterable[str | None]) -> dict[str, str]:
    pairs = zip(names, values, strict=True)
    return {name: value for name, value in pairs if value is not None}


def _digest(names: Sequence[str], said: Mapping[str, str]) -> str:
    """Return the SHA-256 of the canonical JSON of both, in hex."""
    canonical = json.dumps([names, said], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
