"""What wants a merchant's attention of refunds, disputes, and money that paid nothing."""

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.core.ids import Prefix, show
from app.core.paging import MAX_LIMIT
from app.payments import cases, dispute_queries, refund_queries
from app.payments import queries as payments
from app.payments.dispute_queries import DisputeFilter
from app.payments.models import UnallocatedPayment
from app.payments.refund_models import Dispute, DisputeStatus, Refund, RefundStatus
from app.web.amounts import grouped
from app.web.troubles import Trouble


def list_troubles(session: Session) -> list[Trouble]:
    """Return one entry for each that is open, of refunds and disputes the newest hundred."""
    stalled = refund_queries.list_refunds(
        session, status=RefundStatus.ABNORMAL, limit=MAX_LIMIT
    ).rows
    undecided = DisputeFilter(status=DisputeStatus.OPEN)
    disputed = dispute_queries.list_disputes(session, undecided, limit=MAX_LIMIT).rows
    return [
        *(_aside(session, case) for case in cases.list_open(session)),
        *map(_stalled, stalled),
        *map(_disputed, disputed),
    ]


def _aside(session: Session, case: UnallocatedPayment) -> Trouble:
    order = payments.get_order(session, case.payment_order_id)
    return Trouble(
        _("%(amount)s came that pays no invoice", amount=grouped(case.amount)),
        _("It is booked aside until it is decided."),
        url_for("web.invoice", invoice_id=show(Prefix.INVOICE, order.invoice_id)),
    )


def _stalled(refund: Refund) -> Trouble:
    return Trouble(
        _("A refund of %(amount)s does not arrive", amount=grouped(refund.amount)),
        _("The payer’s account does not take it. Ask for another one."),
        url_for("web.refund", refund_id=show(Prefix.REFUND, refund.id)),
    )


def _disputed(dispute: Dispute) -> Trouble:
    return Trouble(
        _("A payer disputes %(amount)s", amount=grouped(dispute.amount)),
        _("Your part of it is held until the channel decides."),
        url_for("web.dispute", dispute_id=show(Prefix.DISPUTE, dispute.id)),
    )
