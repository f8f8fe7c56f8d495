"""Checkout: from an invoice to the QR code that pays it."""

from app.api.operations import Call
from app.api.v1.base import API, In, Moment, Out, utc
from app.billing import collection
from app.billing import queries as invoices
from app.channels.base import ChannelName
from app.core.ids import Prefix, show
from app.core.money import Currency
from app.extensions import runtime
from app.identity.models import Scope
from app.payments import opening, queries


class CheckoutIn(In):
    """Where the payer pays."""

    channel: ChannelName


class CheckoutOut(Out):
    """An open payment: draw `qrPayload` as a QR code, or send the payer to `checkoutUrl`.

    `amount` is an integer of minor units. The code can be paid until `expiresAt`.
    """

    payment_order_id: str
    channel: ChannelName
    qr_payload: str
    expires_at: Moment
    amount: int
    currency: Currency
    checkout_url: str


@API.route(
    "POST",
    "/invoices/<invoice_id>/checkout",
    scope=Scope.CHECKOUT_WRITE,
    tag="Invoices",
    body=CheckoutIn,
    returns=CheckoutOut,
    flow=True,
    example={"channel": "wechat"},
)
def create_checkout(call: Call, invoice_id: int, body: CheckoutIn) -> CheckoutOut:
    """Open a payment of an invoice at a channel, or return the one that is open there."""
    base_url = runtime().settings.base_url
    opened = opening.open_payment(
        call.transaction,
        runtime().channel(body.channel, call.merchant.mode),
        invoice_id,
        notify_url=f"{base_url}/api/webhooks/{body.channel}",
        now=call.real_now,
    )
    with call.transaction() as session:
        order = queries.get_order(session, opened.order_id)
        invoice = invoices.get_invoice(session, invoice_id)
    return CheckoutOut(
        payment_order_id=show(Prefix.PAYMENT_ORDER, order.id),
        channel=order.channel,
        qr_payload=opened.qr_payload,
        expires_at=utc(opened.expires_at),
        amount=order.amount.minor,
        currency=order.amount.currency,
        checkout_url=f"{base_url}/pay/{collection.link_token(invoice)}",
    )
