"""What is queued is sent under our own name; one merchant's broken mail stops nobody."""

from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.core import clock
from app.core.db import begin
from app.mail import sending
from app.mail.messages import Content, Party
from app.mail.models import MailKind
from app.mail.sending import StoredFile
from jobs import mail
from tests.make import Make


@pytest.fixture
def outbox(app: Flask) -> Path:
    """Return where mails become files while no mail server is set."""
    return Path(app.instance_path) / "outbox"


def queue(engine: Engine, subject: str, *, attachment: StoredFile | None = None) -> None:
    merchant_id = Make.new_merchant_id()
    transaction = partial(begin, engine, merchant_id)
    with transaction() as session:
        Make(session).merchant()
        sending.queue_mail(
            session,
            Content(subject, "Please pay.", "<p>Please pay.</p>"),
            kind=MailKind.INVOICE_ISSUED,
            reference="inv_1",
            recipient=Party("finance@example.cn", "Finance"),
            now=clock.now(),
            attachment=attachment,
        )


def sent(outbox: Path, subject: str) -> list[str]:
    texts = [path.read_text() for path in outbox.iterdir()]
    return [text for text in texts if f"Subject: {subject}" in text]


def test_a_queued_mail_is_sent_in_our_name(engine: Engine, outbox: Path) -> None:
    queue(engine, "Your invoice LUM-1")
    mail.send()

    (text,) = sent(outbox, "Your invoice LUM-1")
    assert "From: BuffMoney <billing@buffmoney.example>" in text
    assert "To: Finance <finance@example.cn>" in text


def test_a_mail_whose_attachment_is_lost_stops_no_other(engine: Engine, outbox: Path) -> None:
    queue(engine, "Lost", attachment=StoredFile("LUM-2.pdf", "nowhere/to/be/found.pdf"))
    queue(engine, "Sound")
    mail.send()

    assert len(sent(outbox, "Sound")) == 1
    assert sent(outbox, "Lost") == []


def test_a_sent_mail_is_not_sent_again(engine: Engine, outbox: Path) -> None:
    queue(engine, "Once")
    mail.send()
    mail.send()

    assert len(sent(outbox, "Once")) == 1
