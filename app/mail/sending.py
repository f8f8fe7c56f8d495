"""Queue a mail with the change that causes it; send it afterwards, at least once, for one day.

A worker takes a mail by pushing its `due_at` past a lease, talks to the server with no
transaction open, and writes down what came of it. A worker that dies in between leaves a mail
that is due again when the lease ends: it may then arrive twice, under one Message-ID.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import db, ids, paging
from app.core.db import Transaction, merchant_of
from app.core.errors import Refusal
from app.core.paging import Page
from app.core.text import matches
from app.mail.delivery import Mailer, Rejected
from app.mail.messages import (
    Attachment,
    Content,
    Envelope,
    Party,
    build_message,
    one_line,
    parse_address,
)
from app.mail.models import MAIL, Mail, MailEvent, MailKind, MailStatus

LEASE = timedelta(minutes=2)
TRIED_FOR = timedelta(hours=24)
MAX_ATTEMPTS = 20
BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120, 240))
_OPEN = (MailStatus.QUEUED, MailStatus.FAILED)

ReadFile = Callable[[str], bytes]
"""Returns the bytes of an attachment by its key. May use the network."""

IsWanted = Callable[[Session, Mail], bool]
"""Tells, when a mail is about to be sent, whether what it says is still true."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An attachment by reference: the name its reader sees, the key its bytes lie under."""

    name: str
    key: str


def queue_mail(
    session: Session,
    content: Content,
    *,
    kind: MailKind,
    reference: str,
    recipient: Party,
    now: datetime,
    attachment: StoredFile | None = None,
) -> Mail:
    """Write a mail down in the caller's transaction; there is one per kind and reference.

    Returns the mail that is there already when it was queued before, unchanged. Raises
    InvalidAddress and InvalidHeader: what can not be sent is not queued.
    """
    session.execute(
        insert(Mail)
        .values(
            merchant_id=merchant_of(session),
            id=ids.new_id(),
            kind=kind,
            reference=one_line(reference, path="reference"),
            recipient=parse_address(recipient.email, path="recipient"),
            recipient_name=one_line(recipient.name, path="recipient"),
            subject=one_line(content.subject, path="subject"),
            text_body=content.text,
            html_body=content.html,
            attachment_name=one_line(attachment.name, path="attachment") if attachment else None,
            attachment_key=attachment.key if attachment else None,
            status=MailStatus.QUEUED,
            attempts=0,
            created_at=now,
            queued_at=now,
            due_at=now,
        )
        .on_conflict_do_nothing(index_elements=["merchant_id", "kind", "reference"])
    )
    return session.scalars(select(Mail).where(Mail.kind == kind, Mail.reference == reference)).one()


def send_mail(
    transaction: Transaction,
    mailer: Mailer,
    mail_id: int,
    *,
    sender: Party,
    read_file: ReadFile,
    is_wanted: IsWanted = lambda _session, _mail: True,
    now: datetime,
) -> MailStatus:
    """Try to send a mail that is due, and return how far it got.

    A mail that is sent, dead, not due yet or held by another worker is left as it is; one that
    is no longer wanted is withdrawn. The server is talked to between two transactions. Raises
    NotFound.
    """
    with transaction() as session:
        mail = db.get_locked(session, Mail, mail_id, noun="mail")
        if mail.status not in _OPEN or mail.due_at > now:
            return mail.status
        if not is_wanted(session, mail):
            _move(mail, MailEvent.WITHDRAW, error=None, now=now)
            return mail.status
        if mail.attempts >= MAX_ATTEMPTS:
            # Each of them took its worker along: a day of failures has fewer.
            _move(mail, MailEvent.GIVE_UP, error=mail.last_error or "no try ended", now=now)
            return mail.status
        mail.attempts += 1
        mail.due_at = now + LEASE

    event, error = _attempt(mailer, mail, sender=sender, read_file=read_file, now=now)

    with transaction() as session:
        mail = db.get_locked(session, Mail, mail_id, noun="mail")
        _move(mail, event, error=error, now=now)
        return mail.status


