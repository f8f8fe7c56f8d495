"""Send what is due: claim by lease, send outside any transaction, record each end by itself.

PostgreSQL is the truth: whoever is killed between sending and recording leaves a lease that ends,
and the message goes out again under the same id. One merchant at a time; within it every endpoint
has lanes of its own, so that a slow one holds up only itself.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from app.core import clock
from app.core.crypto import Keyring
from app.core.db import Transaction, get, get_locked
from app.core.errors import Conflict, Invalid
from app.core.ids import Prefix, show
from app.identity import clocks
from app.webhooks import endpoints, schedule
from app.webhooks.guard import check_url
from app.webhooks.models import (
    DELIVERY,
    DeliveryEvent,
    EndpointStatus,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from app.webhooks.sending import Attempt, AttemptError, Sender
from app.webhooks.signing import sign

LANES = 2  # attempts at one endpoint at a time
CLAIM_PER_ENDPOINT = 20
BUDGET = timedelta(seconds=45)  # after it nothing more is started
LEASE = timedelta(minutes=2)  # longer than the budget and the longest attempt together


class EndpointNotActive(Conflict):
    code = "webhook_endpoint_not_active"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One claimed delivery, with all that sending it takes and no row of the database."""

    delivery_id: int
    endpoint_id: int
    url: str
    is_live: bool
    message_id: str
    body: bytes
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    parcel: Parcel
    attempt: Attempt
    at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """What one call of `deliver_due` did: call again at once for as long as it delivers.

    `left` was claimed and given back untried, because its endpoint gave no answer.
    """

    delivered: int = 0
    failed: int = 0
    left: int = 0


def deliver_due(
    transaction: Transaction,
    sender: Sender,
    *,
    keyring: Keyring,
    allow_loopback: bool,
    now: datetime,
) -> Tally:
    """Make the due attempts of one merchant, for at most the budget and one last attempt.

    `now` is the real time of the call; what starts later is stamped and signed with its own. A
    lane ends with the first attempt that gets no answer: an endpoint that hangs costs two
    attempts a call, however much it is owed. Two calls at once share the work.
    """
    started = clock.monotonic()

    def moment() -> datetime:
        return now + timedelta(seconds=clock.monotonic() - started)

    def send(parcel: Parcel) -> Sent:
        at = moment()
        return Sent(parcel, _attempt(sender, parcel, allow_loopback=allow_loopback, now=at), at)

    def goes_on(sent: Sent) -> bool:
        return sent.attempt.status is not None and moment() - now < BUDGET

    with transaction() as session:
        queues = claim(session, keyring=keyring, now=now)
    delivered = failed = 0
    for sent in _in_lanes(queues, send, goes_on):
        with transaction() as session:
            record(session, sent, draw=random.uniform(-1, 1), now=moment())  # noqa: S311  # jitter
        delivered += sent.attempt.is_delivered
        failed += not sent.attempt.is_delivered
    left = [parcel.delivery_id for queue in queues.values() for parcel in queue]
    if left:
        with transaction() as session:
            release(session, left)
    return Tally(delivered, failed, len(left))


def claim(session: Session, *, keyring: Keyring, now: datetime) -> dict[int, deque[Parcel]]:
    """Take due deliveries for one lease, by endpoint, skipping what others hold.

    A share per endpoint, so that the backlog of a dead one does not crowd out the rest. Raises
    Unsealable when a secret was sealed with a key we do not have.
    """
    is_live = not clocks.get_merchant(session).is_sandbox
    active = session.scalars(
        select(WebhookEndpoint).where(WebhookEndpoint.status == EndpointStatus.ACTIVE)
    ).all()
    _park_all_but(session, [endpoint.id for endpoint in active], now=now)
    queues = {}
    for endpoint in active:
        taken = _take_due(session, endpoint, now=now)
        if not taken:
            continue
        secrets = tuple(endpoints.open_secrets(endpoint, keyring, now=now))
        queues[endpoint.id] = deque(
            Parcel(
                delivery.id,
                endpoint.id,
                endpoint.url,
                is_live,
                show(Prefix.WEBHOOK_EVENT, event.id),
                event.payload.encode(),
                secrets,
            )
            for delivery, event in taken
        )
    return queues


