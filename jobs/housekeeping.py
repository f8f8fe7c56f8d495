"""Throw away what has served its time."""

from sqlalchemy import delete

from app.core import clock, idempotency
from app.extensions import reading, transaction
from app.identity.models import WebSession
from app.identity.queries import list_merchant_ids
from jobs import sweep


def purge() -> None:
    """Delete idempotency records older than a day and web sessions that have ended."""
    with reading() as session:
        merchants = list_merchant_ids(session)
    sweep.for_each(merchants, _purge_merchant)
    with transaction(None) as session:
        session.execute(delete(WebSession).where(WebSession.expires_at <= clock.now()))


def _purge_merchant(merchant_id: int) -> None:
    with transaction(merchant_id) as session:
        idempotency.purge(session, now=clock.now())
