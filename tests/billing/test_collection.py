"""An issued invoice is paid once or voided; its link opens it, and a wrong one opens nothing."""

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import collection, queries
from app.billing.models import Invoice, InvoiceStatus
from app.core.db import Transaction
from app.core.errors import NotFound
from app.core.ids import Prefix, show
from app.core.outbox import OutboxJob
from app.core.states import IllegalMove
from app.core.text import InvalidText
from app.customers import queries as customers
from app.webhooks.models import WebhookEvent
from tests.billing.make import billed, books, drafted, lines_of, sold, use
from tests.make import BY_ADA, NOON, Make, deeds
from tests.payments.builders import issue
from tests.pricing.races import race


@pytest.fixture
def invoice(session: Session, make: Make) -> Invoice:
    """Return an open invoice over 126.41 USD."""
    sale = sold(make)
    use(session, sale, "12641")
    return billed(session, sale)


def events(session: Session) -> list[str]:
    session.flush()
    return list(session.scalars(select(WebhookEvent.event_type).order_by(WebhookEvent.id)))


def test_a_paid_invoice_tells_it_and_owes_the_receipt(session: Session, invoice: Invoice) -> None:
    collection.mark_paid(session, invoice, now=NOON)

    session.flush()
    owed = session.scalars(select(OutboxJob).order_by(OutboxJob.id)).all()
    assert (invoice.status, invoice.paid_at) == (InvoiceStatus.PAID, NOON)
    assert events(session) == ["invoice.created", "invoice.paid"]
    assert [job.task for job in owed] == [
        "jobs.documents.print_invoice",
        "jobs.documents.print_receipt",
    ]
    assert owed[1].arguments == {"invoice": show(Prefix.INVOICE, invoice.id)}


def test_an_invoice_is_not_paid_twice(session: Session, invoice: Invoice) -> None:
    assert collection.is_payable(invoice)
    collection.mark_paid(session, invoice, now=NOON)

    assert not collection.is_payable(invoice)
    with pytest.raises(IllegalMove):
        collection.mark_paid(session, invoice, now=NOON)


def test_voiding_takes_the_receivable_back(session: Session, invoice: Invoice) -> None:
    collection.void(session, invoice, reason="billed to the wrong company", now=NOON)

    assert (invoice.status, invoice.voided_at) == (InvoiceStatus.VOID, NOON)
    assert invoice.number == "LUM-2026-000001"
    assert books(session) == {}
    assert events(session) == ["invoice.created", "invoice.voided"]


def test_only_an_open_invoice_is_voided(session: Session, make: Make, invoice: Invoice) -> None:
    collection.mark_paid(session, invoice, now=NOON)

    for row in (invoice, drafted(session, sold(make))):
        with pytest.raises(collection.InvoiceNotOpen):
            collection.void(session, row, reason="a mistake", now=NOON)


def test_of_paying_and_voiding_at_once_one_wins(transaction: Transaction) -> None:
    with transaction() as session:
        sale = sold(Make(session))
        use(session, sale, "12641")
        invoice_id = billed(session, sale).id

    def settle(session: Session, runner: int) -> InvoiceStatus:
        invoice = collection.lock_invoice(session, invoice_id)
        if runner % 2:
            collection.mark_paid(session, invoice, now=NOON)
        else:
            collection.void(session, invoice, reason="a mistake", now=NOON)
        return invoice.status

    results, refusals = race(transaction, settle)

    with transaction() as session:
        assert results == [queries.get_invoice(session, invoice_id).status]
        assert len(events(session)) == 2
    assert set(refusals) <= {"invoice_not_open", "illegal_state"}


def test_voiding_wants_a_reason(session: Session, invoice: Invoice) -> None:
    with pytest.raises(InvalidText):
        collection.void(session, invoice, reason=" ", now=NOON)

    assert invoice.status is InvoiceStatus.OPEN


def test_the_payload_names_the_customer_as_the_merchant_does(
    session: Session, invoice: Invoice
) -> None:
    customer = customers.get_customer(session, invoice.customer_id)

    told = collection.payload(invoice, customer, lines_of(session, invoice))

    assert msgspec.to_builtins(told) == {
        "invoiceId": show(Prefix.INVOICE, invoice.id),
        "number": "LUM-2026-000001",
        "kind": "usage",
        "status": "open",
        "customerId": show(Prefix.CUSTOMER, customer.id),
        "customerExternalId": customer.external_id,
        "contractId": show(Prefix.CONTRACT, invoice.contract_id or 0),
        "periodFrom": "2026-05-01",
        "periodTo": "2026-06-01",
        "discount": {"amountMinor": 0, "currency": "USD"},
        "subtotal": {"amountMinor": 12_641, "currency": "USD"},
        "tax": {"amountMinor": 0, "currency": "USD"},
        "total": {"amountMinor": 12_641, "currency": "USD"},
        "collection": {"amountMinor": 90_533, "currency": "CNY"},
        "due": {"amountMinor": 90_533, "currency": "CNY"},
        "platformFee": {"amountMinor": 2_716, "currency": "CNY"},
        "settlement": {"amountMinor": 12_262, "currency": "USD"},
        "lines": [
            {
                "kind": "usage",
                "metric": "metric_1",
                "part": {},
                "description": "Agent runs",
                "periodFrom": "2026-05-01",
                "periodTo": "2026-06-01",
                "quantity": "12641",
                "amount": {"amountMinor": 12_641, "currency": "USD"},
                "discount": {"amountMinor": 0, "currency": "USD"},
                "tax": {"amountMinor": 0, "currency": "USD"},
            }
        ],
        "lineCount": 1,
    }


def test_a_link_leads_back_to_its_invoice(session: Session, invoice: Invoice) -> None:
    merchant_id, invoice_id, secret = collection.read_link(collection.link_token(invoice))

    assert (merchant_id, invoice_id) == (invoice.merchant_id, invoice.id)
    assert collection.get_by_link(session, invoice_id, secret) is invoice


@pytest.mark.parametrize("change", [lambda token: token[:-1], lambda token: token[:-1] + "~"])
def test_a_link_with_another_secret_leads_nowhere(
    session: Session, invoice: Invoice, change: object
) -> None:
    assert callable(change)
    _, invoice_id, secret = collection.read_link(change(collection.link_token(invoice)))

    with pytest.raises(NotFound):
        collection.get_by_link(session, invoice_id, secret)


@pytest.mark.parametrize("token", ["", "abc", "0" * 46 + "é", "Z" * 46, "\ud800" * 46])
def test_a_text_that_is_no_link_leads_nowhere(session: Session, token: str) -> None:
    with pytest.raises(NotFound):
        collection.get_by_link(session, *collection.read_link(token)[1:])


def test_a_draft_has_no_link_yet(session: Session, make: Make) -> None:
    draft = drafted(session, sold(make))

    with pytest.raises(NotFound):
        collection.get_by_link(session, draft.id, draft.link_secret)


def test_who_voids_or_gives_up_is_written_down(session: Session) -> None:
    voided, lost = issue(session), issue(session)

    collection.void(session, voided, reason="Sent twice", **BY_ADA)
    collection.give_up(session, lost, **BY_ADA)

    assert deeds(session, show(Prefix.INVOICE, voided.id)) == [
        ("invoice.voided", {"status": "open"}, {"status": "void", "reason": "Sent twice"})
    ]
    assert deeds(session, show(Prefix.INVOICE, lost.id)) == [
        ("invoice.given_up", {"status": "open"}, {"status": "uncollectible"})
    ]
