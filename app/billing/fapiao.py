"""From a buyer's wish to a decision: ask for a fapiao, change it, withdraw it, reject it.

A merchant issues the fapiao itself with the tax authority; `fapiao_issuing` keeps what came of it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM, Actor, Change, record
from app.billing import fapiao_queries, queries
from app.billing.fapiao_amounts import left_of, tax_of, tax_rows
from app.billing.fapiao_details import Details, checked
from app.billing.fapiao_models import (
    FAPIAO,
    FapiaoEvent,
    FapiaoRequest,
    FapiaoStatus,
)
from app.billing.models import Invoice, InvoiceStatus
from app.core import db, ids, outbox
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.core.money import Currency
from app.core.text import clean_name
from app.identity import clocks
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import Amount, FapiaoData

LONGEST_REASON = 200
_DETAILS = (
    "kind",
    "title_type",
    "title",
    "tax_id",
    "email",
    "address",
    "phone",
    "bank",
    "account",
    "note",
)
_ASKABLE = frozenset({InvoiceStatus.OPEN, InvoiceStatus.PAID, InvoiceStatus.PARTIALLY_REFUNDED})


class FapiaoNotPossible(Conflict):
    """The invoice is a draft, void or comes to nothing: there is nothing to write a fapiao for."""

    code = "fapiao_not_possible"


class FapiaoAlreadyRequested(Conflict):
    code = "fapiao_already_requested"


def is_possible(invoice: Invoice) -> bool:
    """Tell whether a fapiao of this invoice may be asked for, if none was."""
    return invoice.status in _ASKABLE and bool(left_of(invoice))


def request(session: Session, invoice_id: int, details: Details, *, now: datetime) -> FapiaoRequest:
    """Ask for the fapiao of an invoice that is open or paid; emit `fapiao.requested`.

    Locks the invoice: of two at once one asks. Raises NotFound, FapiaoNotPossible,
    FapiaoAlreadyRequested and what `checked` raises.
    """
    details = checked(details)
    invoice = db.get_locked(session, Invoice, invoice_id, noun="invoice")
    if not is_possible(invoice):
        raise FapiaoNotPossible("there is no fapiao for this invoice")
    if fapiao_queries.find_live(session, invoice.id) is not None:
        raise FapiaoAlreadyRequested("a fapiao of this invoice was requested already")
    made = FapiaoRequest(
        merchant_id=invoice.merchant_id,
        id=ids.new_id(),
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        status=FapiaoStatus.REQUESTED,
        revision=1,
        requested_at=now,
        **amount_columns(session, invoice),
        **_columns(details),
    )
    session.add(made)
    session.flush()  # the unique key speaks before anything is told
    emit(session, EventType.FAPIAO_REQUESTED, made, now=now)
    return made


def change(session: Session, request_id: int, details: Details, *, now: datetime) -> FapiaoRequest:
    """Replace the details while nobody has acted on them.

    Raises NotFound, IllegalMove and what `checked` raises.
    """
    details = checked(details)
    found = lock_request(session, request_id)
    found.status = FAPIAO.after(found.status, FapiaoEvent.CHANGE)
    for name, value in _columns(details).items():
        setattr(found, name, value)
    found.revision, found.changed_at = found.revision + 1, now
    return found


def withdraw(session: Session, request_id: int, *, now: datetime) -> FapiaoRequest:
    """Take the request back; a second time changes nothing. Raises NotFound and IllegalMove."""
    found = lock_request(session, request_id)
    if FAPIAO.is_repeat(found.status, FapiaoEvent.WITHDRAW):
        return found
    found.status = FAPIAO.after(found.status, FapiaoEvent.WITHDRAW)
    found.withdrawn_at = now
    return found


def reject(
    session: Session, request_id: int, *, reason: str, actor: Actor, now: datetime
) -> FapiaoRequest:
    """Refuse to issue it and owe the buyer a mail that says why; emit `fapiao.rejected`.

    Raises NotFound, IllegalMove and InvalidText.
    """
    reason = clean_name(reason.strip(), path="reason", max_length=LONGEST_REASON)
    found = lock_request(session, request_id)
    before = found.status
    found.status = FAPIAO.after(found.status, FapiaoEvent.REJECT)
    found.rejected_at, found.reject_reason = now, reason
    audit(session, found, before, actor=actor, now=now)
    emit(session, EventType.FAPIAO_REJECTED, found, now=now)
    owe_mail(session, "jobs.fapiao.mail_rejected", found, now=now)
    return found


def request_red_letter(
    session: Session, request_id: int, *, reason: str, actor: Actor, now: datetime
) -> FapiaoRequest:
    """Say that an issued fapiao has to be cancelled in red; a second reason changes nothing.

    Raises NotFound, IllegalMove and InvalidText.
    """
    reason = clean_name(reason.strip(), path="reason", max_length=LONGEST_REASON)
    found = lock_request(session, request_id)
    before = found.status
    if FAPIAO.is_repeat(before, FapiaoEvent.REQUEST_RED_LETTER):
        return found
    found.status = FAPIAO.after(found.status, FapiaoEvent.REQUEST_RED_LETTER)
    found.red_letter_requested_at, found.red_letter_reason = now, reason
    audit(session, found, before, actor=actor, now=now)
    return found


def follow_correction(
    session: Session, invoice: Invoice, *, reason: str, now: datetime
) -> FapiaoRequest | None:
    """Do what a credit note, a refund or the voiding of a locked invoice means for its fapiao.

    One that was issued wants a red letter. One that was only requested is issued over what is
    left, and rejected when nothing is. Returns the request that was changed, if any.
    """
    live = fapiao_queries.find_live(session, invoice.id)
    if live is None:
        return None
    if live.status is FapiaoStatus.ISSUED:
        return request_red_letter(session, live.id, reason=reason, actor=SYSTEM, now=now)
    if live.status is FapiaoStatus.REQUESTED and not is_possible(invoice):
        return reject(session, live.id, reason=reason, actor=SYSTEM, now=now)
    return None


def lock_request(session: Session, request_id: int) -> FapiaoRequest:
    """Lock the request and return it as it is now: after its invoice. Raises NotFound."""
    return db.get_locked(session, FapiaoRequest, request_id, noun="fapiao request")


def amount_columns(session: Session, invoice: Invoice) -> dict[str, Any]:
    """Return the amounts of the invoice's fapiao as the request keeps them."""
    rows = tax_rows(invoice, queries.lines_of(session, invoice))
    return {
        "amount_minor": left_of(invoice).minor,
        "tax_minor": tax_of(rows).minor,
        "tax_rows": [row.dump() for row in rows],
    }


