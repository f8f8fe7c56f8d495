"""A credit note corrects what was issued: never more than there is, and the books show it."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import balances, collection, credit_notes, queries
from app.billing.credit_amounts import BadCredit, CreditTooLarge
from app.billing.credit_models import CreditNote, CreditReason, Disposition
from app.billing.credit_notes import CreditRequest, InvoiceNotCreditable
from app.billing.models import Invoice, InvoiceStatus
from app.core.db import Transaction
from app.core.errors import Refusal
from app.core.text import InvalidText
from app.ledger import journals, posting
from app.webhooks.models import WebhookEvent
from tests.billing.make import billed, books, drafted, sold, use
from tests.make import ADA, NOON, Make, cny, usd
from tests.pricing.races import race


@pytest.fixture
def invoice(session: Session, make: Make) -> Invoice:
    """Return an open invoice over 126.41 USD, which are 905.33 CNY."""
    sale = sold(make)
    use(session, sale, "12641")
    return billed(session, sale)


def total(minor: int, **more: object) -> CreditRequest:
    return CreditRequest(CreditReason.CORRECTION, total_minor=minor, **more)  # type: ignore[arg-type]  # texts


def lines(amounts: dict[int, int]) -> CreditRequest:
    return CreditRequest(CreditReason.CORRECTION, lines=amounts)


def credit(session: Session, invoice: Invoice, request: CreditRequest) -> CreditNote:
    return credit_notes.issue(session, invoice.id, request, actor=ADA, now=NOON)


def pay(session: Session, invoice: Invoice) -> None:
    """Pay as a capture does, without a channel's fee or conversion."""
    collection.mark_paid(session, invoice, now=NOON)
    journal = journals.payment_captured(invoice.id, "wechat", invoice.due)
    posting.post(session, journal, now=NOON)


def balance_in_ledger(session: Session, customer_id: int) -> int:
    return -books(session).get(journals.customer_balance(customer_id), 0)


def test_of_an_open_invoice_it_lowers_what_is_due(session: Session, invoice: Invoice) -> None:
    note = credit(session, invoice, total(2_641, note="Two days without service"))

    assert (note.number, note.disposition) == ("LUM-CN-2026-000001", Disposition.INVOICE)
    assert (note.total, note.amount, note.to_balance) == (usd(2_641), cny(18_914), cny(0))
    assert invoice.status is InvoiceStatus.OPEN
    assert (invoice.collection, invoice.credited) == (cny(90_533), cny(18_914))
    assert invoice.due == cny(71_619)
    assert (invoice.platform_fee, invoice.net) == (cny(2_149), cny(69_470))
    assert invoice.settlement == usd(9_700)
    assert books(session) == {
        "receivable": 71_619,
        "merchant_uncollected": -71_619,
        "sales_clearing": 71_619,
        "revenue": -71_619,
    }


def test_of_a_paid_invoice_it_fills_the_balance(session: Session, invoice: Invoice) -> None:
    pay(session, invoice)

    note = credit(session, invoice, total(2_641))

    assert (note.disposition, note.to_balance) == (Disposition.BALANCE, cny(18_914))
    assert invoice.status is InvoiceStatus.PAID
    assert invoice.due == cny(90_533)
    assert balances.balance_of(session, invoice.customer_id) == cny(18_914)
    assert balance_in_ledger(session, invoice.customer_id) == 18_914
    [entry] = balances.list_entries(session, invoice.customer_id).rows
    assert (entry.amount, entry.balance) == (cny(18_914), cny(18_914))
    assert (entry.invoice_id, entry.credit_note_id) == (invoice.id, note.id)
    assert entry.created_by == ADA.name


def test_an_open_invoice_with_nothing_left_to_pay_is_paid(
    session: Session, invoice: Invoice
) -> None:
    credit(session, invoice, total(12_641))

    assert (invoice.status, invoice.due) == (InvoiceStatus.PAID, cny(0))
    assert (invoice.platform_fee, invoice.settlement) == (cny(0), usd(0))
    assert books(session) == {}


