"""Throw away what has served its time."""

from sqlalchemy import delete

from app.billing import bulk
from app.core import clock, idempotency
from app.extensions import bound, reading, runtime, transaction
from app.identity import clocks
from app.identity.models import WebSession
from app.identity.queries import list_merchant_ids
from app.risk import counting, hits
from jobs import sweep


def purge() -> None:
    """Delete old idempotency records, counters and downloads, and web sessions that ended.

    Old refusals stay, without the addresses of payers.
    """
    with reading() as session:
        merchants = list_merchant_ids(session)
        downloaders = bulk.merchants_with_old_files(session, now=clock.now())
    sweep.for_each(merchants, _purge_records)
    with transaction(None) as session:
        session.execute(delete(WebSession).where(WebSession.expires_at <= clock.now()))
    sweep.for_each(downloaders, _throw_files_away)


def _purge_records(merchant_id: int) -> None:
    with transaction(merchant_id) as session:
        idempotency.purge(session, now=clock.now())
        counting.purge(session, now=clocks.now(session))
        hits.forget_payers(session, now=clock.now())


def _throw_files_away(merchant_id: int) -> None:
    bulk.throw_files_away(bound(merchant_id), runtime().storage, now=clock.now())
