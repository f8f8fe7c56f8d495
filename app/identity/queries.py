"""Reading across merchants, by the login that writes nothing: for admins and sweeps only."""

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.identity.models import Merchant


def list_merchant_ids(reader: Session) -> Sequence[int]:
    """Return the ids of all merchants."""
    return reader.scalars(
        select(Merchant.merchant_id).order_by(Merchant.merchant_id).execution_options(platform=True)
    ).all()


def merchants_by_id(reader: Session, merchant_ids: Collection[int]) -> dict[int, Merchant]:
    """Return the merchants of these ids, for a list that names them."""
    wanted = select(Merchant).where(Merchant.merchant_id.in_(merchant_ids))
    found = reader.scalars(wanted.execution_options(platform=True))
    return {merchant.merchant_id: merchant for merchant in found}


def newest_merchants(reader: Session, *, limit: int = 200) -> Sequence[Merchant]:
    """Return the merchants that joined last, the newest first: the choices of a form."""
    return reader.scalars(
        select(Merchant)
        .order_by(Merchant.created_at.desc())
        .limit(limit)
        .execution_options(platform=True)
    ).all()
