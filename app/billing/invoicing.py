"""Invoices of usage: a draft when the period is over, finalised once the grace has passed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.billing import bills, collection, issuing, late_credits, queries, redemptions
from app.billing.bills import Bill
from app.billing.desk import Desk
from app.billing.issuing import Ready
from app.billing.lines import Line
from app.billing.models import (
    INVOICE,
    Invoice,
    InvoiceEvent,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
)
from app.billing.quotes import Quoter
from app.billing.totals import LineTotal
from app.core import db, ids
from app.core.periods import Period, local_date
from app.customers import contracts as billing_contracts
from app.customers.models import Contract
from app.fx.rates import RateSource
from app.identity import clocks
from app.identity.models import Merchant

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
    return next(iter(_draft(session, [contract], now=now)), None)


def draft_all(session: Session, contract_ids: Collection[int], *, now: datetime) -> list[Invoice]:
    """Draft the invoices of contracts as `draft` does each, in not many more statements than one.

    A contract that somebody else has locked is left to him, and stays due if it is.
    """
    contracts = db.get_all_locked(session, Contract, contract_ids, skip_locked=True)
    return _draft(session, contracts, now=now)


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
    desk = Desk(session, [contract])
    late = bills.draw_late(desk, contract)
    if not late.amount:
        late_credits.give(session, contract, now=now)
        contract.late_from = contract.retry_at = None
        return None
    values = _draft_values(desk, contract, period, now=now)
    found = _insert_drafts(session, [values | {"kind": InvoiceKind.LATE, "finalize_at": now}])
    for invoice in found:
        _write(desk, invoice, bills.bill_of(desk, contract, invoice), contract=contract)
    return next(iter(found), None)


def finalize(session: Session, invoice_id: int, *, rates: RateSource, now: datetime) -> Outcome:
    """Issue a draft: rate all usage of its period, lock rates, terms and amounts, give a number.

    See `issuing.issue`. Holds the merchant, so that the clock does not go back; then locks the
    contract, so that usage is either in the invoice or late; then the invoice, the coupons it
    redeems, the balance, and the series of numbers, so that these have no gaps. Finalising twice
    changes nothing. Raises NotFound, LineTooLarge and NoRate.
    """
    merchant = clocks.hold_merchant(session)
    contract = _lock_contract_of(session, queries.get_invoice(session, invoice_id))
    invoice = collection.lock_invoice(session, invoice_id)
    if INVOICE.is_repeat(invoice.status, InvoiceEvent.FINALIZE):
        return Outcome.REPEATED
    contracts = {} if contract is None else {contract.id: contract}
    _finalize(session, [invoice], contracts, merchant=merchant, rates=rates, now=now)
    return Outcome.FINALIZED


def finalize_all(
    session: Session, invoice_ids: Collection[int], *, rates: RateSource, now: datetime
) -> list[Invoice]:
    """Issue drafts as `finalize` does each, in not many more statements than one takes.

    One that somebody else has locked, or its contract, is left to him. Returns those issued.
    """
    merchant = clocks.hold_merchant(session)
    wanted = queries.contracts_of_drafts(session, invoice_ids)
    of_contract = {contract_id for contract_id in wanted.values() if contract_id is not None}
    locked = db.get_all_locked(session, Contract, of_contract, skip_locked=True)
    contracts = {contract.id: contract for contract in locked}
    free = [
        invoice_id
        for invoice_id, contract_id in wanted.items()
        if contract_id is None or contract_id in contracts
    ]
    found = db.get_all_locked(session, Invoice, free, skip_locked=True)
    drafts = [invoice for invoice in found if invoice.status is InvoiceStatus.DRAFT]
    _finalize(session, drafts, contracts, merchant=merchant, rates=rates, now=now)
    return drafts


def _draft(session: Session, contracts: Sequence[Contract], *, now: datetime) -> list[Invoice]:
    """Draft what is over of the open periods of contracts, which are locked."""
    merchant = clocks.get_merchant(session)
    due = {}
    for contract in contracts:
        period = contract.open_period
        if period is not None and period.end_at <= now:
            due[contract.id] = contract, period
    desk = Desk(session, [contract for contract, _ in due.values()])
    values = [
        _draft_values(desk, contract, period, now=now)
        | {"finalize_at": _grace_ends(contract, period, merchant)}
        for contract, period in due.values()
    ]
    invoices = _insert_drafts(session, values) if values else []
    for contract, _ in due.values():
        billing_contracts.advance_period(contract, zone=ZoneInfo(merchant.time_zone))
        contract.retry_at = None
    billed = [(invoice, due[_contract_id(invoice)][0]) for invoice in invoices]
    desk.expect([desk.scope_of(contract, invoice) for invoice, contract in billed])
    for invoice, contract in billed:
        _write(desk, invoice, bills.bill_of(desk, contract, invoice), contract=contract)
    return invoices


def _finalize(
    session: Session,
    invoices: Sequence[Invoice],
    contracts: Mapping[int, Contract],
    *,
    merchant: Merchant,
    rates: RateSource,
    now: datetime,
) -> None:
    """Issue drafts, which are locked, as are their contracts."""
    if not invoices:
        return
    of_contract = [
        (invoice, contracts[invoice.contract_id])
        for invoice in invoices
        if invoice.contract_id is not None
    ]
    desk = Desk(session, [contract for _, contract in of_contract])
    quoter = Quoter(session, rates=rates, now=now)
    usage = [pair for pair in of_contract if pair[0].kind is InvoiceKind.USAGE]
    desk.expect([desk.scope_of(contract, invoice) for invoice, contract in usage])
    young = _young(session, invoices)
    # All is looked up before anything is set: a flush in between would be half an invoice.
    worked_out = []
    for invoice in invoices:
        contract = None if invoice.contract_id is None else contracts[invoice.contract_id]
        bill = bills.bill_of(desk, contract, invoice)
        worked_out.append((invoice, contract, bill, quoter.quote(bill.totals.total)))
    queries.delete_lines(session, invoices)
    ready = []
    for invoice, contract, bill, locked in worked_out:
        ready.append(Ready(invoice, _write(desk, invoice, bill, contract=contract), locked))
        if contract is not None:
            _note_billed(contract, invoice)
            late_from = bill.draw.late_from, invoice.period_from if invoice.id in young else None
            contract.late_from = min(filter(None, late_from), default=None)
            if desk.may_redeem(contract):
                redemptions.count(session, invoice)
    issuing.issue(session, ready, merchant=merchant, now=now)


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


def _young(session: Session, invoices: Sequence[Invoice]) -> set[int]:
    """Return the invoices for whose period usage may still be on its way, unseen by them.

    Usage of an open period is stored without a lock; a request that began before the draft was
    made may end after the invoice is out. The next invoice looks at the period again.
    """
    ids = [invoice.id for invoice in invoices if invoice.kind is InvoiceKind.USAGE]
    is_young = Invoice.drafted_at > func.now() - STRAGGLERS
    return set(session.scalars(select(Invoice.id).where(Invoice.id.in_(ids), is_young)))


def _contract_id(invoice: Invoice) -> int:
    """Return the contract of an invoice that is of one."""
    if invoice.contract_id is None:
        raise ValueError(f"invoice {invoice.id} is of no contract")
    return invoice.contract_id


def _note_billed(contract: Contract, invoice: Invoice) -> None:
    if invoice.kind is InvoiceKind.USAGE:
        end_at = invoice.period_end_at
        contract.billed_to = max(contract.billed_to or end_at, end_at)


def _draft_values(
    desk: Desk, contract: Contract, period: Period, *, now: datetime
) -> dict[str, Any]:
    merchant = clocks.get_merchant(desk.session)
    zone = ZoneInfo(merchant.time_zone)
    version = desk.version_of(contract)
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


def _insert_drafts(session: Session, values: Sequence[dict[str, Any]]) -> list[Invoice]:
    """Insert drafts and return those that were not there yet."""
    return list(
        session.scalars(
            insert(Invoice)
            .on_conflict_do_nothing(
                index_elements=["merchant_id", "contract_id", "period_start_at", "kind", "issue"]
            )
            .returning(Invoice),
            values,
        )
    )


def _grace_ends(contract: Contract, period: Period, merchant: Merchant) -> datetime:
    """Return when a period's usage counts as complete.

    A contract that begins in the past could not be billed before it was there: the grace of its
    past periods starts with it, so that their usage can still be sent.
    """
    return max(period.end_at, contract.created_at) + timedelta(hours=merchant.grace_hours)


def _write(
    desk: Desk, invoice: Invoice, bill: Bill, *, contract: Contract | None
) -> list[InvoiceLine]:
    """Write what a draft bills, which has no lines now; return its lines."""
    totals = bill.totals
    invoice.discount_minor = totals.discount.minor
    invoice.subtotal_minor = totals.subtotal.minor
    invoice.tax_minor, invoice.total_minor = totals.tax.minor, totals.total.minor
    lines = [
        _row(invoice, position, line, total=total)
        for position, (line, total) in enumerate(
            zip(bill.lines, totals.lines, strict=True), start=1
        )
    ]
    desk.session.add_all(lines)
    if contract is not None and desk.may_redeem(contract):
        redemptions.reserve(desk.session, invoice, bill.discounts, contract=contract)
    return lines


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
