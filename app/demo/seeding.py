"""Let the cast live through its year, by the product's own flows and the channels' own wire.

Everything is done once: a merchant's clock says how far it got, what is done on a day is done in
the transaction that brings the clock there, and what is paid is not paid again. So a seeding that
was stopped half-way goes on.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.audit.recording import Actor
from app.billing import runs
from app.billing.run_models import RunTrigger
from app.core import clock
from app.core.periods import local_date, local_midnight
from app.demo import busy_day, deeds, desks, opening, papers, paying
from app.demo.deeds import People
from app.demo.opening import Account, Stage
from app.demo.roles import Company
from app.demo.usage import Sender, late_usage, starts_on, usage
from app.extensions import bound, reading, runtime, transaction
from app.identity import accounts, clocks
from app.metering.models import UsageEvent

STOP_DAYS = (1, 2, 6, 11, 17, 24)
"""The days of a month on which a merchant's time stands still for a while, at noon.

On the first the last month is over and its grace is not: all its usage is sent before its
invoices are made, on the second. On the others invoices are paid, and those of the cast have
their turns.
"""

LATE_DAY = 11
_NOON = time(12)
_EVE = timedelta(minutes=1)


@dataclass(frozen=True)
class Life:
    """One merchant's year as it is walked through; `today` is the real one."""

    company: Company
    account: Account
    people: People
    zone: ZoneInfo
    today: date
    sender: Sender


def open_admin(email: str, password: str) -> Actor:
    """Make an admin of the platform, or find the one that an earlier start made."""
    try:
        with transaction(None) as session:
            user = accounts.register_user(
                session, email, password, is_operator=True, now=clock.now()
            )
            return opening.actor_of(user)
    except accounts.EmailTaken:
        with transaction(None) as session:
            return opening.actor_of(accounts.check_credentials(session, email, password))


def seed_company(company: Company, password: str, stage: Stage) -> None:
    """Sign the company up and let it live up to now; what was done before stays as it is."""
    account = opening.find_account(company, password)
    if account is None:
        account = opening.open_account(company, password, stage)
    with transaction(account.merchant_id) as session:
        merchant = clocks.get_merchant(session)
        if not merchant.clock_offset:
            return  # it lives now
        zone = ZoneInfo(merchant.time_zone)
        api_key = opening.new_production_key(session, now=clock.now())
    with closing(Sender(api_key, stage.url)) as sender:
        today = local_date(clock.now(), zone)
        people = People(account.owner, stage.admin)
        _live(Life(company, account, people, zone, today, sender))


def _live(life: Life) -> None:
    """Walk the merchant through its year up to now, metering, invoicing and being paid."""
    sent_until = _sent_until(life)
    _settle(life)  # what an earlier start had no time for
    for stop in _stops(life):
        until = _walk(life, stop, since=sent_until)
        if until:
            sent_until = until
            _settle(life)


def _settle(life: Life) -> None:
    """Issue what is due, and let money come and go."""
    _invoice(life.account.merchant_id)
    paying.return_money(life.account.merchant_id)
    paying.collect(life.company, life.account.merchant_id)


def _sent_until(life: Life) -> datetime:
    """Return when the last usage was that an earlier start sent, or the beginning of the year."""
    with transaction(life.account.merchant_id) as session:
        newest = session.scalar(select(func.max(UsageEvent.occurred_at)))
    return newest or local_midnight(opening.months(life.today)[0], life.zone)


def _stops(life: Life) -> Iterator[datetime | None]:
    """Yield the moments at which something is done; None is now, however late it gets.

    Periods by anniversary end on the day that they began on: that day is a stop, too.
    """
    turns = {starts_on(buyer, life.today).day for buyer in life.company.buyers}
    for month in opening.months(life.today):
        last = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        days = {min(day, last.day) for day in turns.union(STOP_DAYS)}
        for day in sorted(days):
            stop = datetime.combine(month.replace(day=day), _NOON, life.zone)
            if stop < clock.now():
                yield stop
    yield None


def _walk(life: Life, stop: datetime | None, *, since: datetime) -> datetime | None:
    """Move the clock to `stop`, None for now, with all that was used on the way.

    The clock waits a minute before it while the usage from `since` on is sent: no period's grace
    ends between two stops, so nobody invoices it too early, and a start that goes on from here
    sends what has not arrived. Returns until when usage was sent, None when the clock has been
    there before.
    """
    with transaction(life.account.merchant_id) as session:
        merchant, real_now = clocks.lock_merchant(session), clock.now()
        until = stop or real_now
        own = real_now + merchant.clock_offset
        if own >= until:
            return None
        if own < until - _EVE:
            clocks.move(session, until - _EVE, real_now=real_now)
    _send(life, since, until, is_today=stop is None)
    if stop is not None:
        own_transaction, owner = bound(life.account.merchant_id), life.account.owner
        papers.issue(own_transaction, life.company, owner=owner, on=stop.date(), today=life.today)
    with transaction(life.account.merchant_id) as session:
        real_now = clock.now()
        clocks.move(session, stop or real_now, real_now=real_now)
        _act(session, life, stop, real_now=real_now)
    return until


def _act(session: Session, life: Life, stop: datetime | None, *, real_now: datetime) -> None:
    """Do what the cast has for the day of a stop, None for today."""
    if stop is not None:
        day, now = stop.date(), clocks.now(session)
        deeds.act(session, life.company, life.people, on=day, today=life.today, now=now)
        return
    desks.act(session, life.company, life.people, real_now=real_now)
    if life.company.has_busy_day:
        busy_day.act(session, life.account.owner, real_now=real_now)


def _send(life: Life, since: datetime, until: datetime, *, is_today: bool) -> None:
    used = usage(life.company, since, until, today=life.today, zone=life.zone)
    life.sender.meter(used)
    if is_today and life.company.has_busy_day:
        busy_day.meter(life.sender, now=until)
    elif local_date(until, life.zone).day == LATE_DAY:
        life.sender.meter(late_usage(life.company, until, today=life.today, zone=life.zone))


def _invoice(merchant_id: int) -> None:
    with reading() as session:
        if merchant_id not in runs.due_merchants(session, now=clock.now()):
            return
    with transaction(merchant_id) as session:
        now = clocks.now(session)
    runs.run_due(bound(merchant_id), runtime().rates, trigger=RunTrigger.SCHEDULE, now=now)
