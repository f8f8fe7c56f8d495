"""Let the cast live through its year, by the product's own flows and the channels' own wire.

Everything is done once: a merchant's clock says how far it got, events are known by their keys,
and what is paid is not paid again. So a seeding that was stopped half-way goes on.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import collection, runs
from app.billing.models import Invoice, InvoiceStatus, RunTrigger
from app.channels.base import ChannelName
from app.core import clock
from app.core.ids import new_merchant_id
from app.core.periods import Cycle, Unit, add_units, local_date, local_midnight
from app.customers import contracts, customers, queries
from app.demo import receiver
from app.demo.cast import MONTHS, Buyer, Company, Ending
from app.extensions import bound, runtime, transaction
from app.identity import accounts, clocks, keys, merchants
from app.identity.models import Mode, Scope
from app.metering import ingestion
from app.payments import healing
from app.payments import queries as payments
from app.payments.models import PaymentStatus
from app.payments.opening import open_payment
from app.pricing import metrics, products, rate_cards
from app.webhooks import endpoints
from app.webhooks.catalogue import EventType

GRACE = timedelta(hours=36)
"""After which a period that ended is final: the merchant's 24 hours, and some to spare."""

BATCH = 500
_SATURDAY = 5
_VOID_REASON = "Billed to the wrong company"


@dataclass(frozen=True, slots=True)
class Event:
    """A usage event, as a door would have decoded it."""

    customer_external_id: str
    idempotency_key: str
    metric: str
    quantity: int
    occurred_at: datetime
    dimensions: Mapping[str, str | int] | None = None


def open_admin(email: str, password: str) -> None:
    """Make an admin of the platform unless there is one of this address."""
    try:
        with transaction(None) as session:
            accounts.register_user(session, email, password, is_operator=True, now=clock.now())
    except accounts.EmailTaken:
        return  # made at an earlier start


def seed_company(company: Company, password: str, *, webhook_port: int) -> None:
    """Sign the company up and let it live up to now; what was done before stays as it is."""
    merchant_id = _find(company, password) or _sign_up(company, password, webhook_port)
    _live(company, merchant_id)


def _find(company: Company, password: str) -> int | None:
    try:
        with transaction(None) as session:
            user = accounts.check_credentials(session, company.email, password)
            return accounts.merchants_of(session, user.id)[0]
    except accounts.WrongCredentials:
        return None


def _sign_up(company: Company, password: str, webhook_port: int) -> int:
    """Open the account with all it sells, its clock a year back, in one transaction."""
    merchant_id, now = new_merchant_id(), clock.now()
    with transaction(merchant_id) as session:
        user = accounts.register_user(session, company.email, password, now=now)
        merchant = accounts.open_sandbox(
            session, user, company.name, merchant_id=merchant_id, now=now
        )
        metrics.make_built_in(session, now=now)
        merchants.update_settings(session, settlement_currency=company.settles_in)
        zone = ZoneInfo(merchant.time_zone)
        clocks.move(session, local_midnight(_months(now, zone)[0], zone), real_now=now)
        _sell(session, company, today=local_date(now, zone), now=clocks.now(session))
        _connect(session, webhook_port, now=now)
    return merchant_id


def _sell(session: Session, company: Company, *, today: date, now: datetime) -> None:
    """Put the product on sale and its buyers on contract, also those who come during the year."""
    code, name = company.product
    product = products.create_product(session, code=code, name=name, now=now)
    version = rate_cards.create_rate_card(
        session,
        product_id=product.id,
        code="standard",
        name="Standard",
        content={"currencies": {company.sells_in.value: company.prices}},
        now=now,
    )
    for buyer in company.buyers:
        customer = customers.create_customer(
            session,
            external_id=buyer.external_id,
            name=buyer.name,
            email=buyer.email,
            language=buyer.language,
            now=now,
        )
        contracts.create_contract(
            session,
            customer_id=customer.id,
            rate_card_version_id=version.id,
            currency=company.sells_in,
            cycle=buyer.cycle,
            starts_on=_starts_on(buyer, today),
            now=now,
        )


def _connect(session: Session, webhook_port: int, *, now: datetime) -> None:
    """Make two keys, one of them revoked, and two webhook endpoints, one of them failing."""
    pepper = runtime().pepper
    keys.create_key(session, "Production server", scopes=set(Scope), pepper=pepper, now=now)
    old, _ = keys.create_key(
        session, "Old laptop", scopes={Scope.USAGE_WRITE}, pepper=pepper, now=now
    )
    session.flush()  # a key is revoked by its id
    keys.revoke_key(session, old.id, now=now)
    wanted = {"/hooks": list(EventType), receiver.BROKEN: [EventType.INVOICE_PAID]}
    for path, event_types in wanted.items():
        endpoints.register(
            session,
            f"http://127.0.0.1:{webhook_port}{path}",
            event_types,
            keyring=runtime().keyring,
            allow_loopback=True,
            now=now,
        )


def _live(company: Company, merchant_id: int) -> None:
    """Walk the merchant's clock through the months, metering, invoicing and being paid."""
    with transaction(merchant_id) as session:
        zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    for month in _months(clock.now(), zone):
        end = local_midnight(add_units(month, 1, Unit.MONTH), zone)
        # Up to the month's last second first: so its usage is there before anybody invoices it.
        if _walk(merchant_id, end - timedelta(seconds=1)):
            _meter(company, merchant_id, month)
        if _walk(merchant_id, end + GRACE):
            _invoice(merchant_id)
            _collect(company, merchant_id)


