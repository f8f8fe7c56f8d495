"""Deliver what merchants subscribed to."""

from app.core import clock
from app.extensions import bound, reading, runtime
from app.webhooks import delivering
from app.webhooks.sending import Sender

SENDER = Sender()


def deliver() -> None:
    """Deliver the due webhooks of every merchant that has some."""
    with reading() as session:
        merchants = delivering.due_merchants(session, now=clock.now())
    for merchant_id in merchants:
        delivering.deliver_due(
            bound(merchant_id),
            SENDER,
            keyring=runtime().keyring,
            allow_loopback=runtime().settings.webhook_allow_loopback,
            now=clock.now(),
        )
