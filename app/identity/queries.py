"""Reading across merchants, by the login that writes nothing: for admins and sweeps only."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.identity.models import Merchant


def list_merchant_ids(reader: Session) -> Sequence[int]:
    """Return the ids of all merchants."""
    return reader.scalars(
        select(Merchant.merchant_id).order_by(Merchant.merchant_id).execution_options(platform=True)
    ).all()
