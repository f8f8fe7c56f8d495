"""Send what is queued."""

from email.utils import parseaddr

from app.billing import reminders
from app.core import clock
from app.extensions import bound, reading, runtime, transaction
from app.mail import sending
from app.mail.messages import Party
from jobs import sweep


def send() -> None:
    """Send the due mails of every merchant that has some; each is its own small flow."""
    with reading() as session:
        merchants = sending.due_merchants(session, now=clock.now())
    sweep.for_each(merchants, _send_all)


def _send_all(merchant_id: int) -> None:
    name, address = parseaddr(runtime().settings.mail_from)
    with transaction(merchant_id) as session:
        due = sending.list_due(session, now=clock.now())
    for mail_id in due:
        sending.send_mail(
            bound(merchant_id),
            runtime().mailer,
            mail_id,
            sender=Party(email=address, name=name),
            read_file=runtime().storage.read,
            is_wanted=reminders.is_wanted,
            now=clock.now(),
        )
