"""Today at one merchant: usage that goes wrong and is put right, and prices that change.

What is sent has keys of its own and may be sent again. What is done is done in the transaction
that brings the merchant's clock to today, so it is done once.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from buffmoney import Event
from sqlalchemy.orm import Session

from app.audit.recording import Actor
from app.billing import replay
from app.core.money import Currency
from app.core.periods import Cycle, Unit, add_units, local_date
from app.customers import contracts, customers, queries, versions
from app.customers.models import Contract
from app.demo import prices
from app.demo.usage import Sender
from app.identity import clocks
from app.metering import dead_events, replaying
from app.metering.dead_events import DeadFilter
from app.metering.ingestion import MerchantWindow
from app.metering.models import DeadReason
from app.pricing import drafts, rate_cards
from app.pricing import queries as catalogue

_CUSTOMER, _FORMER, _NEWCOMER, _UNKNOWN, _ROBOT = (
    "user_42",
    "user_55",
    "user_131",
    "user_901",
    "load-test",
)
_AN_HOUR, _TWO_YEARS = timedelta(hours=1), timedelta(days=730)
_CHAT = {"model": "gpt-5", "region": "cn-east-1"}
_LOAD_TEST = "busy-load-test"
_BATCH = "busy-batch"


def meter(sender: Sender, *, now: datetime) -> None:
    """Send what the day brings, also what is wrong, and take back what was sent by mistake."""
    sender.send(_first_events(now))
    sender.send(_second_events(now))
    sender.void([_LOAD_TEST], reason="A load test, no usage")


def _first_events(now: datetime) -> Iterator[Event]:
    """Yield what is right, and what finds no customer, metric or contract."""
    at = _earlier(now)
    yield _event(_BATCH, _CUSTOMER, 9_000_000, at=at)
    yield _event(_LOAD_TEST, _CUSTOMER, 40_000_000, at=at)
    for number in range(4):
        yield _event(f"busy-newcomer-{number}", _NEWCOMER, 350_000, at=at)
    for number in range(3):
        yield _event(f"busy-unknown-{number}", _UNKNOWN, 120_000, at=at)
    for number in range(2):
        yield _event(f"busy-video-{number}", _CUSTOMER, 90, at=at, metric="video_seconds")
        yield _event(f"busy-former-{number}", _FORMER, 80_000, at=at)
    yield _event("busy-robot", _ROBOT, 1, at=at)


def _second_events(now: datetime) -> Iterator[Event]:
    """Yield a correction, a duplicate, a conflict, and what can not be an event at all."""
    at = _earlier(now)
    yield _event("busy-correction", _CUSTOMER, -4_500_000, at=at, corrects=_BATCH)
    yield _event(_BATCH, _CUSTOMER, 9_000_000, at=at)
    yield _event(_BATCH, _CUSTOMER, 9_000_001, at=at)
    yield _event("busy-negative", _CUSTOMER, -5, at=at)
    yield _event("busy-ancient", _CUSTOMER, 5, at=at - _TWO_YEARS)


def act(session: Session, owner: Actor, *, real_now: datetime) -> None:
    """Put right what the events got wrong, and change prices, as the owner does on the pages."""
    merchant, now = clocks.get_merchant(session), clocks.now(session)
    zone = ZoneInfo(merchant.time_zone)
    robot = DeadFilter(DeadReason.UNKNOWN_CUSTOMER, _ROBOT)
    dead_events.discard_waiting(session, robot, actor=owner, now=now)
    contract = _contract_of(session, _CUSTOMER)
    card_id = catalogue.get_version(session, contract.rate_card_version_id).rate_card_id
    version_id = _reprice(session, card_id, contract, owner=owner, zone=zone, now=now)
    _welcome(session, version_id, zone=zone, now=now)
    replaying.start_replay(
        session,
        DeadFilter(DeadReason.UNKNOWN_CUSTOMER, _NEWCOMER),
        merchant=MerchantWindow(merchant.time_zone, merchant.late_window_days),
        now=now,
        real_now=real_now,
    )


def _reprice(
    session: Session,
    card_id: int,
    contract: Contract,
    *,
    owner: Actor,
    zone: ZoneInfo,
    now: datetime,
) -> int:
    """Publish a version and schedule it for a contract; draft the next one, and replay that."""
    version = rate_cards.publish_version(
        session, card_id, content=prices.lumen(input_price="0.00032"), actor=owner, now=now
    )
    next_month = add_units(local_date(now, zone).replace(day=1), 1, Unit.MONTH)
    versions.schedule_version(
        session, contract.id, version_id=version.id, on=next_month, actor=owner, now=now
    )
    wanted = prices.lumen(input_price="0.00032", first_runs="6000")
    draft = drafts.save_draft(session, card_id, content=wanted, actor=owner, now=now)
    replay.start(session, card_id, content=draft.content, actor=owner, now=now)
    return version.id


def _welcome(session: Session, version_id: int, *, zone: ZoneInfo, now: datetime) -> None:
    """Put on contract, from the day of its first events, whom nobody knew when they came."""
    newcomer = customers.create_customer(
        session,
        external_id=_NEWCOMER,
        name="苏州知了教育科技有限公司",
        email="finance@zhiliao.example",
        language="zh_Hans_CN",
        now=now,
    )
    contracts.create_contract(
        session,
        customer_id=newcomer.id,
        rate_card_version_id=version_id,
        currency=Currency.USD,
        cycle=Cycle.MONTHLY_CALENDAR,
        starts_on=local_date(now - 2 * _AN_HOUR, zone),
        now=now,
    )


def _contract_of(session: Session, external_id: str) -> Contract:
    customer = queries.customers_by_external_id(session, [external_id])[external_id]
    return queries.contracts_of(session, [customer.id])[0]


def _earlier(now: datetime) -> datetime:
    """Return a whole hour before the last: a start that goes on sends the same again."""
    return now.replace(minute=0, second=0, microsecond=0) - _AN_HOUR


def _event(
    key: str,
    customer: str,
    quantity: int,
    *,
    at: datetime,
    metric: str = "tokens_input",
    corrects: str | None = None,
) -> Event:
    return Event(
        customer=customer,
        metric=metric,
        quantity=str(quantity),
        occurred_at=at,
        idempotency_key=key,
        dimensions=_CHAT,
        corrects=corrects,
    )
