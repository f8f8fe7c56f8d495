"""Invoices of usage: a draft when the period is over, finalised once the grace has passed."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.billing import balances, bills, collection, late_credits, numbers, queries, redemptions
from app.billing.bills import Bill
from app.billing.lines import Line
from app.billing.models import (
    INVOICE,
    Invoice,
    InvoiceEvent,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
)
from app.billing.quotes import Quote, quote
from app.billing.totals import LineTotal
from app.core import db, ids
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

STRAGGLERS = timedelta(minutes=1)
"""How long, in real time, a request may still be storing usage of a period since drafted."""


class Outcome(StrEnum):
    FINALIZED = "finalized"
    REPEATED = "repeated"  # it was finalised before; nothing changed


def draft(session: Session, contract_id: int, *, now: datetime) -> Invoice | None:
    """Draft the invoice of the contract's open period, if that is over, and open the next one.

    Locks the contract. The unique key of contract, period and kind decides, not a look before.
    Returns None when nothing is due, or the invoice is there already. Raises NotFound and
    LineTooLarge.
    """
    contract = _lock_contract(session, contract_id)
    period = contract.open_period
    if period is None or period.end_at > now:
        return None
    merchant = clocks.get_merchant(session)
    finalize_at = _grace_ends(contract, period, merchant)
    values = _draft_values(session, contract, period, now=now)
    invoice = _insert_draft(session, values | {"finalize_at": finalize_at})
    contracts.advance_period(contract, zone=ZoneInfo(merchant.time_zone))
    contract.retry_at = None
    if invoice is not None:
        _write(session, invoice, bills.bill_of(session, contract, invoice), contract=contract)
    return invoice


def draft_late(session: Session, contract_id: int, *, now: datetime) -> Invoice | None:
    """Draft the one invoice of late usage of a contract that has no next one.

    It is due when no more usage can come. Locks the contract. Returns None when it is not, or
    nothing is to be paid; what the contract is owed then becomes credit notes. Raises NotFound
    and LineTooLarge.
    """
    contract = _lock_contract(session, contract_id)
    period = _collecting(session, contract, now=now)
    if period is None:
        return None
    late = bills.draw_late(session, contract)
    if not late.amount:
        late_credits.give(session, contract, now=now)
        contract.late_from = contract.retry_at = None
        return None
    values = _draft_values(session, contract, period, now=now)
    invoice = _insert_draft(session, values | {"kind": InvoiceKind.LATE, "finalize_at": now})
    if invoice is not None:
        _write(session, invoice, bills.bill_of(session, contract, invoice), contract=contract)
    return invoice


def finalize(session: Session, invoice_id: int, *, rates: RateSource, now: datetime) -> Outcome:
    """Issue a draft: rate all usage of its period, lock rates, terms and amounts, give a number.

    See `issue`. Locks the merchant, so that numbers have no gaps and the clock no way back; then
    the contract, so that usage is either in the invoice or late; then the invoice, the coupons it
    redeems, and the balance. Finalising twice changes nothing. Raises NotFound, LineTooLarge and
    NoRate.
    """
    merchant = clocks.lock_merchant(session)
    contract = _lock_contract_of(session, queries.get_invoice(session, invoice_id))
    invoice = collection.lock_invoice(session, invoice_id)
    if INVOICE.is_repeat(invoice.status, InvoiceEvent.FINALIZE):
        return Outcome.REPEATED
    # All is looked up before anything is set: a flush in between would be half an invoice.
    bill = bills.bill_of(session, contract, invoice)
    locked = quote(session, bill.totals.total, rates=rates, now=now)
    stragglers_from = _stragglers_from(session, invoice)
    _write(session, invoice, bill, contract=contract)
    redemptions.count(session, invoice)
    if contract is not None:
        _note_billed(contract, invoice)
        late_from = (bill.draw.late_from, stragglers_from)
        contract.late_from = min(filter(None, late_from), default=None)
    issue(session, invoice, locked, merchant=merchant, now=now)
    return Outcome.FINALIZED


def issue(
    session: Session, invoice: Invoice, locked: Quote, *, merchant: Merchant, now: datetime
) -> None:
    """Make a draft that has its lines an open invoice, with a number and what `locked` says.

    The customer's balance pays what it can; where nothing is due, the invoice is paid at once.
    Posts T1, emits the event and owes the PDF. The merchant and the invoice are locked.
    """
    number = numbers.next_invoice_number(session, merchant, now=now)
    _lock(invoice, locked)
    invoice.status = INVOICE.after(invoice.status, InvoiceEvent.FINALIZE)
    invoice.number, invoice.finalized_at, invoice.due_at = number, now, now + PAYMENT_TERM
    merchant.first_invoice_at = merchant.first_invoice_at or now
    balance = balances.use(session, invoice, now=now)
    if balance:
        _lock(invoice, locked.less(balance))
    journal = journals.invoice_finalized(invoice.id, invoice.collection, due=invoice.due)
    posting.post(session, journal, now=now)
    if invoice.due:
        collection.announce(session, invoice, now=now)
    else:
        collection.mark_paid(session, invoice, now=now)


def _lock_contract(session: Session, contract_id: int) -> Contract:
    """Lock the contract: who stores usage of a period that was drafted locks it too."""
    return db.get_locked(session, Contract, contract_id, noun="contract")


def _lock_contract_of(session: Session, invoice: Invoice) -> Contract | None:
    if invoice.contract_id is None:
        return None
    return _lock_contract(session, invoice.contract_id)


def _collecting(session: Session, contract: Contract, *, now: datetime) -> Period | None:
    """Return the time in which late usage of an ended contract came, None while it still may.

    It begins where the contract's last invoice ends, and so names the invoice of late usage: two
    of them can not begin at one instant.
    """
    merchant = clocks.get_merchant(session)
    if contract.billed_to is None or contract.late_from is None or contract.open_period:
        return None
    closed_at = contract.billed_to + timedelta(
        days=merchant.late_window_days, hours=merchant.grace_hours
    )
    of_contract = Invoice.contract_id == contract.id
    is_drafted = exists().where(of_contract, Invoice.status == InvoiceStatus.DRAFT)
    if closed_at >= now or session.scalar(select(is_drafted)):
        return None
    last = session.scalar(select(func.max(Invoice.period_end_at)).where(of_contract))
    start_at = max(contract.billed_to, last or contract.billed_to)
    return Period(start_at, now) if start_at < now else None


def _stragglers_from(session: Session, invoice: Invoice) -> date | None:
    """Return the first day for which usage may still be on its way, unseen by this invoice.

    Usage of an open period is stored without a lock; a request that began before the draft was
    made may end after the invoice is out. The next invoice looks at the period again.
    """
    is_young = select(Invoice.drafted_at > func.now() - STRAGGLERS).where(Invoice.id == invoice.id)
    is_open = invoice.kind is InvoiceKind.USAGE and session.scalar(is_young)
    return invoice.period_from if is_open else None


def _note_billed(contract: Contract, invoice: Invoice) -> None:
    if invoice.kind is InvoiceKind.USAGE:
        end_at = invoice.period_end_at
        contract.billed_to = max(contract.billed_to or end_at, end_at)


def _draft_values(
    session: Session, contract: Contract, period: Period, *, now: datetime
) -> dict[str, Any]:
    merchant = clocks.get_merchant(session)
    zone = ZoneInfo(merchant.time_zone)
    version = catalogue.get_version(session, contract.rate_card_version_id)
    return {
        "merchant_id": contract.merchant_id,
        "kind": InvoiceKind.USAGE,
        "status": InvoiceStatus.DRAFT,
        "customer_id": contract.customer_id,
        "contract_id": contract.id,
        "period_start_at": period.start_at,
        "period_end_at": period.end_at,
        "period_from": local_date(period.start_at, zone),
        "period_to": local_date(period.end_at, zone),
        "time_zone": merchant.time_zone,
        "currency": contract.currency,
        "subtotal_minor": 0,
        "settlement_currency": merchant.settlement_currency,
        "rate_card_version_id": version.id,
        "rate_card": version.content,
        "rate_card_sha256": version.sha256,
        "link_secret": ids.random_base62(collection.SECRET_LENGTH),
        "created_at": now,
    }


def _insert_draft(session: Session, values: dict[str, Any]) -> Invoice | None:
    invoice: Invoice | None = session.scalar(
        insert(Invoice)
        .values(values)
        .on_conflict_do_nothing(
            index_elements=["merchant_id", "contract_id", "period_start_at", "kind", "issue"]
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


def _write(session: Session, invoice: Invoice, bill: Bill, *, contract: Contract | None) -> None:
    """Replace what a draft bills: usage may have come late, within the grace."""
    totals = bill.totals
    invoice.discount_minor = totals.discount.minor
    invoice.subtotal_minor = totals.subtotal.minor
    invoice.tax_minor, invoice.total_minor = totals.tax.minor, totals.total.minor
    session.execute(delete(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
    lines = zip(bill.lines, totals.lines, strict=True)
    session.add_all(
        _row(invoice, position, line, total=total)
        for position, (line, total) in enumerate(lines, start=1)
    )
    if contract is not None:
        redemptions.reserve(session, invoice, bill.discounts, contract=contract)


def _row(invoice: Invoice, position: int, line: Line, *, total: LineTotal) -> InvoiceLine:
    return InvoiceLine(
        merchant_id=invoice.merchant_id,
        invoice_id=invoice.id,
        position=position,
        kind=line.kind,
        part=dict(line.part),
        period_from=line.first_day,
        period_to=line.end_day,
        metric_id=line.metric.id if line.metric else None,
        metric_code=line.metric.code if line.metric else "",
        description=line.description,
        unit=line.metric.unit if line.metric else "",
        quantity=line.usage.quantity,
        events=line.usage.events,
        amount_minor=line.amount.minor,
        discount_minor=total.discount.minor,
        tax_percent=total.tax_percent,
        tax_is_inclusive=total.is_inclusive,
        tax_minor=total.tax.minor,
        is_priced=line.is_priced,
        tiers=list(line.tiers),
    )


def _lock(invoice: Invoice, locked: Quote) -> None:
    amounts, terms = locked.amounts, locked.terms
    invoice.collection_minor, invoice.due_minor = amounts.collect.minor, amounts.due.minor
    invoice.balance_minor = amounts.collect.minor - amounts.due.minor
    invoice.platform_fee_minor = amounts.platform_fee.minor
    invoice.net_minor = amounts.net.minor
    invoice.settlement_minor = amounts.settlement.minor
    invoice.settlement_currency = amounts.settlement.currency
    invoice.fee_bps, invoice.fee_fixed_minor = terms.fee_bps, terms.fee_fixed_minor
    invoice.fx = locked.fx
