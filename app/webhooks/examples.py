"""A payload of every event, true to life: the documentation shows them."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from msgspec.structs import asdict, replace

from app.core.money import Currency
from app.webhooks import payloads
from app.webhooks.catalogue import EventType
from app.webhooks.payloads import Amount, Payload

_INVOICE_ID, _PAYMENT_ID = "inv_0123456789abc", "po_0123456789abc"
_CUSTOMER_ID, _CONTRACT_ID = "cus_0123456789abc", "ctr_0123456789abc"
_WECHAT, _WECHAT_TXN = "wechat", "4200002100202606031234567890"


def _cny(minor: int) -> Amount:
    return Amount(amount_minor=minor, currency=Currency.CNY)


def _usd(minor: int) -> Amount:
    return Amount(amount_minor=minor, currency=Currency.USD)


INVOICE = payloads.InvoiceData(
    invoice_id=_INVOICE_ID,
    number="LUM-2026-000001",
    kind="usage",
    status="open",
    customer_id=_CUSTOMER_ID,
    customer_external_id="user_42",
    contract_id=_CONTRACT_ID,
    period_from=date(2026, 5, 1),
    period_to=date(2026, 6, 1),
    discount=_usd(1405),
    subtotal=_usd(12_641),
    tax=_usd(0),
    total=_usd(12_641),
    collection=_cny(90_533),
    due=_cny(90_533),
    platform_fee=_cny(2716),
    settlement=_usd(12_262),
    lines=[
        payloads.Line(
            kind="usage",
            metric="tokens_input",
            part={},
            description="Input tokens",
            period_from=date(2026, 5, 1),
            period_to=date(2026, 6, 1),
            quantity="50564000",
            amount=_usd(14_046),
            discount=_usd(1405),
            tax=_usd(0),
        )
    ],
    line_count=1,
)
_REFUND = payloads.RefundData(
    refund_id="rf_0123456789abc",
    status="requested",
    purpose="invoice",
    invoice_id=_INVOICE_ID,
    payment_order_id=_PAYMENT_ID,
    channel=_WECHAT,
    reason="Two days without service",
    trouble=None,
    channel_refund_id=None,
    amount=_cny(18_914),
    tax=_cny(0),
    platform_fee_returned=_cny(0),
    settlement=_usd(2641),
)
_REFUNDED = replace(_REFUND, status="succeeded", channel_refund_id="50300902026060500000000000001")
_FAPIAO = payloads.FapiaoData(
    fapiao_request_id="fpr_0123456789abc",
    status="requested",
    invoice_id=_INVOICE_ID,
    invoice_number="LUM-2026-000001",
    customer_id=_CUSTOMER_ID,
    kind="general",
    title_type="company",
    title="上海智谱星图信息科技有限公司",
    tax_id="91350100M000100Y43",
    email="caiwu@example.cn",
    amount=_cny(90_533),
    tax=_cny(0),
    number=None,
    code=None,
    issued_on=None,
    red_number=None,
    reason=None,
)
_ISSUED = replace(
    _FAPIAO, status="issued", number="26312000000123456789", issued_on=date(2026, 6, 4)
)
_PAYMENT = payloads.PaymentData(
    payment_order_id=_PAYMENT_ID,
    status="pending",
    invoice_id=_INVOICE_ID,
    channel=_WECHAT,
    method="native",
    amount=_cny(90_533),
    channel_transaction_id=None,
    captured_at=None,
)
_DISPUTE = payloads.DisputeData(
    dispute_id="dp_0123456789abc",
    status="open",
    invoice_id=_INVOICE_ID,
    payment_order_id=_PAYMENT_ID,
    channel="alipay",
    channel_case_no="2026060500100300",
    reason="The buyer says nothing was delivered",
    amount=_cny(90_533),
    held=_usd(12_262),
    charge=_usd(0),
)
_CUSTOMER = payloads.CustomerData(
    customer_id=_CUSTOMER_ID,
    external_id="user_42",
    status="active",
    language="zh_Hans_CN",
    is_reminded=True,
    is_tax_exempt=False,
    tax_rate_id=None,
)
_CONTRACT = payloads.ContractData(
    contract_id=_CONTRACT_ID,
    status="active",
    customer_id=_CUSTOMER_ID,
    rate_card_version_id="rcv_0123456789abc",
    next_version_id=None,
    next_version_on=None,
    currency=Currency.USD,
    cycle="monthly",
    starts_on=date(2026, 5, 1),
    ends_on=None,
)
_PAYOUT = payloads.PayoutData(payout_id="pay_0123456789abc", status="approved", amount=_usd(12_262))


def _of_invoice(status: str) -> payloads.InvoiceData:
    return replace(INVOICE, status=status)


def _with(**more: Any) -> dict[str, Any]:
    return asdict(INVOICE) | more


EXAMPLES: Mapping[EventType, Payload] = {
    EventType.INVOICE_CREATED: INVOICE,
    EventType.INVOICE_WILL_BE_DUE: payloads.InvoiceReminderData(
        **_with(due_at="2026-06-16T04:00:00.000Z")
    ),
    EventType.INVOICE_OVERDUE: payloads.InvoiceReminderData(
        **_with(due_at="2026-06-16T04:00:00.000Z")
    ),
    EventType.INVOICE_PAID: _of_invoice("paid"),
    EventType.INVOICE_VOIDED: _of_invoice("void"),
    EventType.INVOICE_MARKED_UNCOLLECTIBLE: _of_invoice("uncollectible"),
    EventType.INVOICE_REISSUED: payloads.InvoiceReissuedData(
        **_with(
            number="LUM-2026-000002",
            replaces_invoice_id="inv_0123456789abb",
            replaces_number="LUM-2026-000001",
        )
    ),
    EventType.INVOICE_REFUNDED: payloads.InvoiceRefundedData(
        **_with(status="partially_refunded", refunded=_cny(18_914), refund=_REFUNDED)
    ),
    EventType.PAYMENT_CREATED: _PAYMENT,
    EventType.PAYMENT_SUCCEEDED: replace(
        _PAYMENT,
        status="captured",
        channel_transaction_id=_WECHAT_TXN,
        captured_at="2026-06-03T08:12:31.000Z",
    ),
    EventType.PAYMENT_CLOSED: replace(_PAYMENT, status="closed"),
    EventType.PAYMENT_UNAPPLIED: payloads.PaymentUnappliedData(
        invoice_id=_INVOICE_ID,
        payment_order_id=_PAYMENT_ID,
        channel=_WECHAT,
        channel_transaction_id=_WECHAT_TXN,
        amount=_cny(90_533),
        reason="invoice_not_payable",
    ),
    EventType.REFUND_CREATED: _REFUND,
    EventType.REFUND_SUCCEEDED: _REFUNDED,
    EventType.REFUND_FAILED: replace(_REFUND, status="failed", trouble="the account is closed"),
    EventType.DISPUTE_OPENED: _DISPUTE,
    EventType.DISPUTE_CLOSED: replace(_DISPUTE, status="won"),
    EventType.CREDIT_NOTE_CREATED: payloads.CreditNoteData(
        credit_note_id="cn_0123456789abc",
        number="LUM-CN-2026-000001",
        invoice_id=_INVOICE_ID,
        invoice_number="LUM-2026-000001",
        customer_id=_CUSTOMER_ID,
        customer_external_id="user_42",
        reason="service_failure",
        note="Two days without service",
        disposition="invoice",
        total=_usd(2641),
        tax=_usd(0),
        amount=_cny(18_914),
        to_balance=_cny(0),
        invoice_due=_cny(71_619),
    ),
    EventType.CUSTOMER_CREATED: _CUSTOMER,
    EventType.CUSTOMER_UPDATED: replace(_CUSTOMER, language="en"),
    EventType.CONTRACT_CREATED: _CONTRACT,
    EventType.CONTRACT_UPDATED: replace(_CONTRACT, ends_on=date(2027, 1, 1)),
    EventType.CONTRACT_ENDED: replace(_CONTRACT, status="ended", ends_on=date(2027, 1, 1)),
    EventType.FAPIAO_REQUESTED: _FAPIAO,
    EventType.FAPIAO_ISSUED: _ISSUED,
    EventType.FAPIAO_REJECTED: replace(
        _FAPIAO, status="rejected", reason="The tax number does not match the name"
    ),
    EventType.FAPIAO_RED_LETTERED: replace(
        _ISSUED,
        status="red_lettered",
        red_number="26312000000123456790",
        reason="款项已退回 The payment was refunded",
    ),
    EventType.PAYOUT_CREATED: _PAYOUT,
    EventType.PAYOUT_COMPLETED: replace(_PAYOUT, status="completed"),
    EventType.PAYOUT_FAILED: replace(_PAYOUT, status="failed"),
    EventType.WEBHOOK_TEST: payloads.WebhookTestData(webhook_endpoint_id="whe_0123456789abc"),
}
