"""The merchant's endpoints: register, change, roll the secret, disable, enable, archive."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.audit.recording import Actor, Change, record
from app.core import outbox
from app.core.crypto import Keyring
from app.core.db import get_locked
from app.core.errors import Conflict, Invalid
from app.core.ids import Prefix, new_id, show
from app.identity import clocks
from app.identity.models import Merchant
from app.webhooks import guard, schedule, signing
from app.webhooks.catalogue import SUBSCRIBABLE, EventType
from app.webhooks.models import (
    ENDPOINT,
    DeliveryStatus,
    DisabledReason,
    EndpointEvent,
    EndpointStatus,
    WebhookDelivery,
    WebhookEndpoint,
)
from app.webhooks.sending import Attempt

MAX_ENDPOINTS = 20
MAX_DESCRIPTION = 200
OLD_SECRET_LIFETIME = timedelta(hours=24)
REVEALED = "webhook_endpoint.secret_revealed"
TELL_OWNERS = "jobs.webhook_mails.tell_owners"


class TooManyEndpoints(Conflict):
    code = "too_many_webhook_endpoints"


class NoEventTypes(Invalid):
    code = "webhook_event_types_empty"


class DescriptionTooLong(Invalid):
    code = "webhook_description_too_long"


class EndpointArchived(Conflict):
    code = "webhook_endpoint_archived"


def register(
    session: Session,
    url: str,
    event_types: Collection[EventType],
    *,
    description: str = "",
    keyring: Keyring,
    allow_loopback: bool,
    now: datetime,
) -> tuple[WebhookEndpoint, str]:
    """Add an active endpoint and return it with its secret, which is never shown again.

    Locks the merchant, so that two at once do not pass the limit of 20. Raises
    TooManyEndpoints, NoEventTypes, DescriptionTooLong and what `guard.check_url` raises.
    """
    merchant = clocks.lock_merchant(session)
    _check_url(merchant, url, allow_loopback=allow_loopback)
    if _count(session) >= MAX_ENDPOINTS:
        raise TooManyEndpoints(f"a merchant has at most {MAX_ENDPOINTS} webhook endpoints")
    endpoint = WebhookEndpoint(
        merchant_id=merchant.merchant_id,
        id=new_id(),
        url=url,
        event_types=_checked_types(event_types),
        description=_checked_description(description),
        status=EndpointStatus.ACTIVE,
        created_at=now,
    )
    secret = signing.new_secret()
    endpoint.secret = keyring.seal(secret, _place(endpoint))
    session.add(endpoint)
    return endpoint, secret


def change(
    session: Session,
    endpoint_id: int,
    *,
    url: str | None = None,
    event_types: Collection[EventType] | None = None,
    description: str | None = None,
    allow_loopback: bool,
) -> WebhookEndpoint:
    """Change what is given, leave what is None. What is still owed goes to the new URL.

    Raises NotFound, EndpointArchived and what `register` raises for the values.
    """
    endpoint = lock_endpoint(session, endpoint_id)
    if url is not None:
        _check_url(clocks.get_merchant(session), url, allow_loopback=allow_loopback)
        endpoint.url, endpoint.failing_since, endpoint.warned_at = url, None, None
    if event_types is not None:
        endpoint.event_types = _checked_types(event_types)
    if description is not None:
        endpoint.description = _checked_description(description)
    return endpoint


def roll_secret(
    session: Session,
    endpoint_id: int,
    *,
    keyring: Keyring,
    keep_old_for: timedelta = OLD_SECRET_LIFETIME,
    now: datetime,
) -> str:
    """Replace the secret and return the new one; the old one signs too for `keep_old_for`.

    Only one old secret is kept: the one before it stops at once. Raises NotFound and
    EndpointArchived.
    """
    endpoint = lock_endpoint(session, endpoint_id)
    endpoint.previous_secret = endpoint.secret
    endpoint.previous_secret_expires_at = now + keep_old_for
    secret = signing.new_secret()
    endpoint.secret = keyring.seal(secret, _place(endpoint))
    return secret


def expire_old_secret(session: Session, endpoint_id: int) -> WebhookEndpoint:
    """Stop signing with the old secret now. Raises NotFound and EndpointArchived."""
    endpoint = lock_endpoint(session, endpoint_id)
    endpoint.previous_secret = endpoint.previous_secret_expires_at = None
    return endpoint


def open_secrets(endpoint: WebhookEndpoint, keyring: Keyring, *, now: datetime) -> list[str]:
    """Return the secrets that sign now, the newest first. Raises Unsealable."""
    sealed = [endpoint.secret]
    expires_at = endpoint.previous_secret_expires_at
    if endpoint.previous_secret is not None and expires_at is not None and now < expires_at:
        sealed.append(endpoint.previous_secret)
    return [keyring.unseal(text, _place(endpoint)) for text in sealed]


def note_revealed(session: Session, endpoint_id: int, *, actor: Actor, now: datetime) -> None:
    """Write down that somebody saw the newest secret. Raises NotFound and EndpointArchived."""
    endpoint = lock_endpoint(session, endpoint_id)
    subject, change = show(Prefix.WEBHOOK_ENDPOINT, endpoint.id), Change({}, {"secret": "revealed"})
    record(session, actor, REVEALED, subject=subject, change=change, now=now)


def disable(
    session: Session, endpoint_id: int, *, reason: DisabledReason = DisabledReason.MERCHANT
) -> WebhookEndpoint:
    """Send nothing more. What is owed waits for `enable`; new events are not owed at all.

    Disabling twice keeps the first reason. Raises NotFound and EndpointArchived.
    """
    endpoint = lock_endpoint(session, endpoint_id)
    if not ENDPOINT.is_repeat(endpoint.status, EndpointEvent.DISABLE):
        endpoint.status = ENDPOINT.after(endpoint.status, EndpointEvent.DISABLE)
        endpoint.disabled_reason = reason
        _plan_nothing(session, endpoint)
    return endpoint


def enable(session: Session, endpoint_id: int, *, now: datetime) -> WebhookEndpoint:
    """Send again, what waits first of all. Raises NotFound and EndpointArchived."""
    endpoint = lock_endpoint(session, endpoint_id)
    if not ENDPOINT.is_repeat(endpoint.status, EndpointEvent.ENABLE):
        endpoint.status = ENDPOINT.after(endpoint.status, EndpointEvent.ENABLE)
        endpoint.disabled_reason = endpoint.failing_since = endpoint.warned_at = None
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.endpoint_id == endpoint.id)
            .where(WebhookDelivery.status.in_([DeliveryStatus.PENDING, DeliveryStatus.FAILED]))
            .values(next_attempt_at=now)
        )
    return endpoint


def archive(session: Session, endpoint_id: int) -> WebhookEndpoint:
    """Delete the endpoint as the merchant sees it; its delivery log stays. Raises NotFound."""
    endpoint = get_locked(session, WebhookEndpoint, endpoint_id, noun="webhook endpoint")
    if not ENDPOINT.is_repeat(endpoint.status, EndpointEvent.ARCHIVE):
        endpoint.status = ENDPOINT.after(endpoint.status, EndpointEvent.ARCHIVE)
        endpoint.previous_secret = endpoint.previous_secret_expires_at = None
        _plan_nothing(session, endpoint)
    return endpoint


def note_failure(
    session: Session, endpoint: WebhookEndpoint, attempt: Attempt, *, now: datetime
) -> None:
    """Remember since when an endpoint fails; warn its owners after a day, disable it after five.

    Takes no lock in the ordinary case: two attempts that end together may each be the last word.
    """
    endpoint.failing_since = endpoint.failing_since or now
    if not endpoint.is_active:
        return
    if schedule.wants_no_more(attempt):
        disable(session, endpoint.id, reason=DisabledReason.GONE)
        _owe_mail(session, endpoint, now=now)
    elif schedule.has_failed_too_long(endpoint.failing_since, now=now):
        disable(session, endpoint.id, reason=DisabledReason.FAILING)
        _owe_mail(session, endpoint, now=now)
    elif endpoint.warned_at is None and schedule.is_worth_a_mail(endpoint.failing_since, now=now):
        endpoint.warned_at = now
        _owe_mail(session, endpoint, now=now)


def _owe_mail(session: Session, endpoint: WebhookEndpoint, *, now: datetime) -> None:
    outbox.owe(session, TELL_OWNERS, now=now, endpoint=show(Prefix.WEBHOOK_ENDPOINT, endpoint.id))


def lock_endpoint(session: Session, endpoint_id: int) -> WebhookEndpoint:
    """Lock an endpoint that is not archived. Raises NotFound and EndpointArchived."""
    endpoint = get_locked(session, WebhookEndpoint, endpoint_id, noun="webhook endpoint")
    if endpoint.status is EndpointStatus.ARCHIVED:
        raise EndpointArchived("this webhook endpoint was deleted")
    return endpoint


def _plan_nothing(session: Session, endpoint: WebhookEndpoint) -> None:
    session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint.id)
        .where(WebhookDelivery.next_attempt_at.is_not(None))
        .values(next_attempt_at=None)
    )


def _count(session: Session) -> int:
    kept = WebhookEndpoint.status != EndpointStatus.ARCHIVED
    return session.scalar(select(func.count(WebhookEndpoint.id)).where(kept)) or 0


def _check_url(merchant: Merchant, url: str, *, allow_loopback: bool) -> None:
    guard.check_url(url, live=not merchant.is_sandbox, allow_loopback=allow_loopback)


def _checked_types(event_types: Collection[EventType]) -> list[str]:
    if not event_types or not set(event_types) <= set(SUBSCRIBABLE):
        raise NoEventTypes("choose at least one event to subscribe to", path="event_types")
    return sorted({event_type.value for event_type in event_types})


def _checked_description(description: str) -> str:
    if len(description) > MAX_DESCRIPTION:
        raise DescriptionTooLong(f"at most {MAX_DESCRIPTION} characters", path="description")
    return description


def _place(endpoint: WebhookEndpoint) -> str:
    # One place for both columns: rolling moves the sealed text from one to the other.
    return f"webhook_endpoints.secret/{endpoint.merchant_id}/{endpoint.id}"
