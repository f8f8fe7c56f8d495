"""A merchant's program at the API's door, and rows of every kind for it to ask for."""

from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.audit.recording import SYSTEM
from app.billing import bulk
from app.billing.credit_models import CreditNote, CreditReason, Disposition
from app.billing.handling_models import BulkAction, InvoiceBulk
from app.billing.models import Invoice
from app.core import clock
from app.core.crypto import Keyring
from app.core.ids import Prefix, show
from app.core.language import Language
from app.ledger import queries as ledger
from app.payments.disputes import Complaint, open_dispute
from app.pricing import metrics
from app.webhooks import emitting, endpoints, queries
from app.webhooks.catalogue import EventType
from app.webhooks.examples import EXAMPLES
from tests.billing.fapiao import requested
from tests.make import NOON, Make, cny
from tests.metering.dead import kept
from tests.metering.stored import Shelf, may
from tests.payments.backing import ask_back, paid_invoice
from tests.payments.builders import issue

USD = {"USD": [{"metric": "tokens_input", "model": "standard", "unitPrice": "0.00025"}]}
ONE_OFF = {
    "customerId": "cus_0123456789abc",
    "currency": "CNY",
    "items": [{"description": "Setup", "quantity": "1", "unitPrice": "200000"}],
}
REFUND = {"invoiceId": "inv_0123456789abc", "amountMinor": 1, "reason": "Not delivered"}
CREDIT = {"invoiceId": "inv_0123456789abc", "reason": "goodwill", "totalMinor": 1}
BODIES: dict[str, Any] = {
    "create_product": {"code": "voice_api", "name": "Voice API"},
    "create_metric": {"code": "minutes", "name": "Minutes", "unit": "minute"},
    "create_customer": {"externalId": "user_77", "name": "Acme"},
    "publish_rate_card_version": {"currencies": USD},
    "save_rate_card_draft": {"currencies": USD},
    "schedule_contract_version": {"rateCardVersionId": "rcv_0123456789abc", "on": "2027-01-01"},
    "schedule_version_contracts": {"rateCardVersionId": "rcv_0123456789abc", "on": "2027-01-01"},
    "dry_run_pricing": {"currency": "USD", "usage": [], "currencies": USD},
    "end_contract": {"endsOn": "2026-12-01"},
    "create_coupon": {"code": "SPRING", "name": "Spring", "percent": "10"},
    "rename_coupon": {"name": "Spring"},
    "attach_coupon": {"couponId": "cpn_0123456789abc"},
    "create_tax_rate": {"code": "vat", "name": "VAT", "percent": "6", "isInclusive": True},
    "rename_tax_rate": {"name": "VAT"},
    "set_product_tax": {"taxRateId": None},
    "create_fapiao_request": {
        "invoiceId": "inv_0123456789abc",
        "title": "Acme",
        "taxId": "91350100M000100Y43",
        "email": "caiwu@example.cn",
    },
    "issue_fapiao": {"number": "12345678", "issuedOn": "2026-06-02", "file": "JVBERi0="},
    "reject_fapiao_request": {"reason": "Wrong title"},
    "request_fapiao_red_letter": {"reason": "Refunded"},
    "red_letter_fapiao": {"number": "12345678", "issuedOn": "2026-06-02", "file": "JVBERi0="},
    "set_fapiao_settings": {"item": "*信息技术服务*技术服务费"},
    "create_invoice": ONE_OFF,
    "replace_invoice": ONE_OFF,
    "start_invoice_bulk": {"action": "resend", "invoiceIds": ["inv_0123456789abc"]},
    "create_credit_note": CREDIT,
    "preview_credit_note": CREDIT,
    "create_refund": REFUND,
    "preview_refund": REFUND,
    "adjust_customer_balance": {"amountMinor": 100, "reason": "Thanks"},
    "void_invoice": {"reason": "Sent to the wrong company"},
    "create_checkout": {"channel": "wechat"},
    "set_branding_logo": {
        "logo": "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAGUlEQVR4nGPkL8tjIAUwkaR6VMOohiGl"
        "AQAaKAETEQynHQAAAABJRU5ErkJggg=="
    },
    "set_refund_settings": {"windowDays": 180},
    "set_reminder_settings": {"isOn": True, "steps": [0]},
    "move_sandbox_clock": {"now": "2027-01-02T04:00:00Z"},
    "ingest_usage_events": {"events": []},
    "void_usage_events": {"idempotencyKeys": ["evt_abc_1234"], "reason": "Sent twice"},
}
"""A body for every operation that takes one and is not content with `{}`."""


@dataclass(frozen=True)
class Caller:
    """A client that sends one key with every call."""

    client: FlaskClient
    key: str

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.call("GET", path, query_string=query)

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, json=body, headers=named)

    def patch(self, path: str, body: Any) -> TestResponse:
        return self.call("PATCH", path, json=body)

    def send(self, path: str, raw: bytes, content_type: str = "application/json") -> TestResponse:
        """Post bytes that no honest client would."""
        return self.call("POST", path, data=raw, content_type=content_type)

    def call(self, method: str, path: str, **request: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.key}", **request.pop("headers", {})}
        url = path if path.startswith("/api/") else f"/api/v1{path}"
        return self.client.open(url, method=method, headers=headers, **request)


