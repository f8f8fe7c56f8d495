"""Tell a merchant's owners that one of their webhook endpoints stays silent."""

from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.core import clock
from app.core.ids import Prefix, read
from app.extensions import runtime, transaction
from app.identity import accounts, clocks
from app.mail import rendering, sending
from app.mail.messages import Party, shown_name
from app.mail.rendering import WebhookDisabled, WebhookFailing
from app.webhooks import queries
from app.webhooks.models import DisabledReason, WebhookEndpoint


def tell_owners(*, merchant_id: int, endpoint: str) -> None:
    """Queue a mail to each owner, in his language: the endpoint fails, or was disabled.

    Once for each time that it begins to.
    """
    with transaction(None) as session:
        owners = accounts.owners_of(session, merchant_id)
    with transaction(merchant_id) as session:
        row = queries.get_endpoint(session, read(Prefix.WEBHOOK_ENDPOINT, endpoint))
        if row.failing_since is None:
            return  # it answers again, or was enabled meanwhile
        words = _words(session, row, public_id=endpoint)
        for owner in owners:
            sending.queue_mail(
                session,
                rendering.render(words, owner.language),
                kind=words.kind,
                reference=f"{endpoint} {row.failing_since:%Y%m%dT%H%M%SZ} {owner.email}",
                recipient=Party(owner.email, shown_name(words.merchant_name)),
                now=clock.now(),
            )


def _words(session: Session, row: WebhookEndpoint, *, public_id: str) -> WebhookFailing:
    merchant = clocks.get_merchant(session)
    since = (row.failing_since or clock.now()).astimezone(ZoneInfo(merchant.time_zone))
    make = (
        WebhookFailing
        if row.is_active
        else partial(WebhookDisabled, is_gone=row.disabled_reason is DisabledReason.GONE)
    )
    return make(
        merchant_name=merchant.name,
        number=row.url,
        amount=f"{since:%Y-%m-%d %H:%M}",
        link=f"{runtime().settings.base_url}/merchant/webhooks/{public_id}",
        reference=public_id,
        is_sandbox=merchant.is_sandbox,
        waiting=queries.count_waiting(session, row.id),
    )
