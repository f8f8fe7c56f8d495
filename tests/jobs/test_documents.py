"""What was issued, paid, voided and credited is printed once in each language, and mailed once."""

# ruff: noqa: RUF001  # Chinese punctuation is full-width

from collections.abc import Sequence
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM
from app.billing import collection, credit_notes, resending
from app.billing.credit_models import CreditReason
from app.billing.models import Invoice
from app.core.db import Transaction, begin
from app.core.ids import Prefix, show
from app.customers.models import Customer
from app.documents.models import Document, DocumentKind
from app.documents.storage import StorageUnavailable
from app.documents.store import read_document
from app.extensions import runtime
from app.identity import branding
from app.identity.branding import Brand
from app.mail.models import Mail, MailKind
from jobs import documents as jobs
from tests.billing.make import billed, sold, use
from tests.documents.disks import FullDisk
from tests.documents.reading import picture, read
from tests.make import NOON, Make

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def merchant_id(engine: Engine) -> int:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
    return merchant_id


@pytest.fixture
def of_merchant(engine: Engine, merchant_id: int) -> Transaction:
    return partial(begin, engine, merchant_id)


@pytest.fixture
def invoice_id(of_merchant: Transaction) -> int:
    """Issue an invoice of 126.41 US$ to a customer who reads Chinese."""
    with of_merchant() as session:
        sale = sold(Make(session))
        use(session, sale, "12641")
        customer = session.scalars(select(Customer)).one()
        customer.email, customer.language = "caiwu@example.cn", "zh_Hans_CN"
        return billed(session, sale).id


def print_invoice(merchant_id: int, invoice_id: int) -> None:
    jobs.print_invoice(merchant_id=merchant_id, invoice=show(Prefix.INVOICE, invoice_id))


def kept(session: Session) -> Sequence[Document]:
    return session.scalars(select(Document).order_by(Document.language, Document.id)).all()


