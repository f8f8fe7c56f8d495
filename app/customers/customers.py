"""Customers: who the merchant bills, under the ids of the merchant's own system."""

from datetime import datetime

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.core import db
from app.core.errors import Conflict, Invalid
from app.core.ids import Prefix, show
from app.core.text import clean_name
from app.customers import telling
from app.customers.models import (
    CUSTOMER,
    Contract,
    ContractStatus,
    Customer,
    CustomerEvent,
)
from app.pricing import taxes
from app.webhooks.catalogue import EventType

LANGUAGES = ("zh_Hans_CN", "en")
"""The languages a customer's bills and mails are written in."""


class ExternalIdTaken(Conflict):
    code = "external_id_taken"


class CustomerHasContracts(Conflict):
    code = "customer_has_contracts"


class InvalidEmail(Invalid):
    code = "invalid_email"


class UnknownLanguage(Invalid):
    code = "unknown_language"


class ExemptWithRate(Invalid):
    code = "exempt_with_tax_rate"


def create_customer(
    session: Session,
    *,
    external_id: str,
    name: str,
    email: str = "",
    language: str = "zh_Hans_CN",
    is_reminded: bool = True,
    now: datetime,
) -> Customer:
    """Add a customer; `email` may be empty. Raises Invalid and ExternalIdTaken."""
    statement = insert(Customer).values(
        merchant_id=db.merchant_of(session),
        external_id=clean_name(external_id, path="external_id"),
        name=clean_name(name, path="name"),
        email=_clean_email(email),
        language=_known_language(language),
        is_reminded=is_reminded,
        created_at=now,
    )
    free = statement.on_conflict_do_nothing(index_elements=["merchant_id", "external_id"])
    customer: Customer | None = session.scalar(free.returning(Customer))
    if customer is None:
        raise ExternalIdTaken(f"there is a customer {external_id} already")
    telling.tell_customer(session, EventType.CUSTOMER_CREATED, customer, now=now)
    return customer


def update_customer(
    session: Session,
    customer_id: int,
    *,
    name: str | None = None,
    email: str | None = None,
    language: str | None = None,
    is_reminded: bool | None = None,
    now: datetime,
) -> Customer:
    """Change what is given; the external id stays for ever. Raises NotFound and Invalid."""
    customer = db.get_locked(session, Customer, customer_id, noun="customer")
    if name is not None:
        customer.name = clean_name(name, path="name")
    if email is not None:
        customer.email = _clean_email(email)
    if language is not None:
        customer.language = _known_language(language)
    if is_reminded is not None:
        customer.is_reminded = is_reminded
    telling.tell_changed(session, customer, now=now)
    return customer


def set_tax(
    session: Session,
    customer_id: int,
    *,
    tax_rate_id: int | None,
    is_exempt: bool,
    actor: Actor,
    now: datetime,
) -> Customer:
    """Put all that the customer buys under a rate, under none, or under those of the products.

    It holds for every invoice that is finalised from now on. Locks the rate, then the customer.
    Raises NotFound, TaxRateArchived, and ExemptWithRate when both are asked for.
    """
    if tax_rate_id is not None and is_exempt:
        raise ExemptWithRate("an exempt customer has no tax rate", path="tax_rate_id")
    if tax_rate_id is not None:
        taxes.lock_active(session, tax_rate_id)
    customer = db.get_locked(session, Customer, customer_id, noun="customer")
    before = _tax_of(customer)
    customer.tax_rate_id, customer.is_tax_exempt = tax_rate_id, is_exempt
    telling.tell_changed(session, customer, now=now)
    subject, change = show(Prefix.CUSTOMER, customer.id), Change(before, _tax_of(customer))
    record(session, actor, "customer.tax_changed", subject=subject, change=change, now=now)
    return customer


def archive_customer(session: Session, customer_id: int, *, now: datetime) -> Customer:
    """Close the customer to new contracts. Doing it twice changes nothing.

    Locks the customer, as making a contract does. Raises NotFound, and CustomerHasContracts
    while a contract runs or has a period to invoice.
    """
    customer = db.get_locked(session, Customer, customer_id, noun="customer")
    of_customer = select(Contract.id).where(Contract.customer_id == customer.id)
    # An ended contract may still have its last period to invoice.
    unfinished = (Contract.status == ContractStatus.ACTIVE) | Contract.due_at.is_not(None)
    if session.scalar(of_customer.where(unfinished).limit(1)) is not None:
        raise CustomerHasContracts(f"{customer.external_id} has contracts; end them first")
    return _move(session, customer, CustomerEvent.ARCHIVE, now=now)


def restore_customer(session: Session, customer_id: int, *, now: datetime) -> Customer:
    """Open the customer again. Doing it twice changes nothing. Raises NotFound."""
    customer = db.get_locked(session, Customer, customer_id, noun="customer")
    return _move(session, customer, CustomerEvent.RESTORE, now=now)


def _move(session: Session, customer: Customer, event: CustomerEvent, *, now: datetime) -> Customer:
    if not CUSTOMER.is_repeat(customer.status, event):
        customer.status = CUSTOMER.after(customer.status, event)
        telling.tell_changed(session, customer, now=now)
    return customer


def _tax_of(customer: Customer) -> dict[str, object]:
    rate_id = customer.tax_rate_id
    shown = None if rate_id is None else show(Prefix.TAX_RATE, rate_id)
    return {"tax_rate": shown, "is_tax_exempt": customer.is_tax_exempt}


def _clean_email(email: str) -> str:
    if not email:
        return email
    try:
        return validate_email(email, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise InvalidEmail(str(error), path="email") from error


def _known_language(language: str) -> str:
    if language not in LANGUAGES:
        raise UnknownLanguage(f"must be one of {', '.join(LANGUAGES)}", path="language")
    return language
