"""A mail is queued once, sent at least once, tried for a day, and never lost in silence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core.db import Transaction, begin
from app.core.errors import NotFound
from app.core.states import IllegalMove
from app.mail.delivery import MailUnavailable, Rejected
from app.mail.messages import Content, InvalidAddress, InvalidHeader, Party
from app.mail.models import Mail, MailKind, MailStatus
from app.mail.sending import (
    StoredFile,
    due_merchants,
    get_mail,
    list_due,
    list_mails,
    queue_mail,
    retry_mail,
    send_mail,
)

NOON = datetime(2026, 6, 2, 4, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SENDER = Party("billing@buffmoney.test", "BuffMoney")
CONTENT = Content("账单 MER-2026-000001", "您好\n", "<p>您好</p>\n")


class FakeMailer:
    """Remembers what it was given; answers what it is told to."""

    def __init__(self, answer: BaseException | None = None) -> None:
        self.answer = answer
        self.sent: list[EmailMessage] = []
        self.before_send: Callable[[], object] = lambda: None

    def send(self, message: EmailMessage) -> None:
        self.before_send()
        if self.answer is not None:
            raise self.answer
        self.sent.append(message)


def no_file(key: str) -> bytes:
    raise NotFound(f"nothing is stored as {key}")


def queue(
    transaction: Transaction, *, reference: str = "inv_1", attachment: StoredFile | None = None
) -> int:
    with transaction() as session:
        mail = queue_mail(
            session,
            CONTENT,
            kind=MailKind.INVOICE_ISSUED,
            reference=reference,
            recipient=Party("finance@example.cn", "北京堃昇科技"),
            attachment=attachment,
            now=NOON,
        )
        return mail.id


def send(
    transaction: Transaction, mailer: FakeMailer, mail_id: int, *, now: datetime = NOON
) -> MailStatus:
    return send_mail(transaction, mailer, mail_id, sender=SENDER, read_file=no_file, now=now)


def row(transaction: Transaction, mail_id: int) -> Mail:
    with transaction() as session:
        return get_mail(session, mail_id)


def test_a_queued_mail_is_sent_with_its_pdf(transaction: Transaction) -> None:
    mailer = FakeMailer()
    pdf = StoredFile("账单-MER-2026-000001.pdf", "m/2026/doc_1.pdf")
    mail_id = queue(transaction, attachment=pdf)

    status = send_mail(
        transaction,
        mailer,
        mail_id,
        sender=SENDER,
        read_file={"m/2026/doc_1.pdf": b"%PDF"}.__getitem__,
        now=NOON,
    )

    (message,) = mailer.sent
    (attached,) = message.iter_attachments()
    assert status is MailStatus.SENT
    assert row(transaction, mail_id).sent_at == NOON
    assert message["To"] == "北京堃昇科技 <finance@example.cn>"
    assert attached.get_filename() == "账单-MER-2026-000001.pdf"
    assert attached.get_content() == b"%PDF"


def test_a_mail_is_queued_once_per_kind_and_reference(transaction: Transaction) -> None:
    assert queue(transaction) == queue(transaction)
    assert queue(transaction, reference="inv_2") != queue(transaction)


def test_a_mail_leaves_with_the_transaction_that_queued_it(transaction: Transaction) -> None:
    def change_and_fail() -> None:
        with transaction() as session:
            queue_in(session)
            raise NotFound("the rest of the change did not work")

    with pytest.raises(NotFound):
        change_and_fail()

    with transaction() as session:
        assert list_mails(session).rows == []


def queue_in(session: Session, *, email: str = "a@example.cn", subject: str = "x") -> Mail:
    return queue_mail(
        session,
        Content(subject, "", ""),
        kind=MailKind.INVOICE_PAID,
        reference="inv_9",
        recipient=Party(email),
        now=NOON,
    )


def test_what_can_not_be_sent_is_not_queued(session: Session) -> None:
    with pytest.raises(InvalidAddress):
        queue_in(session, email="nobody")
    with pytest.raises(InvalidHeader):
        queue_in(session, subject="x\r\nBcc: a@b.cn")


def test_a_sent_mail_is_not_sent_again(transaction: Transaction) -> None:
    mailer, mail_id = FakeMailer(), queue(transaction)
    send(transaction, mailer, mail_id)

    assert send(transaction, mailer, mail_id, now=NOON + 60 * MINUTE) is MailStatus.SENT
    assert len(mailer.sent) == 1


def test_the_server_is_talked_to_between_two_transactions(transaction: Transaction) -> None:
    open_now: list[Session] = []

    @contextmanager
    def watched() -> Iterator[Session]:
        with transaction() as session:
            open_now.append(session)
            yield session
            open_now.clear()

    mailer, mail_id = FakeMailer(), queue(transaction)
    seen: list[int] = []
    mailer.before_send = lambda: seen.append(len(open_now))

    send(watched, mailer, mail_id)

    assert seen == [0]


def test_a_server_that_is_down_is_tried_again_and_again_for_a_day(transaction: Transaction) -> None:
    down, mail_id = FakeMailer(MailUnavailable("no route")), queue(transaction)
    now, tries = NOON, 0

    while send(transaction, down, mail_id, now=now) is MailStatus.FAILED:
        tries += 1
        now = row(transaction, mail_id).due_at

    dead = row(transaction, mail_id)
    assert dead.status is MailStatus.DEAD
    assert dead.last_error == "no route"
    assert tries == 12
    assert timedelta(hours=24) <= now - NOON < timedelta(hours=29)


def test_the_waits_between_tries_grow(transaction: Transaction) -> None:
    down, mail_id = FakeMailer(MailUnavailable("no route")), queue(transaction)
    now, waits = NOON, []

    for _ in range(4):
        send(transaction, down, mail_id, now=now)
        waits.append((row(transaction, mail_id).due_at - now) // MINUTE)
        now = row(transaction, mail_id).due_at

    assert waits == [1, 5, 15, 30]


def test_a_mailbox_that_does_not_exist_is_given_up_at_once(transaction: Transaction) -> None:
    mail_id = queue(transaction)

    assert send(transaction, FakeMailer(Rejected("550 no such user")), mail_id) is MailStatus.DEAD
    assert row(transaction, mail_id).last_error == "550 no such user"
    assert send(transaction, FakeMailer(), mail_id, now=NOON + 60 * MINUTE) is MailStatus.DEAD


def test_a_missing_attachment_waits_for_it(transaction: Transaction) -> None:
    mailer = FakeMailer()
    mail_id = queue(transaction, attachment=StoredFile("账单.pdf", "gone"))

    assert send(transaction, mailer, mail_id) is MailStatus.FAILED
    assert row(transaction, mail_id).last_error == "nothing is stored as gone"
    assert mailer.sent == []


def test_a_mail_that_a_worker_holds_is_left_to_it(transaction: Transaction) -> None:
    mail_id, second = queue(transaction), FakeMailer()
    first = FakeMailer()
    first.before_send = lambda: send(transaction, second, mail_id)

    assert send(transaction, first, mail_id) is MailStatus.SENT
    assert second.sent == []


def test_a_worker_that_died_leaves_a_mail_that_is_due_again(transaction: Transaction) -> None:
    mail_id, mailer = queue(transaction), FakeMailer()
    killed = FakeMailer(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        send(transaction, killed, mail_id)

    assert send(transaction, mailer, mail_id, now=NOON + MINUTE) is MailStatus.QUEUED
    assert send(transaction, mailer, mail_id, now=NOON + 2 * MINUTE) is MailStatus.SENT


def test_a_mail_whose_every_try_kills_its_worker_ends_too(transaction: Transaction) -> None:
    mail_id, killed, now = queue(transaction), FakeMailer(KeyboardInterrupt()), NOON

    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            send(transaction, killed, mail_id, now=now)
        now = row(transaction, mail_id).due_at

    assert send(transaction, killed, mail_id, now=now) is MailStatus.DEAD


def test_a_mail_that_waited_out_our_own_failure_is_still_tried(transaction: Transaction) -> None:
    mail_id, tomorrow = queue(transaction), NOON + timedelta(days=2)
    send(transaction, FakeMailer(MailUnavailable("no route")), mail_id)

    assert send(transaction, FakeMailer(), mail_id, now=tomorrow) is MailStatus.SENT


def test_a_slow_worker_that_got_through_is_believed(transaction: Transaction) -> None:
    mail_id, slow = queue(transaction), FakeMailer()
    late = NOON + timedelta(minutes=3)
    refused = FakeMailer(Rejected("550 no such user"))
    slow.before_send = lambda: send(transaction, refused, mail_id, now=late)

    assert send(transaction, slow, mail_id) is MailStatus.SENT
    assert row(transaction, mail_id).last_error is None


def test_a_dead_mail_gets_another_day_when_somebody_asks(transaction: Transaction) -> None:
    mail_id, tomorrow = queue(transaction), NOON + timedelta(days=2)
    send(transaction, FakeMailer(Rejected("550 mailbox full")), mail_id)

    with transaction() as session:
        retry_mail(session, mail_id, now=tomorrow)

    assert send(transaction, FakeMailer(), mail_id, now=tomorrow) is MailStatus.SENT
    with transaction() as session, pytest.raises(IllegalMove):
        retry_mail(session, mail_id, now=tomorrow)


def test_the_mailbox_lists_the_newest_first(transaction: Transaction) -> None:
    ids = [queue(transaction, reference=f"inv_{number}") for number in range(3)]

    with transaction() as session:
        first = list_mails(session, limit=2)
        rest = list_mails(session, limit=2, cursor=first.next_cursor)

    assert [mail.id for mail in (*first.rows, *rest.rows)] == ids[::-1]


def test_only_due_mails_are_listed_for_sending(transaction: Transaction) -> None:
    sent, failed, queued = (queue(transaction, reference=f"inv_{n}") for n in range(3))
    send(transaction, FakeMailer(), sent)
    send(transaction, FakeMailer(MailUnavailable("no route")), failed)

    with transaction() as session:
        assert list_due(session, now=NOON) == [queued]
        assert set(list_due(session, now=NOON + MINUTE)) == {failed, queued}


def test_the_reader_finds_the_merchants_that_have_due_mails(
    transaction: Transaction, reader: Engine
) -> None:
    mail_id = queue(transaction)
    merchant_id = row(transaction, mail_id).merchant_id

    with begin(reader, None) as session:
        assert merchant_id in due_merchants(session, now=NOON)
        assert merchant_id not in due_merchants(session, now=NOON - MINUTE)
