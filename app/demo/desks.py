"""Today at every merchant: what he writes by hand, and what the platform's risk desk has set."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.billing import invoicing, one_off
from app.billing.one_off import OneOff
from app.customers import queries
from app.demo.deeds import People
from app.demo.roles import Company
from app.extensions import runtime
from app.identity import clocks
from app.risk import freezes, limits
from app.risk.models import Switch
from app.risk.rules import Rule


def act(session: Session, company: Company, people: People, *, real_now: datetime) -> None:
    """Write the invoices, set the limit of the day and pause payouts, as the cast has it."""
    now = clocks.now(session)
    known = queries.customers_by_external_id(session, [row.external_id for row in company.by_hand])
    for row in company.by_hand:
        asked = OneOff(known[row.external_id].id, company.sells_in, [row.item])
        invoice = one_off.draft(session, asked, now=now)
        if row.is_issued:
            invoicing.finalize(session, invoice.id, rates=runtime().rates, now=now)
    watch = company.watch
    if watch.daily is not None:
        limits.set_limits(
            session, {Rule.DAILY_AMOUNT: watch.daily}, actor=people.admin, now=real_now
        )
    if watch.pause:
        freezes.freeze(
            session, Switch.PAYOUTS, reason=watch.pause, actor=people.admin, now=real_now
        )
