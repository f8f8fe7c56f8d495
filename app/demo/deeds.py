"""What is done about invoices once they are out: on the day that the cast names, and so once.

Each is a step of the transaction that brings the merchant's clock to that day. What is issued
outside of the product, the fapiao, comes with a file: that is `papers`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.recording import Actor
from app.billing import collection, fapiao, fapiao_queries, reissue
from app.billing.credit_models import CreditReason
from app.billing.credit_notes import CreditRequest
from app.billing.fapiao_details import Details
from app.billing.fapiao_models import FapiaoKind, FapiaoRequest, TitleType
from app.billing.models import Invoice, InvoiceKind, InvoiceStatus
from app.core.money import Currency, Money
from app.core.periods import Unit, add_units
from app.customers import queries as customers
from app.demo.roles import Buyer, Company, Deed, Turn
from app.demo.usage import draw, months_between
from app.extensions import runtime
from app.payments import closing, disputes, refunds
from app.payments.disputes import Complaint
from app.payments.refund_models import Dispute, DisputeStatus
from app.payments.refunds import RefundRequest

_DISPUTE_COSTS = {Currency.USD: 15_00, Currency.JPY: 2_000, Currency.HKD: 100_00}


@dataclass(frozen=True)
class People:
    """Who acts: the merchant's owner, and an admin of the platform."""

    owner: Actor
    admin: Actor


@dataclass(frozen=True)
class Occasion:
    """A turn that has come, at this time of the merchant's."""

    turn: Turn
    buyer: Buyer
    people: People
    now: datetime


def act(
    session: Session, company: Company, people: People, *, on: date, today: date, now: datetime
) -> None:
    """Do all that the cast has for the day `on`; `now` is the merchant's time."""
    for buyer, turn in turns_of(company, on=on, today=today):
        if turn.deed in _DEEDS:
            invoice = find_invoice(session, buyer, turn, today=today)
            _DEEDS[turn.deed](session, invoice, Occasion(turn, buyer, people, now))


def turns_of(company: Company, *, on: date, today: date) -> Iterator[tuple[Buyer, Turn]]:
    """Yield whose turn it is on a day."""
    come = months_between(on, today), on.day
    for buyer in company.buyers:
        for turn in buyer.turns:
            if (turn.month, turn.day) == come:
                yield buyer, turn


def find_invoice(session: Session, buyer: Buyer, turn: Turn, *, today: date) -> Invoice:
    """Return the invoice that a turn is about."""
    customer = customers.customers_by_external_id(session, [buyer.external_id])[buyer.external_id]
    first = add_units(today.replace(day=1), -turn.period, Unit.MONTH)
    return session.scalars(
        select(Invoice).where(
            Invoice.customer_id == customer.id,
            Invoice.kind == InvoiceKind.USAGE,
            Invoice.period_from == first,
            Invoice.status != InvoiceStatus.VOID,
        )
    ).one()


def newest_fapiao(session: Session, invoice: Invoice) -> FapiaoRequest:
    """Return the request that was made last for the invoice. Raises LookupError."""
    found = fapiao_queries.find_newest(session, invoice.id)
    if found is None:
        raise LookupError(f"nobody asked for the fapiao of {invoice.number}")
    return found


def _credit(session: Session, invoice: Invoice, it: Occasion) -> None:
    is_open = invoice.status is InvoiceStatus.OPEN
    request = CreditRequest(
        CreditReason.CORRECTION if is_open else CreditReason.SERVICE_FAILURE,
        note=it.turn.why,
        total_minor=invoice.total_minor * it.turn.percent // 100,
    )
    closing.issue_credit_note(session, invoice.id, request, actor=it.people.owner, now=it.now)


def _reissue(session: Session, invoice: Invoice, it: Occasion) -> None:
    reissue.reissue(session, invoice.id, rates=runtime().rates, actor=it.people.owner, now=it.now)


def _give_up(session: Session, invoice: Invoice, it: Occasion) -> None:
    locked = collection.lock_invoice(session, invoice.id)
    collection.give_up(session, locked, actor=it.people.owner, now=it.now)


def _refund(session: Session, invoice: Invoice, it: Occasion) -> None:
    request = RefundRequest(it.turn.why, _share(invoice, it.turn))
    refunds.request_refund(session, invoice.id, request, actor=it.people.owner, now=it.now)


def _dispute(session: Session, invoice: Invoice, it: Occasion) -> None:
    settled_in = invoice.settlement_currency
    complaint = Complaint(
        channel_case_no=f"{it.now:%Y%m%d}{draw(invoice.number):010}",
        amount=_share(invoice, it.turn),
        reason=it.turn.why,
        charge=Money(_DISPUTE_COSTS[settled_in], settled_in),
    )
    disputes.open_dispute(session, invoice.id, complaint, actor=it.people.admin, now=it.now)


def _win(session: Session, invoice: Invoice, it: Occasion) -> None:
    _close(session, invoice, it, is_won=True)


def _lose(session: Session, invoice: Invoice, it: Occasion) -> None:
    _close(session, invoice, it, is_won=False)


def _close(session: Session, invoice: Invoice, it: Occasion, *, is_won: bool) -> None:
    of_invoice = Dispute.invoice_id == invoice.id, Dispute.status == DisputeStatus.OPEN
    dispute_id = session.scalars(select(Dispute.id).where(*of_invoice)).one()
    disputes.close_dispute(session, dispute_id, is_won=is_won, actor=it.people.admin, now=it.now)


def _ask_fapiao(session: Session, invoice: Invoice, it: Occasion) -> None:
    details = Details(
        kind=FapiaoKind.SPECIAL if draw(invoice.number) % 2 else FapiaoKind.GENERAL,
        title_type=TitleType.COMPANY,
        title=it.buyer.name,
        tax_id=it.buyer.tax_id,
        email=it.buyer.email,
    )
    fapiao.request(session, invoice.id, details, now=it.now)


def _reject_fapiao(session: Session, invoice: Invoice, it: Occasion) -> None:
    request_id = newest_fapiao(session, invoice).id
    fapiao.reject(session, request_id, reason=it.turn.why, actor=it.people.owner, now=it.now)


def _share(invoice: Invoice, turn: Turn) -> Money:
    """Return the part of what was due that a turn is about."""
    return Money(invoice.due_minor * turn.percent // 100, invoice.due.currency)


_DEEDS: Mapping[Deed, Callable[[Session, Invoice, Occasion], None]] = {
    Deed.CREDIT: _credit,
    Deed.REISSUE: _reissue,
    Deed.GIVE_UP: _give_up,
    Deed.REFUND: _refund,
    Deed.DISPUTE: _dispute,
    Deed.WIN: _win,
    Deed.LOSE: _lose,
    Deed.ASK_FAPIAO: _ask_fapiao,
    Deed.REJECT_FAPIAO: _reject_fapiao,
}
