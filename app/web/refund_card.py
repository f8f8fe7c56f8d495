"""The refunds and disputes of one invoice, as its page shows them, and whether more may go back."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.billing.models import WAS_PAID, Invoice
from app.core.errors import Refusal
from app.core.ids import Prefix, show
from app.core.money import Currency, Money
from app.core.paging import MAX_LIMIT
from app.payments import dispute_queries, refund_queries, refunds
from app.payments.dispute_queries import DisputeFilter
from app.payments.refund_models import Dispute, Refund, RefundPurpose, RefundStatus
from app.payments.refunds import Preview, RefundRequest
from app.web.access import now
from app.web.addresses import url_of_each
from app.web.refusals import say


@dataclass(frozen=True)
class Card:
    """What went back of an invoice or is to, each with the address of its page.

    `preview` is of all the rest, or `why_not` says why that can not go back. An invoice that
    nobody paid has neither.
    """

    refunds: Sequence[tuple[Refund, str]]
    disputes: Sequence[tuple[Dispute, str]]
    preview: Preview | None
    why_not: str

    @property
    def paid_back(self) -> list[Refund]:
        """The refunds of what the invoice was paid with, as far as the payer has them."""
        return [
            refund
            for refund, _href in self.refunds
            if refund.status is RefundStatus.SUCCEEDED and refund.purpose is RefundPurpose.INVOICE
        ]

    @property
    def refunded(self) -> Money:
        """What the payer has again."""
        return sum((refund.amount for refund in self.paid_back), Money.zero(Currency.CNY))

    @property
    def given(self) -> Money:
        """What the merchant gave of it, in the settlement currency; there is a refund."""
        first, *others = (refund.settlement for refund in self.paid_back)
        return sum(others, first)


def card(session: Session, invoice: Invoice) -> Card:
    """Return the card of the invoice's page."""
    preview, why_not = _work_out(session, invoice)
    of_invoice = DisputeFilter(invoice_id=invoice.id)
    disputes = dispute_queries.list_disputes(session, of_invoice, limit=MAX_LIMIT).rows
    refund_url = url_of_each("web.refund", "refund_id")
    dispute_url = url_of_each("web.dispute", "dispute_id")
    return Card(
        [
            (row, refund_url(show(Prefix.REFUND, row.id)))
            for row in refund_queries.list_of_invoice(session, invoice.id)
        ],
        [(row, dispute_url(show(Prefix.DISPUTE, row.id))) for row in disputes],
        preview,
        why_not,
    )


def _work_out(session: Session, invoice: Invoice) -> tuple[Preview | None, str]:
    if invoice.status not in WAS_PAID:
        return None, ""
    try:
        return refunds.work_out(session, invoice, RefundRequest("-"), now=now()), ""
    except Refusal as refusal:
        return None, say(refusal)
