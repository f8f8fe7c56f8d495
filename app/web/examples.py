"""Example values for the API reference: what the fields that everybody knows look like."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

MOMENT = "2026-06-03T08:12:31.402Z"
_ID = "0123456789abc"
_PREFIXES = {
    "actorId": "usr",
    "contractId": "ctr",
    "couponId": "cpn",
    "creditNoteId": "cn",
    "customerId": "cus",
    "endpointId": "whe",
    "fapiaoRequestId": "fpr",
    "invoiceId": "inv",
    "messageId": "msg",
    "paymentOrderId": "po",
    "priceReplayId": "rpl",
    "productId": "prod",
    "rateCardId": "rc",
    "rateCardVersionId": "rcv",
    "taxRateId": "txr",
}
_ROWS = {
    "AuditEntryOut": "aud",
    "ContractOut": "ctr",
    "CouponOut": "cpn",
    "BalanceEntryOut": "cbe",
    "CreditNoteOut": "cn",
    "CustomerOut": "cus",
    "DeadEventOut": "dev",
    "DeliveryOut": "whd",
    "DisputeOut": "dp",
    "EndpointOut": "whe",
    "EndpointWithSecret": "whe",
    "EventOut": "msg",
    "FapiaoRequestOut": "fpr",
    "InvoiceBulkOut": "blk",
    "InvoiceBulkWithItems": "blk",
    "InvoiceOut": "inv",
    "InvoiceResendOut": "rsd",
    "InvoiceRunOut": "run",
    "InvoiceWithLines": "inv",
    "LedgerTransactionOut": "ltx",
    "MetricOut": "mtr",
    "PaymentOrderOut": "po",
    "PriceReplayOut": "rpl",
    "PriceReplayWithTotals": "rpl",
    "ProductOut": "prod",
    "RateCardOut": "rc",
    "RefundOut": "rf",
    "ReminderOut": "rem",
    "TaxRateOut": "txr",
    "UsageEventOut": "evt",
    "VersionOut": "rcv",
}
_USD, _CNY = "USD", "CNY"
_VALUES: Mapping[str, Any] = {
    "account": "merchant_payable",
    "channelState": "SUCCESS",
    "action": "rate_card.published",
    "actorName": "ada@example.com",
    "against": f"rcv_{_ID}",
    "amountMinor": 12262,
    "basis": "units",
    "book": "P",
    "checkoutUrl": "https://pay.example.com/pay/…",
    "code": "chat_api",
    "commitments": {_USD: "100000"},
    "color": "#0f766e",
    "collection": {"amountMinor": 90533, "currency": _CNY},
    "currencies": {_USD: [{"metric": "agent_runs", "model": "standard", "unitPrice": "1"}]},
    "currency": _USD,
    "customerExternalId": "user_42",
    "day": "2026-05-25",
    "description": "",
    "dimensions": {"model": "gpt-5", "region": "us-east-1"},
    "disabledReason": None,
    "discount": {"amountMinor": 1405, "currency": _USD},
    "due": {"amountMinor": 90533, "currency": _CNY},
    "duplicates": 0,
    "email": "finance@example.cn",
    "endsOn": None,
    "externalId": "user_42",
    "failed": 0,
    "failingSince": None,
    "field": "tiers[1].unitPrice",
    "flatFee": "0",
    "footer": "Bank: CMB Shanghai, 1219 0000 0000",
    "freeUnits": "1000000",
    "group": {"region": "us-east-1"},
    "groupBy": ["region"],
    "idempotencyKey": "evt_abc_1234",
    "index": 0,
    "kind": "payment_captured",
    "language": "zh_Hans_CN",
    "lastError": None,
    "legalAddress": "2 Boyun Road, Shanghai",
    "legalName": "Lumen AI Pte. Ltd.",
    "logo": "iVBORw0KGgo…",
    "logoUrl": "https://pay.example.com/brand/…/….png",
    "match": {"model": ["gpt-5"]},
    "maximumAmount": None,
    "message": "",
    "jsapi": None,
    "metric": "tokens_input",
    "minimumAmount": None,
    "name": "Chat API",
    "nextAttemptAt": None,
    "nextCursor": None,
    "nextRateCardVersionId": None,
    "nextVersionOn": None,
    "packageSize": None,
    "percent": "10",
    "paidAt": None,
    "path": "",
    "periodFrom": "2026-05-01",
    "periodTo": "2026-06-01",
    "platformFee": {"amountMinor": 2716, "currency": _CNY},
    "pricingRate": "7.16184",
    "publisher": "sandbox fixture",
    "qrPayload": "weixin://wxpay/bizpayurl?pr=…",
    "quantity": "12500",
    "redirectUrl": None,
    "recipient": "finance@example.cn",
    "reissueOfId": None,
    "rejected": 0,
    "secret": "whsec_…",
    "settlement": {"amountMinor": 12262, "currency": _USD},
    "settlementRate": "7.16184",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "spreadBps": 80,
    "steps": [-3, 0, 3, 7, 14],
    "subject": f"rc_{_ID}",
    "subtotal": {"amountMinor": 12641, "currency": _USD},
    "tax": {"amountMinor": 0, "currency": _USD},
    "taxPercent": "6",
    "total": {"amountMinor": 12641, "currency": _USD},
    "taxId": "201912345K",
    "uniqueBy": None,
    "unit": "token",
    "unitPrice": "0.00025",
    "upTo": None,
    "updatedBy": "ada@example.com",
    "url": "https://example.com/webhooks",
    "voidReason": None,
    "voidedAt": None,
}
_MOMENTS = frozenset({"asOf", "at", "now", "openPeriodFrom", "openPeriodTo", "realNow"})
_TEXTS = {"above": "0", "amount": "3.125", "number": "LUM-2026-000001"}
"""Values of names that elsewhere are numbers or objects."""
_LIKELY = (
    "active",
    "open",
    "accepted",
    "delivered",
    "standard",
    "monthly_calendar",
    "invoice.paid",
    "user",
)


def is_known(name: str, schema: Schema) -> bool:
    """Tell whether there is a value for a field of this name and type."""
    is_text = name in _TEXTS and schema.get("type", "string") == "string" and "$ref" not in schema
    return is_text or name in _VALUES or name in _PREFIXES or _is_moment(name) or "enum" in schema


def value(name: str, schema: Schema) -> Any:
    """Return the value of a known field."""
    if name == "code" and "default" in schema:  # of an error that may be there, not of a row
        return schema["default"]
    if name in _TEXTS:
        return _TEXTS[name]
    if name in _VALUES:
        return _VALUES[name]
    if name in _PREFIXES:
        return f"{_PREFIXES[name]}_{_ID}"
    if _is_moment(name):
        return MOMENT
    return next((likely for likely in _LIKELY if likely in schema["enum"]), schema["enum"][0])


def row_id(title: str) -> str:
    """Return an id of the kind of row that a schema of this title shows."""
    return f"{_ROWS[title]}_{_ID}"


def scalar(schema: Schema) -> Any:
    """Return a value of a plain type."""
    by_type: dict[str, Any] = {"integer": 1, "boolean": True, "null": None, "object": {}}
    kind = str(schema.get("type"))
    if kind in by_type:
        return by_type[kind]
    return "2026-05-01" if schema.get("format") == "date" else "…"


def _is_moment(name: str) -> bool:
    return name.endswith("At") or name in _MOMENTS
