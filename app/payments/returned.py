"""What of collected money left again, day by day: refunds, and what channels withdrew."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.core.db import run_sql
from app.core.money import Currency, Money
from app.core.periods import local_midnight
from app.identity import clocks


@dataclass(frozen=True, slots=True)
class Returned:
    """What left on one local day: CNY, and what the merchant gave in a settlement currency."""

    day: date
    amount: Money
    settlement: Money


# A refund leaves when the channel has paid it, by the real clock; a dispute when it is opened, and
# one that is won comes back when it is closed. What the channel charges for it does not.
_RETURNED = """
SELECT timezone(%(zone)s::text, at)::date AS day, settlement_currency,
       sum(amount_minor)::bigint, sum(settlement_minor)::bigint
  FROM (
        SELECT succeeded_at + %(offset)s AS at, settlement_currency, amount_minor, settlement_minor
          FROM refunds
         WHERE merchant_id = %(merchant_id)s AND status = 'succeeded' AND purpose = 'invoice'
         UNION ALL
        SELECT opened_at, settlement_currency, amount_minor, settlement_minor + charge_minor
          FROM disputes
         WHERE merchant_id = %(merchant_id)s
         UNION ALL
        SELECT closed_at, settlement_currency, -amount_minor, -settlement_minor
          FROM disputes
         WHERE merchant_id = %(merchant_id)s AND status = 'won'
       ) AS moved
 WHERE at >= %(start_at)s AND at < %(end_at)s
 GROUP BY day, settlement_currency
 ORDER BY day, settlement_currency
"""


def returned_by_day(
    session: Session, *, first_day: date, end_day: date, zone: ZoneInfo
) -> list[Returned]:
    """Return what left on each local day of the merchant, oldest first; `end_day` is exclusive.

    A day has one entry per settlement currency, and none when nothing left. It is below zero where
    more came back out of disputes than left.
    """
    merchant = clocks.get_merchant(session)
    asked = {
        "merchant_id": merchant.merchant_id,
        "offset": merchant.clock_offset,
        "zone": zone.key,
        "start_at": local_midnight(first_day, zone),
        "end_at": local_midnight(end_day, zone),
    }
    return [
        Returned(on, Money(amount, Currency.CNY), Money(settlement, Currency(currency)))
        for on, currency, amount, settlement in run_sql(session, _RETURNED, asked)
    ]
