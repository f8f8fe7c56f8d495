"""Checkout: from an invoice to what its payer needs to pay it, and what became of each attempt."""

from functools import partial
from typing import Annotated

import msgspec

from app.api.operations import Call
from app.api.v1.base import API, Amount, In, Listing, Moment, Out, PageQuery, utc, utc_or_none
from app.billing import collection
from app.billing import queries as invoices
from app.channels.base import RETURNING, ChannelName, Method
from app.core.ids import Prefix, read, show
from app.core.money import Currency, Money
from app.extensions import runtime
from app.identity.models import Scope
from app.payments import addresses, healing, opening, queries
from app.payments.models import PaymentOrder, PaymentStatus

TAG = "Payments"


class CheckoutIn(In):
    """Where and how the payer pays; without `method`, by a QR code that your page draws.

    `h5` needs the payer's own `payerIp`, `jsapi` his `openid` under our WeChat application.
    `returnUrl` is a page of yours to go back to, `https://` at a domain name: `h5`, `page` and
    `wap` bring the payer there, and the hosted page of the invoice has a link there. Without one
    they bring him to the hosted page. That he came back proves nothing.
    """

    channel: ChannelName
    method: Method | None = None
    payer_ip: Annotated[str, msgspec.Meta(max_length=45)] = ""
    openid: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{0,128}$")] = ""
    return_url: Annotated[str, msgspec.Meta(max_length=addresses.MAX_LENGTH)] = ""

    def choice(self) -> opening.Choice:
        """Return the choice; what a method has no use for is left out. Raises MethodNotOffered."""
        method = self.method or opening.METHODS[self.channel][0]
        return opening.Choice(
            self.channel,
            method,
            payer_ip=self.payer_ip if method is Method.H5 else "",
            openid=self.openid if method is Method.JSAPI else "",
            return_url=self.return_url,
        )


class CheckoutOut(Out):
    """An open payment: draw `qrPayload` as a QR code, or send the payer to `redirectUrl`.

    Inside WeChat, hand `jsapi` to `WeixinJSBridge.invoke('getBrandWCPayRequest', …)`. Of the three
    the one is there that the method has. `amount` is an integer of minor units; it can be paid
    until `expiresAt`. `checkoutUrl` is the hosted page, which never expires.
    """

    payment_order_id: str
    channel: ChannelName
    method: Method
    qr_payload: str | None
    redirect_url: str | None
    jsapi: dict[str, str] | None
    expires_at: Moment
    amount: int
    currency: Currency
    checkout_url: str


class PaymentOrderOut(Out):
    """One attempt to pay an invoice.

    `capturedAt` is when its channel says that the money came, `channelState` the channel's own
    word, `creditedAt` when we booked it.
    """

    id: str
    invoice_id: str
    channel: ChannelName
    method: Method
    status: PaymentStatus
    out_trade_no: str
    amount: Amount
    expires_at: Moment
    created_at: Moment
    channel_transaction_id: str | None
    channel_state: str | None
    captured: Amount | None
    captured_at: Moment | None
    credited_at: Moment | None
    refunded: Amount
    queried_at: Moment | None

    @classmethod
    def of(cls, order: PaymentOrder) -> "PaymentOrderOut":
        captured = None
        if order.captured_minor is not None:
            captured = Amount(order.captured_minor, Currency.CNY)
        return cls(
            id=show(Prefix.PAYMENT_ORDER, order.id),
            invoice_id=show(Prefix.INVOICE, order.invoice_id),
            channel=order.channel,
            method=order.method,
            status=order.status,
            out_trade_no=order.out_trade_no,
            amount=Amount.of(order.amount),
            expires_at=utc(order.expires_at),
            created_at=utc(order.created_at),
            channel_transaction_id=order.channel_txn_id,
            channel_state=order.raw_state or None,
            captured=captured,
            captured_at=utc_or_none(order.captured_at),
            credited_at=utc_or_none(order.credited_at),
            refunded=Amount.of(Money(order.refunded_minor, Currency.CNY)),
            queried_at=utc_or_none(order.queried_at),
        )


