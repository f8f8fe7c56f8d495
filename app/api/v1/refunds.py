"""Refunds: money of a paid invoice that goes back to its payer, and what channels withdrew."""

from typing import Annotated

import msgspec

from app.api.operations import Call
from app.api.v1.base import (
    API,
    Amount,
    In,
    Listing,
    Moment,
    Out,
    PageQuery,
    show_or_none,
    utc,
    utc_or_none,
)
from app.billing import queries as invoices
from app.channels.base import ChannelName
from app.core.ids import Prefix, read, show
from app.core.money import Currency, Money
from app.identity import clocks, merchants
from app.identity.models import Merchant, Scope
from app.payments import dispute_queries, disputes, refund_mailing, refund_queries, refunds
from app.payments.dispute_queries import DisputeFilter
from app.payments.refund_models import (
    Dispute,
    DisputeStatus,
    Refund,
    RefundPurpose,
    RefundStatus,
)
from app.payments.refunds import Preview, RefundRequest

TAG = "Refunds"
_EXAMPLE = {"invoiceId": "inv_0123456789abc", "amountMinor": 30000, "reason": "Not delivered"}


class RefundLine(In):
    """What of a refund is about a line, by its position on the invoice, in fen."""

    position: int
    amount_minor: Annotated[int, msgspec.Meta(ge=1)]


class RefundIn(In, kw_only=True):
    """What to pay back: `amountMinor` in fen, or all that is left. The payer sees the reason.

    `lines` may say which lines it is about; then they add up to the amount.
    """

    invoice_id: str
    reason: str
    amount_minor: int | None = None
    lines: list[RefundLine] | None = None

    @property
    def request(self) -> RefundRequest:
        amount = None if self.amount_minor is None else Money(self.amount_minor, Currency.CNY)
        lines = None
        if self.lines is not None:
            lines = {line.position: Money(line.amount_minor, Currency.CNY) for line in self.lines}
        return RefundRequest(self.reason, amount, lines)


class RefundSettingsIn(In):
    """For how many days payments can be refunded, from when they were paid; 0 is never."""

    window_days: Annotated[int, msgspec.Meta(ge=0, le=365)]


class RefundSettingsOut(Out):
    """For how many days payments can be refunded, and whether our fee comes back with them.

    The fee is ours to decide, by your contract with us.
    """

    window_days: int
    returns_fee: bool

    @classmethod
    def of(cls, merchant: Merchant) -> "RefundSettingsOut":
        return cls(window_days=merchant.refund_window_days, returns_fee=merchant.returns_fee)


class RefundQuery(PageQuery, kw_only=True):
    invoice_id: str | None = None
    status: RefundStatus | None = None


class DisputeQuery(PageQuery, kw_only=True):
    invoice_id: str | None = None
    status: DisputeStatus | None = None
    channel: ChannelName | None = None


class RefundLineOut(Out):
    position: int
    amount: Amount


