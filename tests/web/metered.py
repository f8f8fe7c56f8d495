"""Usage of a browser's merchant, as it comes in: a customer on contract, and events of its own."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, select

from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, show
from app.identity import clocks
from app.metering import days, ingestion
from app.metering.ingestion import MerchantWindow
from app.metering.models import DeadEvent, UsageEvent
from tests.make import Make
from tests.metering.conftest import Event
from tests.web.conftest import Browser


def put_on_contract(engine: Engine, browser: Browser, external_id: str, name: str = "Acme") -> None:
    """Add a customer with a contract since May, on a card of his own that prices input tokens."""
    price = {"metric": "tokens_input", "model": "standard", "unit_price": "1"}
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        product = make.product(code=f"for_{external_id}")
        card = make.rate_card(product_id=product.id, code=f"card_{external_id}")
        version = make.rate_card_version({"currencies": {"USD": [price]}}, rate_card_id=card.id)
        customer = make.customer(external_id=external_id, name=name)
        make.contract(version, customer_id=customer.id)


def event(key: str = "evt_1", at: datetime | None = None, **fields: object) -> Event:
    """Return an event of 12,500 input tokens of user_42, of this moment unless it says."""
    moment = at or clock.now()
    return Event(idempotency_key=key, metric="tokens_input", occurred_at=moment).but(**fields)


def send(engine: Engine, browser: Browser, *events: Event) -> list[str]:
    """Take the events in, add up the days of charts, and return what became of each."""
    with begin(engine, browser.merchant_id) as session:
        merchant = clocks.get_merchant(session)
        window = MerchantWindow(merchant.time_zone, merchant.late_window_days)
        now = clock.now() + merchant.clock_offset
        results = ingestion.ingest(session, events, merchant=window, now=now)
        days.recount_days(session, days.every_day(session))
    return [result.outcome.value for result in results]


def live_in(engine: Engine, browser: Browser, zone: str) -> ZoneInfo:
    """Move the merchant to another time zone."""
    with begin(engine, browser.merchant_id) as session:
        clocks.get_merchant(session).time_zone = zone
    return ZoneInfo(zone)


def id_of(engine: Engine, browser: Browser, key: str) -> str:
    """Return the public id of the event of this key."""
    with begin(engine, browser.merchant_id) as session:
        wanted = select(UsageEvent.id).where(UsageEvent.idempotency_key == key)
        return show(Prefix.USAGE_EVENT, session.scalars(wanted).one())


def dead_id(engine: Engine, browser: Browser) -> str:
    """Return the public id of the only event that found no place."""
    with begin(engine, browser.merchant_id) as session:
        return show(Prefix.DEAD_EVENT, session.scalars(select(DeadEvent.id)).one())