@pytest.mark.parametrize("pieces", [(12_641,), (1, 12_640), (4_213, 4_213, 4_215), (6_320, 6_321)])
def test_crediting_everything_leaves_exactly_zero(
    session: Session, invoice: Invoice, pieces: tuple[int, ...]
) -> None:
    pay(session, invoice)

    notes = [credit(session, invoice, total(piece)) for piece in pieces]

    assert sum(note.amount_minor for note in notes) == 90_533
    assert credit_notes.left_to_credit(session, invoice) == usd(0)
    assert balances.balance_of(session, invoice.customer_id) == cny(90_533)
    assert books(session)["channel_clearing/wechat"] == 90_533
    with pytest.raises(CreditTooLarge):
        credit(session, invoice, total(1))


def test_numbers_of_credit_notes_have_a_series_of_their_own(
    session: Session, invoice: Invoice
) -> None:
    numbers = [credit(session, invoice, total(1)).number for _ in range(3)]

    assert invoice.number == "LUM-2026-000001"
    assert numbers == [f"LUM-CN-2026-00000{n}" for n in (1, 2, 3)]


def test_lines_name_what_is_credited(session: Session, invoice: Invoice) -> None:
    note = credit(session, invoice, lines({1: 641}))

    assert note.total == usd(641)
    assert note.lines == [
        {
            "position": 1,
            "description": "Agent runs",
            "amount": 641,
            "discount": 0,
            "tax": 0,
            "tax_percent": None,
            "is_inclusive": False,
        }
    ]
    [rest] = credit_notes.rests_of(session, invoice)
    assert rest.amount == usd(12_000)


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (total(12_642), CreditTooLarge),
        (lines({1: 12_642}), CreditTooLarge),
        (lines({2: 1}), BadCredit),
        (lines({1: 0}), BadCredit),
        (lines({1: -5}), BadCredit),
        (lines({}), BadCredit),
        (total(0), BadCredit),
        (total(-1), BadCredit),
        (CreditRequest(CreditReason.OTHER), BadCredit),
        (CreditRequest(CreditReason.OTHER, lines={1: 1}, total_minor=1), BadCredit),
        (total(1, note="x" * 501), InvalidText),
        (total(1, note="a\x00b"), InvalidText),
    ],
)
def test_what_can_not_be_credited_is_refused_and_changes_nothing(
    session: Session, invoice: Invoice, request_: CreditRequest, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        credit(session, invoice, request_)

    assert invoice.due == cny(90_533)
    assert session.scalars(select(CreditNote)).all() == []


def test_a_draft_and_a_void_invoice_are_not_credited(
    session: Session, make: Make, invoice: Invoice
) -> None:
    draft = drafted(session, sold(make))
    collection.void(session, invoice, reason="a mistake", now=NOON)

    for row in (draft, invoice):
        with pytest.raises(InvoiceNotCreditable):
            credit(session, row, total(1))


def test_a_void_takes_back_only_what_credit_notes_left(session: Session, invoice: Invoice) -> None:
    credit(session, invoice, total(2_641))

    collection.void(session, invoice, reason="a mistake", now=NOON)

    assert books(session) == {}
    assert invoice.credited == cny(18_914)


def test_a_credit_note_is_told(session: Session, invoice: Invoice) -> None:
    credit(session, invoice, total(2_641))

    session.flush()
    events = session.scalars(select(WebhookEvent).order_by(WebhookEvent.id)).all()
    assert [event.event_type for event in events] == ["invoice.created", "credit_note.created"]
    assert '"invoiceDue":{"amountMinor":71619,"currency":"CNY"}' in events[-1].payload


def test_of_two_credits_of_the_rest_at_once_one_is_given(transaction: Transaction) -> None:
    with transaction() as session:
        sale = sold(Make(session))
        use(session, sale, "12641")
        invoice = billed(session, sale)
        pay(session, invoice)
        invoice_id, customer_id = invoice.id, invoice.customer_id

    def give(session: Session, runner: int) -> str:
        del runner
        request = total(12_000)
        return credit_notes.issue(session, invoice_id, request, actor=ADA, now=NOON).number

    results, refusals = race(transaction, give)

    with transaction() as session:
        assert results == ["LUM-CN-2026-000001"]
        assert set(refusals) == {"credit_too_large"}
        credited = queries.get_invoice(session, invoice_id).credited_minor
        assert balances.balance_of(session, customer_id) == cny(credited)
        assert balance_in_ledger(session, customer_id) == credited