def _walk(merchant_id: int, to: datetime) -> bool:
    """Move the clock to `to`, at most to now; return False when it has been there before."""
    with transaction(merchant_id) as session:
        real_now = clock.now()
        if clocks.lock_merchant(session).clock_offset >= min(to - real_now, timedelta(0)):
            return False
        clocks.move(session, min(to, real_now), real_now=real_now)
        return True


def _meter(company: Company, merchant_id: int, month: date) -> None:
    with transaction(merchant_id) as session:
        merchant, now = clocks.get_merchant(session), clocks.now(session)
        window = ingestion.MerchantWindow(merchant.time_zone, merchant.late_window_days)
    events = [event for event in _events(company, month, window.zone) if event.occurred_at <= now]
    for start in range(0, len(events), BATCH):
        with transaction(merchant_id) as session:
            ingestion.ingest(session, events[start : start + BATCH], merchant=window, now=now)


def _invoice(merchant_id: int) -> None:
    with transaction(merchant_id) as session:
        now = clocks.now(session)
    runs.run_due(bound(merchant_id), runtime().rates, trigger=RunTrigger.SCHEDULE, now=now)


def _collect(company: Company, merchant_id: int) -> None:
    """Let every open invoice come to the end that its customer has in the cast."""
    with transaction(merchant_id) as session:
        ids = session.scalars(
            select(Invoice.id).where(
                Invoice.status == InvoiceStatus.OPEN, Invoice.collection_minor > 0
            )
        ).all()
    for number, invoice_id in enumerate(ids):
        with transaction(merchant_id) as session:
            ending = _ending(session, company, invoice_id)
            if ending is Ending.VOID:
                row = collection.lock_invoice(session, invoice_id)
                collection.void(session, row, reason=_VOID_REASON, now=clocks.now(session))
        if ending is None or ending is Ending.WRONG_AMOUNT:
            channel = list(ChannelName)[number % 2]
            _pay(merchant_id, invoice_id, channel, short=ending is Ending.WRONG_AMOUNT)


def _ending(session: Session, company: Company, invoice_id: int) -> Ending | None:
    invoice = session.get_one(Invoice, (clocks.get_merchant(session).merchant_id, invoice_id))
    customer = queries.get_customer(session, invoice.customer_id)
    buyer = next(who for who in company.buyers if who.external_id == customer.external_id)
    today = local_date(clock.now(), ZoneInfo(invoice.time_zone))
    start = invoice.period_from
    months_ago = (today.year - start.year) * 12 + today.month - start.month
    last = payments.find_newest(session, invoice_id)
    if last is not None and last.status is PaymentStatus.CAPTURED:
        return Ending.OPEN  # the wrong amount came at an earlier start
    return buyer.endings.get(months_ago)


def _pay(merchant_id: int, invoice_id: int, name: ChannelName, *, short: bool) -> None:
    """Scan and pay at the channel, then ask it, as healing does, without waiting for its call."""
    channel = runtime().channel(name, Mode.SANDBOX)
    open_for = bound(merchant_id)
    url = runtime().settings.base_url
    opening = open_payment(
        open_for,
        channel,
        invoice_id,
        notify_url=f"{url}/api/webhooks/{name}",
        now=clock.now(),
    )
    with transaction(merchant_id) as session:
        order = payments.get_order(session, opening.order_id)
        question, asked = healing.Question.about(order), order.amount_minor
    plan = {"amountMinor": asked - 100} if short else {}
    till = httpx.URL(runtime().payer_url).join("/control/pay")
    httpx.post(till, json={"qr": opening.qr_payload} | plan).raise_for_status()
    healing.settle(open_for, channel, question, now=clock.now())


def _events(company: Company, month: date, zone: str) -> Iterator[Event]:
    """Yield a month of every buyer's usage: a little more each month, quieter at weekends."""
    today = local_date(clock.now(), ZoneInfo(zone))
    for buyer in company.buyers:
        day = max(month, _starts_on(buyer, today))
        while day < add_units(month, 1, Unit.MONTH):
            for metric, usual in company.daily.items():
                share = _share(buyer, day, metric) * (40 if day.weekday() >= _SATURDAY else 100)
                yield Event(
                    customer_external_id=buyer.external_id,
                    idempotency_key=f"{buyer.external_id}-{metric}-{day}",
                    metric=metric,
                    quantity=usual * buyer.size * share // 1_000_000,
                    occurred_at=datetime.combine(day, time(15, 30), ZoneInfo(zone)),
                    dimensions={"region": "cn-east-1"},
                )
            day += timedelta(days=1)


def _share(buyer: Buyer, day: date, metric: str) -> int:
    """Return this day's part of the usual, in per cent: it grows, and no two days are alike."""
    growth = 4 * ((day.year * 12 + day.month) % 12)
    return 80 + growth + zlib.crc32(f"{buyer.external_id}{metric}{day}".encode()) % 21


def _months(now: datetime, zone: ZoneInfo) -> list[date]:
    """Return the first days of the months of the demo's year, and of this month."""
    this = local_date(now, zone).replace(day=1)
    return [add_units(this, -back, Unit.MONTH) for back in range(MONTHS, -1, -1)]


def _starts_on(buyer: Buyer, today: date) -> date:
    """Return a month's first day or, by anniversary, today's: so a period has just ended."""
    start = add_units(today, -buyer.months, Unit.MONTH)
    return start if buyer.cycle is Cycle.MONTHLY_ANNIVERSARY else start.replace(day=1)
