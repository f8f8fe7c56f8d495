"""Issue an old invoice anew: the rates it locked held for 30 days, the new one has today's."""

from datetime import datetime
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from app.audit import recording
from app.audit.recording import Actor, Change
from app.billing import collection, issuing, queries, redemptions
from app.billing.models import INVOICE, Invoice, InvoiceEvent, InvoiceLine, InvoiceStatus
from app.billing.quotes import quote
from app.core import ids
from app.core.errors import Conflict
from app.core.ids import Prefix
from app.customers import queries as customers
from app.fx.rates import RateSource
from app.identity import clocks
from app.webhooks import emitting
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import InvoiceReissuedData

WHY_VOID = "Issued anew with the exchange rates of the day"

_COPIED = (
    "kind",
    "customer_id",
    "contract_id",
    "period_start_at",
    "period_end_at",
    "period_from",
    "period_to",
    "time_zone",
    "currency",
    "discount_minor",
    "subtotal_minor",
    "tax_minor",
    "total_minor",
    "settlement_currency",
    "rate_card_version_id",
    "rate_card",
    "rate_card_sha256",
    "note",
    "finalize_at",
)
"""What an invoice and the one that replaces it have in common: all but money in CNY and times."""

_LINE_COPIED = tuple(
    column.key for column in InvoiceLine.__mapper__.column_attrs if column.key != "invoice_id"
)


class ReissueTooEarly(Conflict):
    """The rates that the invoice locked still hold."""

    code = "reissue_too_early"


class InvoiceWasCredited(Conflict):
    """A credit note corrected it; what the new one would come to nobody has agreed to."""

    code = "invoice_was_credited"


def reissue(
    session: Session, invoice_id: int, *, rates: RateSource, actor: Actor, now: datetime
) -> Invoice:
    """Void an unpaid invoice of more than 30 days and issue its lines anew, at the rates of now.

    The new one has a number of its own and names the old one. Money that still comes for the old
    one is put aside, as for any that is void. Locks the merchant, then the invoice. Emits
    `invoice.reissued`, and is audited. Raises NotFound, InvoiceNotOpen, ReissueTooEarly,
    InvoiceWasCredited and NoRate.
    """
    merchant = clocks.lock_merchant(session)
    old = collection.lock_invoice(session, invoice_id)
    _check(old, now=now)
    locked = quote(session, old.total, rates=rates, now=now)
    new = _copy(session, old, now=now)
    redemptions.move(session, old, new)
    collection.void(session, old, reason=WHY_VOID, actor=actor, now=now)
    ready = issuing.Ready(new, queries.lines_of(session, new), locked)
    issuing.issue(session, [ready], merchant=merchant, now=now)
    _emit(session, old, new, now=now)
    recording.record(
        session,
        actor,
        "invoice.reissued",
        subject=ids.show(Prefix.INVOICE, old.id),
        change=Change({"number": old.number}, {"number": new.number}),
        now=now,
    )
    return new


def can_be_reissued(invoice: Invoice, *, now: datetime) -> bool:
    """Tell whether `reissue` would do it."""
    is_unpaid = INVOICE.allows(invoice.status, InvoiceEvent.VOID)
    return is_unpaid and not invoice.credited_minor and collection.is_outdated(invoice, now=now)


def find_successor(session: Session, invoice: Invoice) -> Invoice | None:
    """Return the invoice that was issued in place of this one, if one was."""
    replacing = select(Invoice).where(Invoice.reissue_of_id == invoice.id)
    return session.scalar(replacing.options(defer(Invoice.rate_card)))


def _check(invoice: Invoice, *, now: datetime) -> None:
    if not INVOICE.allows(invoice.status, InvoiceEvent.VOID):
        raise collection.InvoiceNotOpen(invoice.status)
    if not collection.is_outdated(invoice, now=now):
        raise ReissueTooEarly("its rates still hold: it can be issued anew after 30 days")
    if invoice.credited_minor:
        raise InvoiceWasCredited("a credit note corrected it; void it and bill the rest by hand")


def _copy(session: Session, old: Invoice, *, now: datetime) -> Invoice:
    new = Invoice(
        merchant_id=old.merchant_id,
        id=ids.new_id(),
        status=InvoiceStatus.DRAFT,
        issue=old.issue + 1,
        reissue_of_id=old.id,
        link_secret=ids.random_base62(collection.SECRET_LENGTH),
        created_at=now,
        **_values(old, _COPIED),
    )
    session.add(new)
    session.flush()  # its lines' foreign key needs the row
    session.add_all(
        InvoiceLine(invoice_id=new.id, **_values(line, _LINE_COPIED))
        for line in queries.lines_of(session, old)
    )
    session.flush()  # its events tell of its lines
    return new


def _values(row: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _emit(session: Session, old: Invoice, new: Invoice, *, now: datetime) -> None:
    customer = customers.get_customer(session, new.customer_id)
    told = InvoiceReissuedData(
        **asdict(collection.payload(new, customer, queries.lines_of(session, new))),
        replaces_invoice_id=ids.show(Prefix.INVOICE, old.id),
        replaces_number=old.number,
    )
    reference = ids.show(Prefix.INVOICE, new.id)
    emitting.emit(session, EventType.INVOICE_REISSUED, told, reference=reference, now=now)