def own_rows(make: Make) -> dict[str, str]:
    return {
        "metric_id": show(Prefix.METRIC, make.metric(code="calls").id),
        "coupon_id": show(Prefix.COUPON, make.coupon().id),
        "tax_rate_id": show(Prefix.TAX_RATE, make.tax_rate().id),
    }


def stock(session: Session, keyring: Keyring) -> dict[str, str]:
    """Add a row of every kind that a path can name, and return the ids by the path's names."""
    make = Make(session)
    metrics.make_built_in(session, now=NOON)
    invoice = issue(session, finalized_at=clock.now())  # its rates hold: it can be paid
    product = make.product(code="chat_api")
    card = make.rate_card(product_id=product.id)
    version = make.rate_card_version({"currencies": {"USD": []}}, rate_card_id=card.id)
    make.rate_card_draft(version)
    customer = make.customer(external_id="user_42")
    measured = Shelf(session).add(make.metric(), "1", at=may(3), customer=make.customer())
    endpoint, _ = endpoints.register(
        session,
        "https://example.com/webhooks",
        [EventType.INVOICE_PAID],
        keyring=keyring,
        allow_loopback=False,
        now=NOON,
    )
    session.flush()
    paid = EXAMPLES[EventType.INVOICE_PAID]
    emitting.emit(session, EventType.INVOICE_PAID, paid, reference="inv_1", now=NOON)
    session.flush()
    (delivery,) = queries.list_deliveries(session).rows
    (posted,) = ledger.list_transactions(session).rows
    own = own_rows(make) | given_back(session)
    return own | {
        "product_id": show(Prefix.PRODUCT, product.id),
        "rate_card_id": show(Prefix.RATE_CARD, card.id),
        "price_replay_id": show(Prefix.PRICE_REPLAY, make.price_replay(card).id),
        "rate_card_version_id": show(Prefix.RATE_CARD_VERSION, version.id),
        "customer_id": show(Prefix.CUSTOMER, customer.id),
        "contract_id": show(Prefix.CONTRACT, make.contract(version, customer_id=customer.id).id),
        "invoice_id": show(Prefix.INVOICE, invoice.id),
        "invoice_bulk_id": show(Prefix.INVOICE_BULK, begun(session, invoice).id),
        "credit_note_id": show(Prefix.CREDIT_NOTE, credited(session, invoice).id),
        "fapiao_request_id": show(Prefix.FAPIAO_REQUEST, requested(session, invoice).id),
        "usage_event_id": show(Prefix.USAGE_EVENT, measured.id),
        "dead_event_id": show(Prefix.DEAD_EVENT, kept(session).id),
        "webhook_endpoint_id": show(Prefix.WEBHOOK_ENDPOINT, endpoint.id),
        "webhook_delivery_id": show(Prefix.WEBHOOK_DELIVERY, delivery.id),
        "ledger_transaction_id": show(Prefix.LEDGER_TRANSACTION, posted.id),
    }


def given_back(session: Session) -> dict[str, str]:
    """Pay an invoice, refund a fen of it and let its channel withdraw another."""
    now = clock.now()
    invoice, _ = paid_invoice(session, now=now)
    complaint = Complaint("4200", cny(1), "未收到")
    dispute = open_dispute(session, invoice.id, complaint, actor=SYSTEM, now=now)
    refund = ask_back(session, invoice, cny(1), now=now)
    return {
        "payment_order_id": show(Prefix.PAYMENT_ORDER, refund.payment_order_id),
        "refund_id": show(Prefix.REFUND, refund.id),
        "dispute_id": show(Prefix.DISPUTE, dispute.id),
    }


def begun(session: Session, invoice: Invoice) -> InvoiceBulk:
    """Begin to mail the invoice again, with no other."""
    return bulk.start(
        session, BulkAction.RESEND, [invoice.id], language=Language.EN, actor=SYSTEM, now=NOON
    )


def credited(session: Session, invoice: Invoice) -> CreditNote:
    """Keep a credit note of the invoice as it was given, whatever its lines were."""
    note = CreditNote(
        merchant_id=invoice.merchant_id,
        number="LUM-CN-2026-000001",
        invoice_id=invoice.id,
        customer_id=invoice.customer_id,
        reason=CreditReason.GOODWILL,
        note="",
        currency=invoice.currency,
        pricing_minor=1,
        discount_minor=0,
        tax_minor=0,
        amount_minor=7,
        balance_minor=7,
        disposition=Disposition.BALANCE,
        lines=[],
        created_at=NOON,
        created_by="ada@lumen.example",
    )
    session.add(note)
    session.flush()  # its id is what a path names
    return note