def retry_mail(session: Session, mail_id: int, *, now: datetime) -> Mail:
    """Give a dead mail another day: somebody mended the cause. Raises NotFound, IllegalMove."""
    mail = db.get_locked(session, Mail, mail_id, noun="mail")
    mail.status = MAIL.after(mail.status, MailEvent.RETRY)
    mail.attempts, mail.queued_at, mail.due_at, mail.last_error = 0, now, now, None
    return mail


def get_mail(session: Session, mail_id: int) -> Mail:
    """Return a mail of the session's merchant. Raises NotFound."""
    return db.get(session, Mail, mail_id, noun="mail")


def list_mails(
    session: Session,
    *,
    kind: MailKind | None = None,
    q: str = "",
    cursor: str | None = None,
    limit: int = paging.DEFAULT_LIMIT,
) -> Page[Mail]:
    """Return the merchant's mails, newest first: what the mailbox page shows.

    `q` is a part of the subject, or of the recipient's name or address. Raises Invalid.
    """
    statement = select(Mail)
    if kind is not None:
        statement = statement.where(Mail.kind == kind)
    if q:
        found = matches(q, Mail.subject, Mail.recipient, Mail.recipient_name)
        statement = statement.where(found)
    return paging.newest_first(session, statement, Mail.id, cursor=cursor, limit=limit)


def list_due(session: Session, *, now: datetime, limit: int = 50) -> list[int]:
    """Return the ids of mails that want to be sent, the longest waiting first."""
    return list(
        session.scalars(
            select(Mail.id)
            .where(Mail.status.in_(_OPEN), Mail.due_at <= now)
            .order_by(Mail.due_at)
            .limit(limit)
        )
    )


def due_merchants(reader: Session, *, now: datetime) -> list[int]:
    """Return the merchants that have due mails: asked by the login that reads all merchants."""
    return list(
        reader.scalars(
            select(Mail.merchant_id)
            .where(Mail.status.in_(_OPEN), Mail.due_at <= now)
            .distinct()
            .execution_options(platform=True)
        )
    )


def _attempt(
    mailer: Mailer, mail: Mail, *, sender: Party, read_file: ReadFile, now: datetime
) -> tuple[MailEvent, str | None]:
    """Build the message and hand it over; return what happened to it, and why."""
    try:
        mailer.send(_message(mail, sender=sender, read_file=read_file, now=now))
    except Rejected as refusal:
        return MailEvent.GIVE_UP, str(refusal)
    except Refusal as refusal:
        is_over = now - mail.queued_at >= TRIED_FOR
        return MailEvent.GIVE_UP if is_over else MailEvent.FAIL, str(refusal)
    return MailEvent.SEND, None


def _message(mail: Mail, *, sender: Party, read_file: ReadFile, now: datetime) -> EmailMessage:
    attachment = None
    if mail.attachment_name is not None and mail.attachment_key is not None:
        attachment = Attachment(mail.attachment_name, read_file(mail.attachment_key))
    envelope = Envelope(
        sender=sender,
        recipient=Party(mail.recipient, mail.recipient_name),
        message_id=ids.show(ids.Prefix.MAIL, mail.id),
        reference=mail.reference,
        sent_at=now,
    )
    return build_message(
        Content(mail.subject, mail.text_body, mail.html_body), envelope, attachment
    )


def _move(mail: Mail, event: MailEvent, *, error: str | None, now: datetime) -> None:
    """Write down what came of a try, unless another worker's word already settled it."""
    if MAIL.is_repeat(mail.status, event):
        return
    mail.status = MAIL.after(mail.status, event)
    mail.last_error = error
    if event is MailEvent.SEND:
        mail.sent_at = now
    if event is MailEvent.FAIL:
        mail.due_at = now + BACK_OFF[min(mail.attempts, len(BACK_OFF)) - 1]
