"""Throw away what has served its time."""

from sqlalchemy import delete

from app.core import clock, idempotency
from app.extensions import reading, transaction
from app.identity.models import WebSession
from app.identity.queries import list_merchant_ids


def purge() -> None:
    """Delete idempotency records older than a day and web sessions that have ended."""
    now = clock.now()
    with reading() as session:
        merchants = list_merchant_ids(session)
    for merchant_id in merchants:
        with transaction(merchant_id) as session:
            idempotency.purge(session, now=now)
    with transaction(None) as session:
        session.execute(delete(WebSession).where(WebSession.expires_at <= now))
