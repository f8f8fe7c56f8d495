"""Invoices of usage: a draft when the period is over, finalised once the grace has passed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.billing import bills, collection, issuing, late_credits, queries, redemptions, storing
from app.billing.bills import Bill
from app.billing.desk import Desk
from app.billing.issuing import Ready
from app.billing.models import (
    INVOICE,
    Invoice,
    InvoiceEvent,
    InvoiceKind,
    InvoiceStatus,
)
from app.billing.quotes import Quoter
from app.core import db, ids
from app.core.periods import Period, local_date
from app.customers import contracts as billing_contracts
from app.customers import telling
from app.customers.models import Contract
from app.fx.rates import RateSource
from app.identity import clocks
from app.identity.models import Merchant

STRAGGLERS = timedelta(minutes=1)
"""How long, in real time, a request may still be storing usage of a period since drafted."""


class Outcome(StrEnum):
    FINALIZED = "finalized"
    REPEATED = "repeated"  # it was finalised before; nothing changed


class _Drafted(NamedTuple):
    """A contract, which is locked, and a draft for one of its periods."""

    contract: Contract
    invoice: Invoice


def draft(session: Session, contract_id: int, *, now: datetime) -> Invoice | None:
    """Draft the invoice of the contract's open period, if that is over, and open the next one.

    Locks the contract. The unique key of contract, period and kind decides, not a look before.
    Returns None when nothing is due, or the invoice is there already. Raises NotFound and
    LineTooLarge.
    """
    contract = _lock_contract(session, contract_id)
    return _only(session, _draft(session, [contract], now=now))


def draft_all(session: Session, contract_ids: Collection[int], *, now: datetime) -> list[int]:
    """Draft the invoices of contracts as `draft` does each, in not many more statements than one.

    A contract that somebody else has locked is left to him, and stays due if it is. Returns the
    contracts that have a draft now.
    """
    contracts = db.get_all_locked(session, Contract, contract_ids, skip_locked=True)
    return [drafted.contract.id for drafted in _draft(session, contracts, now=now)]


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
    invoice = _new_draft(desk, contract, period, now=now)
    invoice.kind, invoice.finalize_at = InvoiceKind.LATE, now
    return _only(session, _write_drafts(desk, [_Drafted(contract, invoice)]))


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
    found = db.get_all_locked(session, Invoice, free, skip_locked=True, without=[Invoice.rate_card])
    drafts = [invoice for invoice in found if invoice.status is InvoiceStatus.DRAFT]
    _finalize(session, drafts, contracts, merchant=merchant, rates=rates, now=now)
    return drafts


def _draft(session: Session, contracts: Sequence[Contract], *, now: datetime) -> list[_Drafted]:
    """Draft what is over of the open periods of contracts, which are locked."""
    merchant = clocks.get_merchant(session)
    due = [
        (contract, period)
        for contract in contracts
        if (period := contract.open_period) is not None and period.end_at <= now
    ]
    desk = Desk(session, [contract for contract, _ in due])
    drafts = []
    for contract, period in due:
        invoice = _new_draft(desk, contract, period, now=now)
        invoice.finalize_at = _grace_ends(contract, period, merchant, now=now)
        drafts.append(_Drafted(contract, invoice))
        billing_contracts.advance_period(contract, zone=ZoneInfo(merchant.time_zone))
        contract.retry_at = None
    telling.tell_ended(session, [contract for contract, _ in due], now=now)
    desk.expect([desk.scope_of(each.contract, each.invoice) for each in drafts])
    return _write_drafts(desk, drafts)


def _write_drafts(desk: Desk, drafts: Sequence[_Drafted]) -> list[_Drafted]:
    """Work out drafts and write them down, with their lines, but for those that are there.

    Returns those that were not. Their contracts are locked.
    """
    billed = {each.invoice.id: bills.bill_of(desk, each.contract, each.invoice) for each in drafts}
    for each in drafts:
        _set_totals(each.invoice, billed[each.invoice.id])
    fresh = storing.insert_drafts(desk.session, [each.invoice for each in drafts])
    made = [each for each in drafts if each.invoice.id in fresh]
    rows = [storing.rows_of(each.invoice, billed[each.invoice.id]) for each in made]
    storing.insert_lines(desk.session, [*chain.from_iterable(rows)])
    for each in made:
        _reserve(desk, each.invoice, billed[each.invoice.id], contract=each.contract)
    return made


def _only(session: Session, drafted: Sequence[_Drafted]) -> Invoice | None:
    """Return the one that was drafted, as it is written, None when it was not."""
    return queries.get_invoice(session, drafted[0].invoice.id) if drafted else None


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
    ready, rows = [], []
    for invoice, contract, bill, locked in worked_out:
        lines = storing.rows_of(invoice, bill)
        rows += lines
        ready.append(Ready(invoice, lines, locked))
        _set_totals(invoice, bill)
        if contract is not None:
            _reserve(desk, invoice, bill, contract=contract)
            _note_billed(contract, invoice)
            late_from = bill.draw.late_from, invoice.period_from if invoice.id in young else None
            contract.late_from = min(filter(None, late_from), default=None)
            if desk.may_redeem(contract):
                redemptions.count(session, invoice)
    storing.insert_lines(session, rows)
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
    return set(session.scalars(select(Invoice.id).where(db.among(Invoice.id, ids), is_young)))


def _note_billed(contract: Contract, invoice: Invoice) -> None:
    if invoice.kind is InvoiceKind.USAGE:
        end_at = invoice.period_end_at
        contract.billed_to = max(contract.billed_to or end_at, end_at)


def _new_draft(desk: Desk, contract: Contract, period: Period, *, now: datetime) -> Invoice:
    """Return a draft of the contract's usage that is written nowhere yet."""
    merchant = clocks.get_merchant(desk.session)
    zone = ZoneInfo(merchant.time_zone)
    version = desk.version_of(contract)
    return Invoice(
        merchant_id=contract.merchant_id,
        id=ids.new_id(),
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
        collection_minor=0,
        platform_fee_minor=0,
        net_minor=0,
        settlement_currency=merchant.settlement_currency,
        settlement_minor=0,
        fee_bps=0,
        fee_fixed_minor=0,
        rate_card_version_id=version.id,
        rate_card=version.content,
        link_secret=ids.random_base62(collection.SECRET_LENGTH),
        created_at=now,
    )


def _grace_ends(
    contract: Contract, period: Period, merchant: Merchant, *, now: datetime
) -> datetime:
    """Return when a period's usage counts as complete.

    A contract that begins in the past could not be billed before it was there: the grace of its
    past periods starts with it, so that their usage can still be sent. In a sandbox whose clock
    was set back since, it was there all along.
    """
    is_from_before = contract.created_at <= now
    complete_at = max(period.end_at, contract.created_at) if is_from_before else period.end_at
    return complete_at + timedelta(hours=merchant.grace_hours)


def _set_totals(invoice: Invoice, bill: Bill) -> None:
    totals = bill.totals
    invoice.discount_minor = totals.discount.minor
    invoice.subtotal_minor = totals.subtotal.minor
    invoice.tax_minor, invoice.total_minor = totals.tax.minor, totals.total.minor


def _reserve(desk: Desk, invoice: Invoice, bill: Bill, *, contract: Contract) -> None:
    if desk.may_redeem(contract):
        redemptions.reserve(desk.session, invoice, bill.discounts, contract=contract)
