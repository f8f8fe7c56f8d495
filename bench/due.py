"""A merchant whose contracts are due: for one or two months, with coupons, balances, or nothing."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM
from app.billing import balances
from app.billing.coupon_models import ContractCoupon
from app.core.db import Transaction, merchant_of
from app.core.ids import new_id
from app.core.money import Currency, Money
from app.core.periods import Cycle
from app.customers.models import Contract, Customer
from app.identity.models import Merchant, Mode
from app.metering.models import UsageRollup
from app.pricing import metrics, products, queries, rate_cards
from app.pricing.discounts import Duration
from app.pricing.models import Coupon

METRICS = ("tokens_input", "images")
OPENED_AT = datetime(2026, 3, 1, tzinfo=UTC)
APRIL_1, MAY_1 = date(2026, 4, 1), date(2026, 5, 1)
MIDNIGHTS = {
    APRIL_1: datetime(2026, 3, 31, 16, tzinfo=UTC),
    MAY_1: datetime(2026, 4, 30, 16, tzinfo=UTC),
}
MAY_IS_OVER = datetime(2026, 5, 31, 16, tzinfo=UTC)

Period = tuple[str, date]
"""What an invoice is for: a customer, each of whom has one contract, and the first day."""


def open_shop(transaction: Transaction, *, contracts: int) -> set[Period]:
    """Make a merchant whose customers used something in April and May; return what is due.

    Every seventh contract has been there since April and has missed a run, every tenth has used
    nothing, every eleventh has a coupon, every thirteenth customer something to his credit.
    """
    with transaction() as session:
        session.add(
            Merchant(
                merchant_id=merchant_of(session),
                company_id=1,
                mode=Mode.SANDBOX,
                name="Lumen AI",
                invoice_prefix="LUM",
                late_window_days=35,
                grace_hours=24,
                created_at=OPENED_AT,
            )
        )
        version_id, coupon_id = _price(session), _promote(session)
        metric_ids = [metric.id for metric in queries.metrics_by_code(session, METRICS).values()]
        customers = [_customer(session, number) for number in range(contracts)]
        session.flush()  # their contracts name them
        starts = [APRIL_1 if number % 7 == 0 else MAY_1 for number in range(contracts)]
        signed = [
            _contract(session, customer, version_id, starts_on=starts_on)
            for customer, starts_on in zip(customers, starts, strict=True)
        ]
        session.flush()  # their coupons name them
        for number, contract in enumerate(signed):
            if number % 10:
                _use(session, contract, metric_ids, quantity=Decimal(1_000 + number))
            if number % 11 == 0:
                _attach(session, contract, coupon_id)
            if number % 13 == 0:
                _give(session, contract)
        return {
            (customer.external_id, first_day)
            for customer, starts_on in zip(customers, starts, strict=True)
            for first_day in MIDNIGHTS
            if first_day >= starts_on
        }


def _price(session: Session) -> int:
    """Publish prices and return the version's id."""
    metrics.make_built_in(session, now=OPENED_AT)
    product = products.create_product(session, code="chat", name="Chat", now=OPENED_AT)
    prices = [{"metric": code, "model": "standard", "unit_price": "0.15"} for code in METRICS]
    version = rate_cards.create_rate_card(
        session,
        product_id=product.id,
        code="standard",
        name="Standard",
        content={"currencies": {"USD": prices}},
        actor=SYSTEM,
        now=OPENED_AT,
    )
    return version.id


def _promote(session: Session) -> int:
    """Return a coupon whose redemptions are counted."""
    coupon = Coupon(
        merchant_id=merchant_of(session),
        id=new_id(),
        code="WELCOME",
        name="Welcome",
        percent=Decimal(10),
        duration=Duration.ONCE,
        product_codes=[],
        metric_codes=[],
        max_redemptions=1_000_000,
        is_for_new_customers=False,
        created_at=OPENED_AT,
    )
    session.add(coupon)
    return coupon.id


def _customer(session: Session, number: int) -> Customer:
    customer = Customer(
        merchant_id=merchant_of(session),
        id=new_id(),
        external_id=f"user_{number}",
        name="Customer",
        created_at=OPENED_AT,
    )
    session.add(customer)
    return customer


def _contract(
    session: Session, customer: Customer, version_id: int, *, starts_on: date
) -> Contract:
    contract = Contract(
        merchant_id=customer.merchant_id,
        id=new_id(),
        customer_id=customer.id,
        rate_card_version_id=version_id,
        currency=Currency.USD,
        cycle=Cycle.MONTHLY_CALENDAR,
        starts_on=starts_on,
        anchor_on=starts_on,
        next_period_at=MIDNIGHTS[starts_on],
        due_at=MIDNIGHTS[MAY_1] if starts_on == APRIL_1 else MAY_IS_OVER,
        created_at=OPENED_AT,
    )
    session.add(contract)
    return contract


def _use(
    session: Session, contract: Contract, metric_ids: Sequence[int], *, quantity: Decimal
) -> None:
    session.add_all(
        UsageRollup(
            merchant_id=contract.merchant_id,
            customer_id=contract.customer_id,
            metric_id=metric_id,
            day=first_day.replace(day=20),
            quantity=quantity,
            events=2,
            maximum=quantity,
            last_at=MAY_IS_OVER,
            last_id=1,
            last_quantity=quantity,
        )
        for metric_id in metric_ids
        for first_day in MIDNIGHTS
    )


def _attach(session: Session, contract: Contract, coupon_id: int) -> None:
    session.add(
        ContractCoupon(
            merchant_id=contract.merchant_id,
            contract_id=contract.id,
            position=1,
            coupon_id=coupon_id,
            attached_at=OPENED_AT,
        )
    )


def _give(session: Session, contract: Contract) -> None:
    balances.adjust(
        session,
        contract.customer_id,
        Money(500, Currency.CNY),
        reason="Thanks",
        actor=SYSTEM,
        now=OPENED_AT,
    )