class RefundOut(Out):
    """A refund. `amount` is what the payer gets, with `tax` in it.

    `platformFeeReturned` is what of our fee comes back to you, `settlement` what you give, at the
    rate the invoice locked. Money that paid nothing is sent back at nobody's cost: `purpose` is
    then `send_back`. `trouble` says why a refund waits or failed.
    """

    id: str
    status: RefundStatus
    purpose: RefundPurpose
    invoice_id: str
    payment_order_id: str
    case_id: str | None
    channel: ChannelName
    amount: Amount
    tax: Amount
    platform_fee_returned: Amount
    settlement: Amount
    reason: str
    lines: list[RefundLineOut] | None
    trouble: str | None
    channel_refund_id: str | None
    created_at: Moment
    created_by: str
    submitted_at: Moment | None
    succeeded_at: Moment | None
    ended_at: Moment | None

    @classmethod
    def of(cls, refund: Refund) -> "RefundOut":
        lines = None
        if refund.lines is not None:
            lines = [
                RefundLineOut(line["position"], Amount(line["amount"], Currency.CNY))
                for line in refund.lines
            ]
        return cls(
            id=show(Prefix.REFUND, refund.id),
            status=refund.status,
            purpose=refund.purpose,
            invoice_id=show(Prefix.INVOICE, refund.invoice_id),
            payment_order_id=show(Prefix.PAYMENT_ORDER, refund.payment_order_id),
            case_id=show_or_none(Prefix.CASE, refund.case_id),
            channel=refund.channel,
            amount=Amount.of(refund.amount),
            tax=Amount.of(refund.tax),
            platform_fee_returned=Amount.of(refund.fee),
            settlement=Amount.of(refund.settlement),
            reason=refund.reason,
            lines=lines,
            trouble=refund.trouble or None,
            channel_refund_id=refund.channel_refund_id,
            created_at=utc(refund.created_at),
            created_by=refund.created_by,
            submitted_at=utc_or_none(refund.submitted_at),
            succeeded_at=utc_or_none(refund.succeeded_at),
            ended_at=utc_or_none(refund.ended_at),
        )


class RefundPreviewOut(Out):
    """What a refund would come to as things are: nothing is written.

    `left` could go back at most; the window ends at `refundableUntil`.
    """

    amount: Amount
    tax: Amount
    platform_fee_returned: Amount
    settlement: Amount
    left: Amount
    channel: ChannelName
    refundable_until: Moment

    @classmethod
    def of(cls, preview: Preview) -> "RefundPreviewOut":
        return cls(
            amount=Amount.of(preview.part.amount),
            tax=Amount.of(preview.part.tax),
            platform_fee_returned=Amount.of(preview.part.fee),
            settlement=Amount.of(preview.part.settlement),
            left=Amount.of(preview.left),
            channel=preview.order.channel,
            refundable_until=utc(preview.window_ends_at),
        )


class DisputeOut(Out):
    """A payment that its channel withdrew, in full or in part, on the payer's complaint.

    `held` of your settlement waits in reserve until it is decided; `charge` is what the dispute
    itself cost you.
    """

    id: str
    status: DisputeStatus
    invoice_id: str
    payment_order_id: str
    channel: ChannelName
    channel_case_no: str
    reason: str
    amount: Amount
    held: Amount
    charge: Amount
    opened_at: Moment
    closed_at: Moment | None

    @classmethod
    def of(cls, dispute: Dispute) -> "DisputeOut":
        return cls(
            id=show(Prefix.DISPUTE, dispute.id),
            status=dispute.status,
            invoice_id=show(Prefix.INVOICE, dispute.invoice_id),
            payment_order_id=show(Prefix.PAYMENT_ORDER, dispute.payment_order_id),
            channel=dispute.channel,
            channel_case_no=dispute.channel_case_no,
            reason=dispute.reason,
            amount=Amount.of(dispute.amount),
            held=Amount.of(dispute.settlement),
            charge=Amount.of(dispute.charge),
            opened_at=utc(dispute.opened_at),
            closed_at=utc_or_none(dispute.closed_at),
        )


class RefundList(Listing[RefundOut]):
    """A page of refunds, newest first."""


class DisputeList(Listing[DisputeOut]):
    """A page of disputes, newest first."""


@API.route(
    "POST",
    "/refunds",
    scope=Scope.REFUND_WRITE,
    tag=TAG,
    body=RefundIn,
    returns=RefundOut,
    status=201,
    errors=(404,),
    example=_EXAMPLE,
)
def create_refund(call: Call, body: RefundIn) -> RefundOut:
    """Pay money of a paid invoice back to its payer, in full or in part, the way it came.

    The answer comes before the channel has paid: `refund.succeeded` or `refund.failed` tells.
    """
    invoice_id = read(Prefix.INVOICE, body.invoice_id)
    refund = refunds.request_refund(
        call.session, invoice_id, body.request, actor=call.actor, now=call.now
    )
    return RefundOut.of(refund)