class PaymentOrderQuery(PageQuery, kw_only=True):
    invoice_id: str | None = None
    status: PaymentStatus | None = None


class PaymentOrderList(Listing[PaymentOrderOut]):
    """A page of attempts to pay, newest first."""


@API.route(
    "POST",
    "/invoices/<invoice_id>/checkout",
    scope=Scope.CHECKOUT_WRITE,
    tag=TAG,
    body=CheckoutIn,
    returns=CheckoutOut,
    flow=True,
    example={"channel": "wechat"},
)
def create_checkout(call: Call, invoice_id: int, body: CheckoutIn) -> CheckoutOut:
    """Open a payment of an invoice, or return the one that is open in the same way.

    One that is open in another way is closed at its channel first.
    """
    base_url = runtime().settings.base_url
    with call.transaction() as session:
        page = collection.hosted_url(invoices.get_invoice(session, invoice_id), base_url)
    opened = opening.open_payment(
        call.transaction,
        partial(runtime().channel, mode=call.merchant.mode),
        invoice_id,
        choice=body.choice(),
        base_url=base_url,
        now=call.real_now,
    )
    with call.transaction() as session:
        order = queries.get_order(session, opened.order_id)
    is_code = opened.method in {Method.NATIVE, Method.PRECREATE}
    jsapi = None
    if opened.method is Method.JSAPI:
        gateway = runtime().wechat(call.merchant.mode)
        jsapi = gateway.invocation(opened.payload, now=call.real_now)
    return CheckoutOut(
        payment_order_id=show(Prefix.PAYMENT_ORDER, order.id),
        channel=order.channel,
        method=order.method,
        qr_payload=opened.payload if is_code else None,
        redirect_url=opened.payload if opened.method in RETURNING else None,
        jsapi=jsapi,
        expires_at=utc(opened.expires_at),
        amount=order.amount.minor,
        currency=order.amount.currency,
        checkout_url=page,
    )


@API.route(
    "GET",
    "/payment-orders",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    query=PaymentOrderQuery,
    returns=PaymentOrderList,
    errors=(404,),
)
def list_payment_orders(call: Call, query: PaymentOrderQuery) -> Listing[PaymentOrderOut]:
    """List attempts to pay, newest first, of one invoice or in one status if you say so."""
    invoice_id = None if query.invoice_id is None else read(Prefix.INVOICE, query.invoice_id)
    page = queries.list_orders(
        call.session, invoice_id=invoice_id, status=query.status, **query.page
    )
    return PaymentOrderList.of(page, PaymentOrderOut.of)


@API.route(
    "GET",
    "/payment-orders/<payment_order_id>",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    returns=PaymentOrderOut,
)
def get_payment_order(call: Call, payment_order_id: int) -> PaymentOrderOut:
    """Read one attempt to pay."""
    return PaymentOrderOut.of(queries.get_order(call.session, payment_order_id))


@API.route(
    "POST",
    "/payment-orders/<payment_order_id>/sync",
    scope=Scope.CHECKOUT_WRITE,
    tag=TAG,
    returns=PaymentOrderOut,
    errors=(503,),
    flow=True,
)
def sync_payment_order(call: Call, payment_order_id: int) -> PaymentOrderOut:
    """Ask the channel now what became of an attempt, and book it.

    You need not: we ask by ourselves. Within a second of the last question none is asked.
    """
    with call.transaction() as session:
        channel = queries.get_order(session, payment_order_id).channel
    gateway = runtime().channel(channel, call.merchant.mode)
    healing.ask(call.transaction, gateway, payment_order_id, now=call.real_now)
    with call.transaction() as session:
        return PaymentOrderOut.of(queries.get_order(session, payment_order_id))
