"""Invoices of usage: a draft when the period is over, finalised once the grace has passed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.billing import collection, lines
from app.billing.amounts import sum_lines
from app.billing.lines import Line, Scope
from app.billing.models import (
    INVOICE,
    Invoice,
    InvoiceCounter,
    InvoiceEvent,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
)
from app.billing.quotes import Quote, quote
from app.core import db, ids
from app.core.money import Money
from app.core.periods import Period, local_date
from app.customers import contracts
from app.customers.models import Contract
from app.fx.rates import RateSource
from app.identity import clocks
from app.identity.models import Merchant
from app.ledger import journals, posting
from app.pricing import queries as catalogue

PAYMENT_TERM = timedelta(days=14)
"""How long after it was finalised an invoice falls due."""


class Outcome(StrEnum):
    FINALIZED = "finalized"
    REPEATED = "repeated"  # it was finalised before; nothing changed


@dataclass(frozen=True, slots=True)
class Preview:
    """What the open period of a contract would be billed with the usage so far."""

    period_from: date
    period_to: date
    lines: Sequence[Line]
    quote: Quote


def draft(session: Session, contract_id: int, *, now: datetime) -> Invoice | None:
    """Draft the invoice of the contract's open period, if that is over, and open the next one.

    Locks the contract. The unique key of contract, period and kind decides, not a look before.
    Returns None when nothing is due, or the invoice is there already. Raises NotFound and
    LineTooLarge.
    """
    contract = db.get_locked(session, Contract, contract_id, noun="contract")
    period = contract.open_period
    if period is None or period.end_at > now:
        return None
    merchant = clocks.get_merchant(session)
    invoice = _insert_draft(session, contract, period, now=now)
    contracts.advance_period(contract, zone=ZoneInfo(merchant.time_zone))
    contract.retry_at = None
    if invoice is not None:
        rated = lines.rate_usage(session, _scope(invoice))
        invoice.subtotal_minor = _subtotal(invoice, rated).minor
        _write_lines(session, invoice, rated)
    return invoice


def finalize(session: Session, invoice_id: int, *, rates: RateSource, now: datetime) -> Outcome:
    """Issue a draft: rate all usage of its period, lock rates, terms and amounts, give a number.

    One that comes to nothing is paid at once. Posts T1, emits the event and owes the PDF. Locks
    the merchant, then the invoice, so that numbers have no gaps and the clock no way back.
    Finalising twice changes nothing. Raises NotFound, LineTooLarge and NoRate.
    """
    merchant = clocks.lock_merchant(session)
    invoice = collection.lock_invoice(session, invoice_id)
    if INVOICE.is_repeat(invoice.status, InvoiceEvent.FINALIZE):
        return Outcome.REPEATED
    # All is looked up before anything is set: a flush in between would be half an invoice.
    rated = lines.rate_usage(session, _scope(invoice))
    locked = quote(session, _subtotal(invoice, rated), rates=rates, now=now)
    number = _next_number(session, merchant, now=now)
    _lock(invoice, locked)
    invoice.status = INVOICE.after(invoice.status, InvoiceEvent.FINALIZE)
    invoice.number, invoice.finalized_at, invoice.due_at = number, now, now + PAYMENT_TERM
    merchant.first_invoice_at = merchant.first_invoice_at or now
    _write_lines(session, invoice, rated)
    if not invoice.collection:
        collection.mark_paid(session, invoice, now=now)
        return Outcome.FINALIZED
    posting.post(session, journals.invoice_finalized(invoice.id, invoice.collection), now=now)
    collection.announce(session, invoice, now=now)
    return Outcome.FINALIZED


def preview(
    session: Session, contract: Contract, *, rates: RateSource, now: datetime
) -> Preview | None:
    """Return what the contract's open period comes to so far, or None when it has none.

    Nothing is written. Raises LineTooLarge and NoRate.
    """
    period = contract.open_period
    if period is None:
        return None
    zone = ZoneInfo(clocks.get_merchant(session).time_zone)
    scope = Scope(
        contract.customer_id,
        contract.rate_card_version_id,
        contract.currency,
        local_date(period.start_at, zone),
        local_date(period.end_at, zone),
    )
    rated = lines.rate_usage(session, scope)
    subtotal = sum_lines((line.amount for line in rated), contract.currency)
    quoted = quote(session, subtotal, rates=rates, now=now)
    return Preview(scope.first_day, scope.end_day, rated, quoted)


def _insert_draft(
    session: Session, contract: Contract, period: Period, *, now: datetime
) -> Invoice | None:
    merchant = clocks.get_merchant(session)
    zone = ZoneInfo(merchant.time_zone)
    version = catalogue.get_version(session, contract.rate_card_version_id)
    invoice: Invoice | None = session.scalar(
        insert(Invoice)
        .values(
            merchant_id=contract.merchant_id,
            kind=InvoiceKind.USAGE,
            status=InvoiceStatus.DRAFT,
            customer_id=contract.customer_id,
            contract_id=contract.id,
            period_start_at=period.start_at,
            period_end_at=period.end_at,
            period_from=local_date(period.start_at, zone),
            period_to=local_date(period.end_at, zone),
            time_zone=merchant.time_zone,
            currency=contract.currency,
            subtotal_minor=0,
            settlement_currency=merchant.settlement_currency,
            rate_card_version_id=version.id,
            rate_card=version.content,
            rate_card_sha256=version.sha256,
            link_secret=ids.random_base62(collection.SECRET_LENGTH),
            created_at=now,
            finalize_at=_grace_ends(contract, period, merchant),
        )
        .on_conflict_do_nothing(
            index_elements=["merchant_id", "contract_id", "period_start_at", "kind"]
        )
        .returning(Invoice)
    )
    return invoice


def _grace_ends(contract: Contract, period: Period, merchant: Merchant) -> datetime:
    """Return when a period's usage counts as complete.

    A contract that begins in the past could not be billed before it was there: the grace of its
    past periods starts with it, so that their usage can still be sent.
    """
    return max(period.end_at, contract.created_at) + timedelta(hours=merchant.grace_hours)


def _scope(invoice: Invoice) -> Scope:
    return Scope(
        invoice.customer_id,
        invoice.rate_card_version_id,
        invoice.currency,
        invoice.period_from,
        invoice.period_to,
    )


def _subtotal(invoice: Invoice, rated: Sequence[Line]) -> Money:
    return sum_lines((line.amount for line in rated), invoice.currency)


def _write_lines(session: Session, invoice: Invoice, rated: Sequence[Line]) -> None:
    """Replace the lines of a draft: usage may have come late, within the grace."""
    session.execute(delete(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
    session.add_all(
        InvoiceLine(
            merchant_id=invoice.merchant_id,
            invoice_id=invoice.id,
            position=position,
            period_from=invoice.period_from,
            period_to=invoice.period_to,
            metric_id=line.metric.id,
            metric_code=line.metric.code,
            description=line.metric.name,
            unit=line.metric.unit,
            quantity=line.usage.quantity,
            events=line.usage.events,
            amount_minor=line.amount.minor,
            is_priced=line.is_priced,
            tiers=line.tiers,
        )
        for position, line in enumerate(rated, start=1)
    )


def _lock(invoice: Invoice, locked: Quote) -> None:
    amounts, terms = locked.amounts, locked.terms
    invoice.subtotal_minor = amounts.subtotal.minor
    invoice.collection_minor = amounts.collect.minor
    invoice.platform_fee_minor = amounts.platform_fee.minor
    invoice.net_minor = amounts.net.minor
    invoice.settlement_minor = amounts.settlement.minor
    invoice.settlement_currency = amounts.settlement.currency
    invoice.fee_bps, invoice.fee_fixed_minor = terms.fee_bps, terms.fee_fixed_minor
    invoice.fx = locked.fx


def _next_number(session: Session, merchant: Merchant, *, now: datetime) -> str:
    """Take the next number of the merchant's calendar year; a rollback gives it back."""
    year = str(local_date(now, ZoneInfo(merchant.time_zone)).year)
    last = session.scalars(
        insert(InvoiceCounter)
        .values(merchant_id=merchant.merchant_id, series=year, last=1)
        .on_conflict_do_update(
            index_elements=["merchant_id", "series"], set_={"last": InvoiceCounter.last + 1}
        )
        .returning(InvoiceCounter.last)
    ).one()
    return f"{merchant.invoice_prefix}-{year}-{last:06d}"