def record(session: Session, sent: Sent, *, draw: float, now: datetime) -> WebhookDelivery:
    """Write down how an attempt ended and what follows from it.

    `draw` is the random part of the next delay (`schedule.next_attempt_at`). The endpoint is
    written before the delivery is locked, in the order `endpoints.disable` takes them.
    """
    attempt = sent.attempt
    endpoint = get(session, WebhookEndpoint, sent.parcel.endpoint_id, noun="webhook endpoint")
    endpoints.note_health(session, endpoint, attempt, now=now)
    session.flush()  # the endpoint's row first, then the delivery's lock
    delivery = get_locked(
        session, WebhookDelivery, sent.parcel.delivery_id, noun="webhook delivery"
    )
    session.add(
        WebhookAttempt(
            merchant_id=delivery.merchant_id,
            delivery_id=delivery.id,
            attempted_at=sent.at,
            http_status=attempt.status,
            error=attempt.error,
            duration_ms=attempt.duration_ms,
            response_head=attempt.response_head,
        )
    )
    delivery.attempts += 1
    delivery.leased_until = None
    if attempt.is_delivered:
        _move(delivery, DeliveryEvent.SUCCEED)
        delivery.delivered_at, delivery.next_attempt_at = now, None
        return delivery
    delivery.failures += 1
    next_at = schedule.next_attempt_at(delivery.failures, attempt, draw=draw, now=now)
    if _move(delivery, DeliveryEvent.FAIL if next_at else DeliveryEvent.GIVE_UP):
        delivery.next_attempt_at = next_at if endpoint.is_active else None
    return delivery


def release(session: Session, delivery_ids: list[int]) -> None:
    """Give back what was claimed and not tried: it stays due."""
    session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.id.in_(delivery_ids))
        .values(leased_until=None)
    )


def resend(session: Session, delivery_id: int, *, now: datetime) -> WebhookDelivery:
    """Make a delivery due now, whatever became of it: same message id, the whole schedule again.

    The receiver sees a repeat of what it may already know. Raises NotFound and, for an endpoint
    that is disabled or deleted, EndpointNotActive.
    """
    delivery = get_locked(session, WebhookDelivery, delivery_id, noun="webhook delivery")
    endpoint = get(session, WebhookEndpoint, delivery.endpoint_id, noun="webhook endpoint")
    if not endpoint.is_active:
        raise EndpointNotActive(f"the endpoint of this delivery is {endpoint.status}")
    _move(delivery, DeliveryEvent.RESEND)
    delivery.failures, delivery.next_attempt_at, delivery.delivered_at = 0, now, None
    return delivery


def due_merchants(reader: Session, *, now: datetime) -> list[int]:
    """Return the merchants that have due deliveries: asked by the login that reads all."""
    return list(
        reader.scalars(
            select(WebhookDelivery.merchant_id)
            .where(*_is_due(now))
            .distinct()
            .execution_options(platform=True)
        )
    )


def _attempt(sender: Sender, parcel: Parcel, *, allow_loopback: bool, now: datetime) -> Attempt:
    try:
        # Again at every attempt: the rules may be stricter now than when the URL was saved.
        target = check_url(parcel.url, live=parcel.is_live, allow_loopback=allow_loopback)
    except Invalid:
        return Attempt(error=AttemptError.BLOCKED)
    headers = sign(
        parcel.body,
        secrets=parcel.secrets,
        message_id=parcel.message_id,
        timestamp=int(now.timestamp()),
    )
    return sender.post(target, parcel.body, headers=headers)


def _in_lanes(
    queues: Mapping[int, deque[Parcel]],
    send: Callable[[Parcel], Sent],
    goes_on: Callable[[Sent], bool],
) -> Iterator[Sent]:
    """Empty the queues side by side, yielding each end to the caller's thread as it comes."""
    with ThreadPoolExecutor(max_workers=max(1, LANES * len(queues))) as pool:
        running: set[Future[Sent]] = set()

        def start(queue: deque[Parcel]) -> None:
            if queue:
                running.add(pool.submit(send, queue.popleft()))

        for queue in queues.values():
            for _lane in range(LANES):
                start(queue)
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for sent in [future.result() for future in ended]:
                yield sent
                if goes_on(sent):
                    start(queues[sent.parcel.endpoint_id])


def _take_due(
    session: Session, endpoint: WebhookEndpoint, *, now: datetime
) -> list[tuple[WebhookDelivery, WebhookEvent]]:
    deliveries = session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint.id, *_is_due(now))
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(CLAIM_PER_ENDPOINT)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    if not deliveries:
        return []
    for delivery in deliveries:
        delivery.leased_until = now + LEASE
    wanted = WebhookEvent.id.in_([delivery.event_id for delivery in deliveries])
    events = {event.id: event for event in session.scalars(select(WebhookEvent).where(wanted))}
    return [(delivery, events[delivery.event_id]) for delivery in deliveries]


def _park_all_but(session: Session, active: list[int], *, now: datetime) -> None:
    """Plan nothing for what was emitted in the very moment its endpoint was disabled."""
    session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id.not_in(active), *_is_due(now))
        .values(next_attempt_at=None)
    )


def _is_due(now: datetime) -> list[ColumnElement[bool]]:
    free = or_(WebhookDelivery.leased_until.is_(None), WebhookDelivery.leased_until <= now)
    return [WebhookDelivery.next_attempt_at <= now, free]


def _move(delivery: WebhookDelivery, event: DeliveryEvent) -> bool:
    if DELIVERY.is_repeat(delivery.status, event):
        return False
    delivery.status = DELIVERY.after(delivery.status, event)
    return True
