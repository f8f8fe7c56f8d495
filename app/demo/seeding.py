"""Let the cast live through its year, by the product's own flows and the channels' own wire.

Everything is done once: a merchant's clock says how far it got, and what is paid is not paid
again. So a seeding that was stopped half-way goes on.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM
from app.billing import collection, runs
from app.billing.models import Invoice, InvoiceStatus, RunTrigger
from app.channels.base import ChannelName
from app.core import clock
from app.core.ids import new_merchant_id
from app.core.periods import Cycle, Unit, add_units, local_date, local_midnight
from app.customers import contracts, customers, queries
from app.demo import receiver
from app.demo.cast import MONTHS, Buyer, Company, Ending
from app.extensions import bound, reading, runtime, transaction
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

STOP_DAYS = (2, 6, 11, 17, 24)
"""The days of a month on which invoices are made and paid; the first is after the grace."""

BATCH = 500
_SATURDAY = 5
_REGIONS = ("cn-east-1", "cn-north-1")
_payer = httpx.Client(timeout=20)
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
    corrects: str | None = None


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
        actor=SYSTEM,
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
    """Walk the merchant through its year up to now, metering, invoicing and being paid."""
    with transaction(merchant_id) as session:
        zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    for stop in _stops(clock.now(), zone):
        if _walk(company, merchant_id, stop):
            _invoice(merchant_id)
            _collect(company, merchant_id)


def _stops(now: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the days on which something is done; the last one is now, however late it gets."""
    for month in _months(now, zone):
        for day in STOP_DAYS:
            stop = datetime.combine(month.replace(day=day), time(12), zone)
            if stop < now:
                yield stop
    yield now + timedelta(days=1)  # nobody walks past now


def _walk(company: Company, merchant_id: int, to: datetime) -> bool:
    """Move the clock to `to`, at most to now, with all that was used on the way.

    One transaction, so that nobody invoices a period before its usage is there. Returns False
    when the clock has been there before.
    """
    with transaction(merchant_id) as session:
        merchant, real_now = clocks.lock_merchant(session), clock.now()
        since, until = real_now + merchant.clock_offset, min(to, real_now)
        if since >= until:
            return False
        clocks.move(session, until, real_now=real_now)
        window = ingestion.MerchantWindow(merchant.time_zone, merchant.late_window_days)
        events = list(_events(company, since, until, zone=ZoneInfo(window.zone)))
        for start in range(0, len(events), BATCH):
            batch = events[start : start + BATCH]
            ingestion.ingest(session, batch, merchant=window, now=until)
    return True


def _invoice(merchant_id: int) -> None:
    with reading() as session:
        if merchant_id not in runs.due_merchants(session, now=clock.now()):
            return
    with transaction(merchant_id) as session:
        now = clocks.now(session)
    runs.run_due(bound(merchant_id), runtime().rates, trigger=RunTrigger.SCHEDULE, now=now)


def _collect(company: Company, merchant_id: int) -> None:
    """Let every open invoice come to the end that its customer has in the cast, in its time."""
    with transaction(merchant_id) as session:
        ids = session.scalars(
            select(Invoice.id).where(
                Invoice.status == InvoiceStatus.OPEN, Invoice.collection_minor > 0
            )
        ).all()
    for invoice_id in ids:
        with transaction(merchant_id) as session:
            row = collection.lock_invoice(session, invoice_id)
            ending = _ending(session, company, row)
            if ending is Ending.VOID:
                collection.void(session, row, reason=_VOID_REASON, now=clocks.now(session))
        if ending in {Ending.PAID, Ending.WRONG_AMOUNT}:
            channel = list(ChannelName)[_draw(row.number) % 2]
            _pay(merchant_id, invoice_id, channel, short=ending is Ending.WRONG_AMOUNT)


def _ending(session: Session, company: Company, invoice: Invoice) -> Ending:
    """Return what becomes of the invoice by now; as long as nothing does, it stays open."""
    customer = queries.get_customer(session, invoice.customer_id)
    buyer = next(who for who in company.buyers if who.external_id == customer.external_id)
    days = timedelta(days=buyer.pays_after + _draw(invoice.number) % 4)
    last = payments.find_newest(session, invoice.id)
    was_paid_wrongly = last is not None and last.status is PaymentStatus.CAPTURED
    if invoice.finalized_at is None or was_paid_wrongly:
        return Ending.OPEN
    if clocks.now(session) < invoice.finalized_at + days:
        return Ending.OPEN
    today, start = local_date(clock.now(), ZoneInfo(invoice.time_zone)), invoice.period_from
    months_ago = (today.year - start.year) * 12 + today.month - start.month
    return buyer.endings.get(months_ago, Ending.PAID)


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
    _payer.post(till, json={"qr": opening.qr_payload} | plan).raise_for_status()
    healing.settle(open_for, channel, question, now=clock.now())


def _events(
    company: Company, since: datetime, until: datetime, *, zone: ZoneInfo
) -> Iterator[Event]:
    """Yield what every buyer used from `since` on and before `until`."""
    today = local_date(clock.now(), zone)
    for buyer in company.buyers:
        day = max(local_date(since, zone), _starts_on(buyer, today))
        while day <= local_date(until, zone):
            for metric, usual in company.daily.items():
                used = _events_of_day(buyer, metric, usual, day=day, zone=zone)
                yield from (event for event in used if since <= event.occurred_at < until)
            day += timedelta(days=1)


def _events_of_day(
    buyer: Buyer, metric: str, usual: int, *, day: date, zone: ZoneInfo
) -> Iterator[Event]:
    """Yield a day of one metric: a little more each month, less at weekends, no two alike."""
    draw = _draw(f"{buyer.external_id}{metric}{day}")
    growth = 4 * ((day.year * 12 + day.month) % 12)
    is_weekend = day.weekday() >= _SATURDAY
    share = (80 + growth + draw % 21) * (40 if is_weekend else 100)
    count = 1 if is_weekend else 1 + draw % 3
    for number in range(count):
        yield Event(
            customer_external_id=buyer.external_id,
            idempotency_key=f"{buyer.external_id}-{metric}-{day}-{number}",
            metric=metric,
            quantity=usual * buyer.size * share // (1_000_000 * count),
            occurred_at=datetime.combine(day, time(8 + 3 * number, draw % 60), zone),
            dimensions={"region": _REGIONS[draw % 2]},
        )


def _draw(text: str | None) -> int:
    """Return a number that looks like chance and is the same at every start."""
    return zlib.crc32(str(text).encode())


def _months(now: datetime, zone: ZoneInfo) -> list[date]:
    """Return the first days of the months of the demo's year, and of this month."""
    this = local_date(now, zone).replace(day=1)
    return [add_units(this, -back, Unit.MONTH) for back in range(MONTHS, -1, -1)]


def _starts_on(buyer: Buyer, today: date) -> date:
    """Return a month's first day or, by anniversary, today's: so a period has just ended."""
    start = add_units(today, -buyer.months, Unit.MONTH)
    return start if buyer.cycle is Cycle.MONTHLY_ANNIVERSARY else start.replace(day=1)
