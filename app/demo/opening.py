"""Opening an account of the demo: who signs up, what is on sale, who is on contract, and keys."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.models import ActorKind
from app.audit.recording import Actor
from app.billing import attachments
from app.core import clock
from app.core.ids import new_merchant_id
from app.core.periods import Unit, add_units, local_date, local_midnight
from app.customers import contracts, customers, queries
from app.demo import receiver
from app.demo.cast import MONTHS
from app.demo.roles import Company
from app.demo.usage import ends_on, starts_on
from app.extensions import runtime, transaction
from app.identity import accounts, clocks, keys, merchants
from app.identity.models import ApiKey, Scope, User
from app.pricing import coupons, metrics, products, rate_cards, taxes
from app.risk import limits
from app.risk.rules import Rule
from app.webhooks import endpoints
from app.webhooks.catalogue import SUBSCRIBABLE, EventType

PRODUCTION_KEY = "Production server"
_ENDPOINTS: Mapping[str, tuple[str, Collection[EventType]]] = {
    "/hooks": ("Billing service", SUBSCRIBABLE),
    receiver.BUSY: (
        "Accounting",
        [each for each in SUBSCRIBABLE if each.group in {"refund", "dispute", "credit_note"}],
    ),
    receiver.BROKEN: ("Old CRM", [EventType.INVOICE_PAID]),
}


@dataclass(frozen=True)
class Stage:
    """What is there for all companies: our server, the one their webhooks go to, an admin."""

    url: str
    webhook_port: int
    admin: Actor


@dataclass(frozen=True)
class Account:
    """A merchant of the demo, and who runs it."""

    merchant_id: int
    owner: Actor


def find_account(company: Company, password: str) -> Account | None:
    """Return the account that an earlier start opened."""
    try:
        with transaction(None) as session:
            user = accounts.check_credentials(session, company.email, password)
            return Account(accounts.merchants_of(session, user.id)[0], actor_of(user))
    except accounts.WrongCredentials:
        return None


def open_account(company: Company, password: str, stage: Stage) -> Account:
    """Open the account with all it sells, its clock a year back, in one transaction."""
    merchant_id, now = new_merchant_id(), clock.now()
    with transaction(merchant_id) as session:
        user = accounts.register_user(session, company.email, password, now=now)
        merchant = accounts.open_sandbox(
            session, user, company.name, merchant_id=merchant_id, now=now
        )
        merchants.update_settings(session, settlement_currency=company.settles_in)
        zone = ZoneInfo(merchant.time_zone)
        today = local_date(now, zone)
        clocks.move(session, local_midnight(months(today)[0], zone), real_now=now)
        owner = actor_of(user)
        _sell(session, company, today=today, owner=owner, now=clocks.now(session))
        _connect(session, stage.webhook_port, now=now)
        if company.watch.refunds_above is not None:
            wanted = {Rule.REFUND_AMOUNT: company.watch.refunds_above}
            limits.set_limits(session, wanted, actor=stage.admin, now=now)
    return Account(merchant_id, owner)


def new_production_key(session: Session, *, now: datetime) -> str:
    """Make the key that usage is sent with. One of an earlier start, nobody knows any more."""
    forgotten = select(ApiKey).where(ApiKey.name == PRODUCTION_KEY, ApiKey.revoked_at.is_(None))
    for key in session.scalars(forgotten).all():
        keys.revoke_key(session, key.id, now=now)
    scopes, pepper = set(Scope), runtime().pepper
    _, text = keys.create_key(session, PRODUCTION_KEY, scopes=scopes, pepper=pepper, now=now)
    return text


def months(today: date) -> list[date]:
    """Return the first days of the months of the demo's year, and of this month."""
    return [add_units(today.replace(day=1), -back, Unit.MONTH) for back in range(MONTHS, -1, -1)]


def actor_of(user: User) -> Actor:
    """Return a user as what he does is written down."""
    return Actor(ActorKind.USER, user.id, user.email)


def _sell(session: Session, company: Company, *, today: date, owner: Actor, now: datetime) -> None:
    """Put the product on sale and its buyers on contract, also those who come during the year."""
    metrics.make_built_in(session, now=now)
    for metric in company.own_metrics:
        metrics.create_metric(
            session,
            code=metric.code,
            name=metric.name,
            unit=metric.unit,
            aggregation=metric.aggregation,
            dimensions=dict.fromkeys(metric.dimensions),
            unique_by=metric.unique_by,
            now=now,
        )
    code, name = company.product
    product = products.create_product(session, code=code, name=name, now=now)
    version = rate_cards.create_rate_card(
        session,
        product_id=product.id,
        code="standard",
        name="Standard",
        content=company.content,
        actor=owner,
        now=now,
    )
    _charge_tax(session, company, owner=owner, now=now)
    _sign(session, company, version_id=version.id, today=today, now=now)
    _give_terms(session, company, owner=owner, now=now)


def _charge_tax(session: Session, company: Company, *, owner: Actor, now: datetime) -> None:
    if company.rate is None:
        return
    rate = taxes.create_tax_rate(session, **asdict(company.rate), actor=owner, now=now)
    taxes.set_default(session, rate.id, actor=owner, now=now)


def _sign(
    session: Session, company: Company, *, version_id: int, today: date, now: datetime
) -> None:
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
            rate_card_version_id=version_id,
            currency=buyer.currency or company.sells_in,
            cycle=buyer.cycle,
            starts_on=starts_on(buyer, today),
            ends_on=ends_on(buyer, today),
            now=now,
        )


def _give_terms(session: Session, company: Company, *, owner: Actor, now: datetime) -> None:
    """Give buyers what they negotiated: coupons on their contracts, or no tax."""
    made = {
        offer.code: coupons.create_coupon(
            session,
            code=offer.code,
            name=offer.name,
            benefit=offer.benefit,
            bounds=offer.bounds,
            actor=owner,
            now=now,
        )
        for offer in company.offers
    }
    known = queries.customers_by_external_id(session, [who.external_id for who in company.buyers])
    for buyer in company.buyers:
        customer = known[buyer.external_id]
        contract = queries.contracts_of(session, [customer.id])[0]
        for code in buyer.coupons:
            attachments.attach(session, contract.id, made[code].id, actor=owner, now=now)
        if buyer.is_tax_exempt:
            customers.set_tax(
                session, customer.id, tax_rate_id=None, is_exempt=True, actor=owner, now=now
            )


def _connect(session: Session, webhook_port: int, *, now: datetime) -> None:
    """Make a key that is revoked, and the webhook endpoints: of three servers one is well."""
    old, _ = keys.create_key(
        session, "Old laptop", scopes={Scope.USAGE_WRITE}, pepper=runtime().pepper, now=now
    )
    session.flush()  # a key is revoked by its id
    keys.revoke_key(session, old.id, now=now)
    for path, (description, event_types) in _ENDPOINTS.items():
        endpoints.register(
            session,
            f"http://127.0.0.1:{webhook_port}{path}",
            event_types,
            description=description,
            keyring=runtime().keyring,
            allow_loopback=True,
            now=now,
        )
