"""What a credit note says on paper: our row, and the invoice it corrects."""

from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from app.billing import printing, queries
from app.billing.credit_models import CreditNote
from app.billing.credit_notes import get_credit_note
from app.billing.printing import NotIssued
from app.core.ids import Prefix, show
from app.core.money import Currency, Money
from app.documents.credit_note_print import CreditNotePrint, PrintCreditLine, PrintReason
from app.documents.invoice_print import PrintTax
from app.identity import clocks


def print_model(session: Session, credit_note_id: int) -> CreditNotePrint:
    """Return the print of a credit note. Raises NotFound."""
    note = get_credit_note(session, credit_note_id)
    invoice = queries.get_invoice(session, note.invoice_id)
    if invoice.number is None or invoice.finalized_at is None:
        raise NotIssued("a draft has no credit notes")
    return CreditNotePrint(
        reference=show(Prefix.CREDIT_NOTE, note.id),
        number=note.number,
        invoice_number=invoice.number,
        invoice_issued_at=invoice.finalized_at,
        merchant=printing.seller(session),
        customer=printing.buyer(session, note.customer_id),
        zone=invoice.time_zone,
        issued_at=note.created_at,
        reason=PrintReason(note.reason),
        note=note.note,
        lines=tuple(_line(line, note.currency) for line in note.lines),
        subtotal=note.total - note.tax,
        taxes=_taxes(note),
        total=note.total,
        collection=note.amount,
        to_balance=note.to_balance,
        rate=printing.rate_of(invoice),
        brand=printing.brand(session),
        is_sandbox=clocks.get_merchant(session).is_sandbox,
    )


def _line(line: dict[str, Any], currency: Currency) -> PrintCreditLine:
    percent = line["tax_percent"]
    return PrintCreditLine(
        line["description"],
        Money(line["amount"], currency),
        discount=Money(line["discount"], currency) if line["discount"] else None,
        tax=None if percent is None else Money(line["tax"], currency),
        tax_percent=None if percent is None else Decimal(percent),
    )


def _taxes(note: CreditNote) -> tuple[PrintTax, ...]:
    """Add up the tax of the lines by rate, the highest first."""
    taxes: dict[tuple[Decimal, bool], tuple[int, int]] = {}
    for line in note.lines:
        if line["tax_percent"] is None:
            continue
        key = (Decimal(line["tax_percent"]), line["is_inclusive"])
        base, tax = taxes.get(key, (0, 0))
        included = line["tax"] if line["is_inclusive"] else 0
        taxes[key] = (base + line["amount"] - line["discount"] - included, tax + line["tax"])
    return tuple(
        PrintTax(percent, Money(base, note.currency), Money(tax, note.currency), is_inclusive)
        for (percent, is_inclusive), (base, tax) in sorted(taxes.items(), reverse=True)
    )