def words(document: Document) -> str:
    pages = read(read_document(runtime().storage, document)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_an_issued_invoice_is_printed_in_both_languages_and_mailed_in_the_customers(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    print_invoice(merchant_id, invoice_id)

    with of_merchant() as session:
        english, chinese = kept(session)
        mail = session.scalars(select(Mail)).one()
    assert "Due in CNY CN¥905.33" in words(english)
    assert "应付人民币 ¥905.33" in words(chinese)
    assert mail.subject.endswith("账单 LUM-2026-000001：应付 ¥905.33")
    assert (mail.attachment_name, mail.attachment_key) == (
        "LUM-2026-000001.pdf",
        chinese.storage_key,
    )


def test_what_is_asked_for_again_is_mailed_again_once_to_the_address_of_now(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    print_invoice(merchant_id, invoice_id)
    with of_merchant() as session:
        session.scalars(select(Customer)).one().email = "new@example.cn"
        asked = resending.resend(session, invoice_id, actor=SYSTEM, now=NOON)
        public_id = show(Prefix.INVOICE_RESEND, asked.id)

    for _ in range(2):
        jobs.mail_again(merchant_id=merchant_id, resend=public_id)

    with of_merchant() as session:
        first, again = session.scalars(select(Mail).order_by(Mail.id)).all()
        assert len(kept(session)) == 2
    assert (first.recipient, again.recipient) == ("caiwu@example.cn", "new@example.cn")
    assert (again.subject, again.attachment_key) == (first.subject, first.attachment_key)


def test_once_it_is_paid_the_receipt_is_mailed_again(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    pay(of_merchant, invoice_id)
    with of_merchant() as session:
        asked = resending.resend(session, invoice_id, actor=SYSTEM, now=NOON)
        public_id = show(Prefix.INVOICE_RESEND, asked.id)

    jobs.mail_again(merchant_id=merchant_id, resend=public_id)

    with of_merchant() as session:
        assert session.scalars(select(Mail)).one().kind is MailKind.INVOICE_PAID


def test_printed_again_nothing_changes_whatever_the_invoice_has_become(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    print_invoice(merchant_id, invoice_id)
    with of_merchant() as session:
        before = [(each.id, each.sha256) for each in kept(session)]
        branding.set_brand(session, Brand(footer="New"), actor=SYSTEM, now=NOON)
    void(of_merchant, invoice_id)

    print_invoice(merchant_id, invoice_id)

    with of_merchant() as session:
        assert [(each.id, each.sha256) for each in kept(session)] == before
        assert len(session.scalars(select(Mail)).all()) == 1


def test_an_invoice_that_was_paid_before_it_was_printed_is_printed_as_issued(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    pay(of_merchant, invoice_id)

    print_invoice(merchant_id, invoice_id)

    with of_merchant() as session:
        for document in kept(session):
            assert not any(word in words(document) for word in ("已支付", "收据", "Receipt"))


def test_the_receipt_is_a_document_and_a_mail_of_its_own(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    print_invoice(merchant_id, invoice_id)
    pay(of_merchant, invoice_id)

    jobs.print_receipt(merchant_id=merchant_id, invoice=show(Prefix.INVOICE, invoice_id))

    with of_merchant() as session:
        documents = [each for each in kept(session) if each.kind is DocumentKind.RECEIPT_PDF]
        mail = session.scalars(select(Mail).where(Mail.kind == MailKind.INVOICE_PAID)).one()
    assert "Paid in CNY CN¥905.33" in words(documents[0])
    assert mail.attachment_name == "LUM-2026-000001-receipt.pdf"


def test_a_void_notice_is_printed_and_mailed_to_whom_the_invoice_was_mailed(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    print_invoice(merchant_id, invoice_id)
    void(of_merchant, invoice_id)
    with of_merchant() as session:
        session.scalars(select(Customer)).one().email = "new@example.cn"

    for _ in range(2):
        jobs.print_void(merchant_id=merchant_id, invoice=show(Prefix.INVOICE, invoice_id))

    with of_merchant() as session:
        english, chinese = (each for each in kept(session) if each.kind is DocumentKind.VOID_PDF)
        mail = session.scalars(select(Mail).where(Mail.kind == MailKind.INVOICE_VOIDED)).one()
    assert "Invoice voided" in words(english)
    assert "Wrong company" in words(english)
    assert mail.recipient == "caiwu@example.cn"
    assert mail.subject.endswith("账单 LUM-2026-000001 已作废：¥905.33")
    assert "作废原因：Wrong company" in mail.text_body
    assert (mail.attachment_name, mail.attachment_key) == (
        "LUM-2026-000001-void.pdf",
        chinese.storage_key,
    )


def test_whoever_never_had_an_invoice_is_not_told_that_it_is_void(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    void(of_merchant, invoice_id)

    jobs.print_void(merchant_id=merchant_id, invoice=show(Prefix.INVOICE, invoice_id))
    print_invoice(merchant_id, invoice_id)

    with of_merchant() as session:
        assert len(kept(session)) == 4
        assert session.scalars(select(Mail)).all() == []


def test_a_credit_note_is_printed_and_mailed(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    with of_merchant() as session:
        request = credit_notes.CreditRequest(CreditReason.SERVICE_FAILURE, "停机", total_minor=641)
        note = credit_notes.issue(session, invoice_id, request, actor=SYSTEM, now=NOON)
        note_id, number = note.id, note.number

    jobs.print_credit_note(merchant_id=merchant_id, credit_note=show(Prefix.CREDIT_NOTE, note_id))

    with of_merchant() as session:
        _english, chinese = kept(session)
        mail = session.scalars(select(Mail)).one()
    for fact in (number, "LUM-2026-000001", "服务未达标", "停机", "US$6.41", "冲减人民币 ¥45.91"):
        assert fact in words(chinese)
    assert (mail.kind, mail.attachment_name) == (MailKind.INVOICE_CREDITED, f"{number}.pdf")


def test_documents_and_mails_wear_the_brand(
    of_merchant: Transaction, merchant_id: int, invoice_id: int
) -> None:
    brand = Brand("极光智能", "上海市", "91310000MA1FL4QX7X", "#0f766e", "谢谢惠顾")
    with of_merchant() as session:
        branding.set_brand(session, brand, actor=SYSTEM, now=NOON)
        branding.set_logo(session, picture(), actor=SYSTEM, now=NOON)

    print_invoice(merchant_id, invoice_id)

    with of_merchant() as session:
        _english, chinese = kept(session)
        mail = session.scalars(select(Mail)).one()
    for fact in ("极光智能", "税号 91310000MA1FL4QX7X", "上海市", "谢谢惠顾"):
        assert fact in words(chinese)
    assert len(read(read_document(runtime().storage, chinese)).pages[0].images) == 1
    assert "/brand/" in mail.html_body
    assert "#0f766e" in mail.html_body


@pytest.mark.parametrize("name", ["字" * 500, "\u202e<b>x</b>\u200f אבג", "a\u2028b" * 60])
def test_no_name_keeps_an_invoice_from_its_reader(
    of_merchant: Transaction, merchant_id: int, invoice_id: int, name: str
) -> None:
    with of_merchant() as session:
        session.scalars(select(Customer)).one().name = name

    print_invoice(merchant_id, invoice_id)

    with of_merchant() as session:
        mail = session.scalars(select(Mail)).one()
    assert "<b>" not in mail.html_body
    assert not {"\u202e", "\u200f", "\u2028"} & set(mail.recipient_name + mail.text_body)


@pytest.mark.parametrize("room", [0, 1])
def test_a_full_disk_leaves_nothing_half_done_and_the_job_goes_on_where_it_stopped(
    app: Flask, of_merchant: Transaction, merchant_id: int, invoice_id: int, room: int
) -> None:
    del app
    storage = runtime().storage
    vars(runtime())["storage"] = FullDisk(storage, room=room)

    with pytest.raises(StorageUnavailable):
        print_invoice(merchant_id, invoice_id)

    with of_merchant() as session:
        assert len(kept(session)) == room
        assert session.scalars(select(Mail)).all() == []
        done = [each.id for each in kept(session)]
    vars(runtime())["storage"] = storage
    print_invoice(merchant_id, invoice_id)
    with of_merchant() as session:
        assert len(kept(session)) == 2
        assert {each.id for each in kept(session)} >= set(done)
        for document in kept(session):
            assert read_document(storage, document).startswith(b"%PDF")
        assert len(session.scalars(select(Mail)).all()) == 1


def pay(transaction: Transaction, invoice_id: int) -> None:
    with transaction() as session:
        invoice: Invoice = collection.lock_invoice(session, invoice_id)
        collection.mark_paid(session, invoice, now=NOON)


def void(transaction: Transaction, invoice_id: int) -> None:
    with transaction() as session:
        invoice = collection.lock_invoice(session, invoice_id)
        collection.void(session, invoice, reason="Wrong company", now=NOON)
