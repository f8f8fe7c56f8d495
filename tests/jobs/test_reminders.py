"""The beat reminds by each merchant's clock; a mail that has not gone when it is paid stays."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from app.billing import collection
from app.billing.models import Invoice
from app.core import clock
from app.core.db import Transaction, begin
from app.customers.models import Customer
from app.extensions import runtime
from app.identity import clocks
from app.mail.models import Mail
from jobs import mail as mail_jobs
from jobs import reminders
from tests.mail.test_delivery import Mailbox, serving
from tests.make import Make
from tests.payments.builders import issue

pytestmark = pytest.mark.usefixtures("queue")  # nothing else is due


@pytest.fixture
def of_merchant(engine: Engine, app: Flask) -> Transaction:
    """Open transactions of a merchant who has two invoices that were due three days ago."""
    merchant_id, now = Make.new_merchant_id(), clock.now()
    transaction = partial(begin, engine, merchant_id)
    with transaction() as session:
        Make(session).merchant()
        for language in ("zh_Hans_CN", "en"):
            invoice = issue(
                session,
                number=f"LUM-{language}",
                finalized_at=now - timedelta(days=17),
                due_at=now - timedelta(days=3, hours=12),
            )
            customer = session.get_one(Customer, (merchant_id, invoice.customer_id))
            customer.language = language
    assert app
    return transaction


@pytest.fixture
def post(app: Flask) -> Iterator[Mailbox]:
    """Send over a real mail server, and return what it was given."""
    mailbox = Mailbox()
    with serving(mailbox) as port:
        settings = replace(runtime().settings, smtp_url=f"smtp://127.0.0.1:{port}")
        app.extensions["buffmoney"] = type(runtime())(settings)
        yield mailbox


def received(post: Mailbox) -> list[EmailMessage]:
    """Return the mails about this merchant's invoices: the beat reminds everybody's customers."""
    messages = [message_from_bytes(raw, policy=default) for raw in post.received]
    ours = ("LUM-en", "LUM-zh_Hans_CN")
    return [each for each in messages if any(number in str(each["Subject"]) for number in ours)]


def test_reminders_arrive_in_the_language_of_each_customer(
    of_merchant: Transaction, post: Mailbox
) -> None:
    reminders.remind()
    reminders.remind()
    mail_jobs.send()
    mail_jobs.send()

    subjects = sorted(str(message["Subject"]) for message in received(post))
    assert len(subjects) == 2
    assert subjects[0] == "[Sandbox] Overdue: invoice LUM-en from Lumen AI, CN¥905.33"
    assert subjects[1].startswith("[沙箱] Lumen AI 账单 LUM-zh_Hans_CN 已逾期")
    for message in received(post):
        assert not list(message.iter_attachments())
        text = message.get_body(("plain",))
        assert text is not None
        assert f"{runtime().settings.base_url}/pay/" in text.get_content()
    with of_merchant() as session:
        assert {mail.status.value for mail in session.scalars(select(Mail))} == {"sent"}


def test_a_mail_that_has_not_gone_when_the_invoice_is_paid_never_goes(
    of_merchant: Transaction, post: Mailbox
) -> None:
    reminders.remind()
    with of_merchant() as session:
        chinese = session.scalars(select(Invoice).where(Invoice.number == "LUM-zh_Hans_CN")).one()
        collection.mark_paid(session, chinese, now=clock.now())

    mail_jobs.send()

    assert [str(message["Subject"])[:9] for message in received(post)] == ["[Sandbox]"]
    with of_merchant() as session:
        statuses = session.scalars(select(Mail.status).order_by(Mail.recipient_name, Mail.id))
        assert sorted(status.value for status in statuses) == ["sent", "withdrawn"]


def test_the_test_clock_moves_the_ladder(of_merchant: Transaction, post: Mailbox) -> None:
    reminders.remind()
    mail_jobs.send()
    with of_merchant() as session:
        clocks.get_merchant(session).clock_offset = timedelta(days=5)

    reminders.remind()
    mail_jobs.send()

    assert len(received(post)) == 4
