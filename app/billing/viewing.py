"""When customers looked at an invoice: its hosted page counts who opens it."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.billing.handling_models import InvoiceView
from app.core.db import Work, merchant_of, run_sql

_NOTE = """
INSERT INTO invoice_views AS known (merchant_id, invoice_id, views, first_at, last_at)
VALUES (%(merchant_id)s, %(invoice_id)s, 1, %(now)s, %(now)s)
ON CONFLICT (merchant_id, invoice_id)
DO UPDATE SET views = known.views + 1, last_at = greatest(known.last_at, excluded.last_at)
"""


def note_view(session: Work, invoice_id: int, *, now: datetime) -> None:
    """Count one more look at the invoice; `now` is the real time."""
    asked = {"merchant_id": merchant_of(session), "invoice_id": invoice_id, "now": now}
    run_sql(session, _NOTE, asked)


def find_view(session: Session, invoice_id: int) -> InvoiceView | None:
    """Return how often the invoice was looked at, None while nobody did."""
    return session.get(InvoiceView, (merchant_of(session), invoice_id))
