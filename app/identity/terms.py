"""What the platform charges a merchant on a day: the merchant's own terms, else everybody's."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.db import merchant_of
from app.core.ids import PLATFORM
from app.identity.models import PlatformTerms


def terms_on(session: Session, day: date) -> PlatformTerms:
    """Return the terms in force on `day`; the newest row wins, the merchant's own before all."""
    return session.scalars(
        select(PlatformTerms)
        .where(PlatformTerms.for_merchant_id.in_([PLATFORM, merchant_of(session)]))
        .where(PlatformTerms.effective_from <= day)
        .order_by((PlatformTerms.for_merchant_id == PLATFORM), PlatformTerms.effective_from.desc())
        .limit(1)
    ).one()