@API.route(
    "POST",
    "/refund-previews",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    body=RefundIn,
    returns=RefundPreviewOut,
    errors=(404,),
    example=_EXAMPLE,
)
def preview_refund(call: Call, body: RefundIn) -> RefundPreviewOut:
    """Work out what a refund would come to: what goes back, our fee in it, your settlement."""
    invoice = invoices.get_invoice(call.session, read(Prefix.INVOICE, body.invoice_id))
    preview = refunds.work_out(call.session, invoice, body.request, now=call.now)
    return RefundPreviewOut.of(preview)


@API.route(
    "GET",
    "/refunds",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    query=RefundQuery,
    returns=RefundList,
    errors=(404,),
)
def list_refunds(call: Call, query: RefundQuery) -> Listing[RefundOut]:
    """List refunds: all, of one invoice, or of one status."""
    page = refund_queries.list_refunds(
        call.session,
        invoice_id=read(Prefix.INVOICE, query.invoice_id) if query.invoice_id else None,
        status=query.status,
        **query.page,
    )
    return RefundList.of(page, RefundOut.of)


@API.route("GET", "/refunds/<refund_id>", scope=Scope.INVOICE_READ, tag=TAG, returns=RefundOut)
def get_refund(call: Call, refund_id: int) -> RefundOut:
    """Return one refund."""
    return RefundOut.of(refund_queries.get_refund(call.session, refund_id))


@API.route(
    "POST",
    "/refunds/<refund_id>/resend",
    scope=Scope.REFUND_WRITE,
    tag=TAG,
    returns=RefundOut,
    errors=(409,),
)
def resend_refund(call: Call, refund_id: int) -> RefundOut:
    """Mail the buyer of a refund that was paid once more, to the address of now.

    Answers 409 `mailed_just_now` within a minute of the last time.
    """
    return RefundOut.of(
        refund_mailing.resend(call.session, refund_id, actor=call.actor, now=call.now)
    )


@API.route("GET", "/refund-settings", scope=Scope.INVOICE_READ, tag=TAG, returns=RefundSettingsOut)
def get_refund_settings(call: Call) -> RefundSettingsOut:
    """Return for how long payments can be refunded."""
    return RefundSettingsOut.of(clocks.get_merchant(call.session))


@API.route(
    "PUT",
    "/refund-settings",
    scope=Scope.REFUND_WRITE,
    tag=TAG,
    body=RefundSettingsIn,
    returns=RefundSettingsOut,
    example={"windowDays": 180},
)
def set_refund_settings(call: Call, body: RefundSettingsIn) -> RefundSettingsOut:
    """Change for how long payments can be refunded, those made before included."""
    merchant = merchants.set_refund_window(
        call.session, body.window_days, actor=call.actor, now=call.real_now
    )
    return RefundSettingsOut.of(merchant)


@API.route(
    "GET",
    "/disputes",
    scope=Scope.INVOICE_READ,
    tag=TAG,
    query=DisputeQuery,
    returns=DisputeList,
    errors=(404,),
)
def list_disputes(call: Call, query: DisputeQuery) -> Listing[DisputeOut]:
    """List disputes: all, of one invoice, of one status, or of one channel."""
    wanted = DisputeFilter(
        invoice_id=read(Prefix.INVOICE, query.invoice_id) if query.invoice_id else None,
        status=query.status,
        channel=query.channel,
    )
    page = dispute_queries.list_disputes(call.session, wanted, **query.page)
    return DisputeList.of(page, DisputeOut.of)


@API.route("GET", "/disputes/<dispute_id>", scope=Scope.INVOICE_READ, tag=TAG, returns=DisputeOut)
def get_dispute(call: Call, dispute_id: int) -> DisputeOut:
    """Return one dispute."""
    return DisputeOut.of(disputes.get_dispute(call.session, dispute_id))