def payload(request: FapiaoRequest, invoice: Invoice) -> FapiaoData:
    """Return a request as events tell of it; the amount is in CNY and includes the tax."""
    return FapiaoData(
        fapiao_request_id=ids.show(Prefix.FAPIAO_REQUEST, request.id),
        status=request.status.value,
        invoice_id=ids.show(Prefix.INVOICE, invoice.id),
        invoice_number=invoice.number,
        customer_id=ids.show(Prefix.CUSTOMER, request.customer_id),
        kind=request.kind.value,
        title_type=request.title_type.value,
        title=request.title,
        tax_id=request.tax_id,
        email=request.email,
        amount=Amount(amount_minor=request.amount_minor, currency=Currency.CNY),
        tax=Amount(amount_minor=request.tax_minor, currency=Currency.CNY),
        number=request.number,
        code=request.code,
        issued_on=request.issued_on,
        red_number=request.red_number,
        reason=request.reject_reason or request.red_letter_reason,
    )


def emit(session: Session, event_type: EventType, request: FapiaoRequest, *, now: datetime) -> None:
    invoice = queries.get_invoice(session, request.invoice_id)
    reference = ids.show(Prefix.FAPIAO_REQUEST, request.id)
    emitting.emit(session, event_type, payload(request, invoice), reference=reference, now=now)


def owe_mail(session: Session, task: str, request: FapiaoRequest, *, now: datetime) -> None:
    real_now = clocks.to_real(session, now)
    public_id = ids.show(Prefix.FAPIAO_REQUEST, request.id)
    outbox.owe(session, task, now=real_now, fapiao_request=public_id)


def audit(
    session: Session, request: FapiaoRequest, before: FapiaoStatus, *, actor: Actor, now: datetime
) -> None:
    """Write down who moved the request from `before` to where it stands now."""
    record(
        session,
        actor,
        f"fapiao.{request.status.value}",
        subject=ids.show(Prefix.FAPIAO_REQUEST, request.id),
        change=Change({"status": before.value}, {"status": request.status.value}),
        now=now,
    )


def _columns(details: Details) -> dict[str, Any]:
    return {name: getattr(details, name) for name in _DETAILS}
