"""A payment to give back: an invoice of the rules' example, paid, and requests for parts of it."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.audit.models import ActorKind
from app.audit.recording import Actor
from app.billing.models import Invoice
from app.channels.base import ChannelName
from app.channels.base import Refund as Answer
from app.channels.base import RefundState as State
from app.core.money import Money
from app.payments.capture import record_capture
from app.payments.models import PaymentOrder
from app.payments.refund_models import Refund
from app.payments.refunds import RefundRequest, request_refund
from tests.make import NOON
from tests.payments.builders import LATER, issue, order_for, paid

WEI = Actor(ActorKind.USER, 1, "wei@lumen.example")


def paid_invoice(
    session: Session, *, now: datetime = NOON, **columns: object
) -> tuple[Invoice, PaymentOrder]:
    """Issue an invoice and pay it through WeChat Pay."""
    invoice = issue(session, finalized_at=now, **columns)
    order = order_for(session, invoice)
    record_capture(session, paid(order), channel=ChannelName.WECHAT, now=now)
    return invoice, order


def ask_back(
    session: Session, invoice: Invoice, amount: Money | None = None, *, now: datetime = LATER
) -> Refund:
    """Ask for a refund of the invoice: of all that is left unless told how much."""
    request = RefundRequest("服务未交付", amount)
    return request_refund(session, invoice.id, request, actor=WEI, now=now)


def answer(refund: Refund, state: State = State.SUCCEEDED, amount: Money | None = None) -> Answer:
    """Return what a channel says of a refund."""
    return Answer(
        state,
        refund.out_refund_no,
        "",
        state.upper(),
        channel_refund_id="50300",
        amount=amount or (refund.amount if state is State.SUCCEEDED else None),
        succeeded_at=LATER if state is State.SUCCEEDED else None,
    )
