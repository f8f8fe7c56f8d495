"""The fapiao that the demo's merchants issue, and cancel in red: each with the file that proves it.

A file is stored between two transactions, so this comes before the day's own one: a start that
goes on finds some issued already, and issues the others.
"""

from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape

from app.audit.recording import Actor
from app.billing import fapiao_issuing
from app.billing.fapiao_details import Printed
from app.billing.fapiao_issuing import Upload
from app.billing.fapiao_models import FapiaoRequest, FapiaoStatus
from app.billing.models import Invoice
from app.core.db import Transaction
from app.demo import deeds
from app.demo.roles import Company, Deed
from app.demo.usage import draw
from app.extensions import runtime
from app.identity import clocks

_STEPS = {
    Deed.ISSUE_FAPIAO: (FapiaoStatus.REQUESTED, fapiao_issuing.issue),
    Deed.RED_LETTER: (FapiaoStatus.RED_LETTER_REQUESTED, fapiao_issuing.red_letter),
}


def issue(
    transaction: Transaction, company: Company, *, owner: Actor, on: date, today: date
) -> None:
    """Issue what the cast has for the day `on`."""
    for buyer, turn in deeds.turns_of(company, on=on, today=today):
        if turn.deed not in _STEPS:
            continue
        before, step = _STEPS[turn.deed]
        with transaction() as session:
            now = clocks.now(session)
            invoice = deeds.find_invoice(session, buyer, turn, today=today)
            request = deeds.newest_fapiao(session, invoice)
        if request.status is before:
            upload = _upload(request, invoice, turn.deed, on=on)
            step(transaction, runtime().storage, request.id, upload=upload, actor=owner, now=now)


def _upload(request: FapiaoRequest, invoice: Invoice, deed: Deed, *, on: date) -> Upload:
    """Return a fully digital fapiao, as the tax authority's own XML is, in short."""
    sign = -1 if deed is Deed.RED_LETTER else 1
    number = f"{on:%y}31{draw(f'{deed}{invoice.number}'):016}"
    rows = {
        "EInvoiceNumber": number,
        "IssueDate": on.isoformat(),
        "BuyerName": request.title,
        "BuyerTaxId": request.tax_id,
        "TotalAmount": f"{Decimal(sign * request.amount_minor).scaleb(-2)}",
    }
    body = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in rows.items())
    content = f'<?xml version="1.0" encoding="UTF-8"?>\n<EInvoice>{body}</EInvoice>\n'
    return Upload(Printed(number, on), content.encode())
