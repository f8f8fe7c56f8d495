"""Webhooks: where the merchant wants to hear what happened, and what became of telling it."""

from typing import Annotated, Any

import msgspec

from app.api.operations import Call
from app.api.v1.base import (
    API,
    In,
    Listing,
    Moment,
    Out,
    PageQuery,
    check_zone,
    utc,
    utc_or_none,
)
from app.core.ids import Prefix, read, show
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from app.extensions import runtime
from app.identity.models import Scope
from app.webhooks import delivering, emitting, endpoints, queries
from app.webhooks.catalogue import EventType
from app.webhooks.models import (
    DeliveryStatus,
    DisabledReason,
    EndpointStatus,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)

TAG = "Webhooks"


class EndpointIn(In):
    """A URL to call, and the events it wants."""

    url: str
    event_types: list[EventType]
    description: str = ""


class EndpointChange(In):
    """What to change; what is left out stays."""

    url: str | None = None
    event_types: list[EventType] | None = None
    description: str | None = None


class EndpointOut(Out):
    """A webhook endpoint. `failingSince` is the first failure after the last success."""

    id: str
    url: str
    description: str
    event_types: list[EventType]
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    failing_since: Moment | None
    created_at: Moment

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> "EndpointOut":
        return cls(**_fields(endpoint))


class EndpointWithSecret(EndpointOut):
    """A webhook endpoint with the secret that signs its messages, which is shown only now."""

    secret: str


class EndpointList(Listing[EndpointOut]):
    """All endpoints, newest first."""


class DeliveryQuery(PageQuery, kw_only=True):
    endpoint_id: str | None = None
    status: DeliveryStatus | None = None
    event_type: EventType | None = None


class DeliveryOut(Out):
    """One event owed to one endpoint. `messageId` is the same in every attempt."""

    id: str
    message_id: str
    event_type: EventType
    endpoint_id: str
    status: DeliveryStatus
    attempts: int
    next_attempt_at: Moment | None
    delivered_at: Moment | None
    created_at: Moment

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> "DeliveryOut":
        return cls(
            id=show(Prefix.WEBHOOK_DELIVERY, delivery.id),
            message_id=show(Prefix.WEBHOOK_EVENT, delivery.event_id),
            event_type=delivery.event.event_type,
            endpoint_id=show(Prefix.WEBHOOK_ENDPOINT, delivery.endpoint_id),
            status=delivery.status,
            attempts=delivery.attempts,
            next_attempt_at=utc_or_none(delivery.next_attempt_at),
            delivered_at=utc_or_none(delivery.delivered_at),
            created_at=utc(delivery.created_at),
        )


class DeliveryList(Listing[DeliveryOut]):
    """A page of deliveries, newest first."""


class ResendIn(In):
    """Which deliveries: those owed from `since` up to, and without, `until`."""

    since: Moment | None = None
    until: Moment | None = None
    only_failed: bool = True

    def __post_init__(self) -> None:
        check_zone(self.since, "since")
        check_zone(self.until, "until")


class ResentOut(Out):
    """How many deliveries are due now. At 10000 there may be more: call again."""

    count: int


class EventQuery(In, kw_only=True):
    """Which events: those made after the one named, or the last ones there are."""

    after: Annotated[str, msgspec.Meta(description="Id of an event, `msg_…`.")] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


class EventOut(Out):
    """An event. `body` is the text that is signed and sent, byte for byte."""

    id: str
    type: EventType
    created_at: Moment
    body: str

    @classmethod
    def of(cls, event: WebhookEvent) -> "EventOut":
        return cls(
            id=show(Prefix.WEBHOOK_EVENT, event.id),
            type=event.event_type,
            created_at=utc(event.created_at),
            body=event.payload,
        )


class EventList(Out):
    """Events, the oldest first. One may appear a moment after younger ones were there."""

    data: list[EventOut]


@API.route(
    "POST",
    "/webhook-endpoints",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    body=EndpointIn,
    returns=EndpointWithSecret,
    status=201,
    example={"url": "https://example.com/webhooks", "eventTypes": ["invoice.paid"]},
)
def create_webhook_endpoint(call: Call, body: EndpointIn) -> EndpointWithSecret:
    """Add an endpoint; keep the `secret` of the answer, it is not shown again."""
    endpoint, secret = endpoints.register(
        call.session,
        body.url,
        body.event_types,
        description=body.description,
        keyring=runtime().keyring,
        allow_loopback=_allow_loopback(),
        now=call.real_now,
    )
    return EndpointWithSecret(**_fields(endpoint), secret=secret)


@API.route("GET", "/webhook-endpoints", scope=Scope.WEBHOOK_READ, tag=TAG, returns=EndpointList)
def list_webhook_endpoints(call: Call) -> Listing[EndpointOut]:
    """List all endpoints that were not archived."""
    found = queries.list_endpoints(call.session)
    return EndpointList([EndpointOut.of(endpoint) for endpoint in found])


@API.route(
    "GET",
    "/webhook-endpoints/<webhook_endpoint_id>",
    scope=Scope.WEBHOOK_READ,
    tag=TAG,
    returns=EndpointOut,
)
def get_webhook_endpoint(call: Call, webhook_endpoint_id: int) -> EndpointOut:
    """Return an endpoint, an archived one too."""
    return EndpointOut.of(queries.get_endpoint(call.session, webhook_endpoint_id))


@API.route(
    "PATCH",
    "/webhook-endpoints/<webhook_endpoint_id>",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    body=EndpointChange,
    returns=EndpointOut,
)
def update_webhook_endpoint(
    call: Call, webhook_endpoint_id: int, body: EndpointChange
) -> EndpointOut:
    """Change an endpoint; what is still owed goes to the new URL."""
    endpoint = endpoints.change(
        call.session,
        webhook_endpoint_id,
        url=body.url,
        event_types=body.event_types,
        description=body.description,
        allow_loopback=_allow_loopback(),
    )
    return EndpointOut.of(endpoint)


@API.route(
    "POST",
    "/webhook-endpoints/<webhook_endpoint_id>/roll-secret",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    returns=EndpointWithSecret,
)
def roll_webhook_secret(call: Call, webhook_endpoint_id: int) -> EndpointWithSecret:
    """Replace the secret; the old one signs too for 24 hours."""
    secret = endpoints.roll_secret(
        call.session, webhook_endpoint_id, keyring=runtime().keyring, now=call.real_now
    )
    endpoint = queries.get_endpoint(call.session, webhook_endpoint_id)
    return EndpointWithSecret(**_fields(endpoint), secret=secret)


@API.route(
    "POST",
    "/webhook-endpoints/<webhook_endpoint_id>/expire-old-secret",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    returns=EndpointOut,
)
def expire_old_webhook_secret(call: Call, webhook_endpoint_id: int) -> EndpointOut:
    """Stop signing with the secret that was replaced."""
    return EndpointOut.of(endpoints.expire_old_secret(call.session, webhook_endpoint_id))


@API.route(
    "POST",
    "/webhook-endpoints/<webhook_endpoint_id>/test",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    returns=DeliveryOut,
)
def send_test_webhook(call: Call, webhook_endpoint_id: int) -> DeliveryOut:
    """Send a message of type `webhook.test`, and return its delivery."""
    endpoint = endpoints.lock_endpoint(call.session, webhook_endpoint_id)
    delivery = emitting.send_test(call.session, endpoint, now=call.real_now)
    return DeliveryOut.of(queries.get_delivery(call.session, delivery.id))


@API.route(
    "POST",
    "/webhook-endpoints/<webhook_endpoint_id>/resend",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    body=ResendIn,
    returns=ResentOut,
)
def resend_webhook_deliveries(call: Call, webhook_endpoint_id: int, body: ResendIn) -> ResentOut:
    """Send many messages again: all that failed, or all of a time."""
    count = delivering.resend_all(
        call.session,
        webhook_endpoint_id,
        since=body.since,
        until=body.until,
        only_failed=body.only_failed,
        now=call.real_now,
    )
    return ResentOut(count)


@API.route(
    "GET",
    "/webhook-events",
    scope=Scope.WEBHOOK_READ,
    tag=TAG,
    query=EventQuery,
    returns=EventList,
    errors=(404,),
)
def list_webhook_events(call: Call, query: EventQuery) -> EventList:
    """List events in the order they were made, whether or not an endpoint wants them."""
    after = read(Prefix.WEBHOOK_EVENT, query.after) if query.after else None
    found = queries.list_events(call.session, after=after, limit=query.limit)
    return EventList([EventOut.of(event) for event in found])


@API.route(
    "POST",
    "/webhook-endpoints/<webhook_endpoint_id>/disable",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    returns=EndpointOut,
)
def disable_webhook_endpoint(call: Call, webhook_endpoint_id: int) -> EndpointOut:
    """Send nothing more; what is owed waits."""
    return EndpointOut.of(endpoints.disable(call.session, webhook_endpoint_id))


@API.route(
    "POST",
    "/webhook-endpoints/<webhook_endpoint_id>/enable",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    returns=EndpointOut,
)
def enable_webhook_endpoint(call: Call, webhook_endpoint_id: int) -> EndpointOut:
    """Send again, what waits first of all."""
    endpoint = endpoints.enable(call.session, webhook_endpoint_id, now=call.real_now)
    return EndpointOut.of(endpoint)


@API.route(
    "POST",
    "/webhook-endpoints/<webhook_endpoint_id>/archive",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    returns=EndpointOut,
)
def archive_webhook_endpoint(call: Call, webhook_endpoint_id: int) -> EndpointOut:
    """Delete an endpoint; the log of its deliveries stays."""
    return EndpointOut.of(endpoints.archive(call.session, webhook_endpoint_id))


@API.route(
    "GET",
    "/webhook-deliveries",
    scope=Scope.WEBHOOK_READ,
    tag=TAG,
    query=DeliveryQuery,
    returns=DeliveryList,
    errors=(404,),
)
def list_webhook_deliveries(call: Call, query: DeliveryQuery) -> Listing[DeliveryOut]:
    """List deliveries, of one endpoint or of all."""
    wanted = query.endpoint_id
    page = queries.list_deliveries(
        call.session,
        endpoint_id=read(Prefix.WEBHOOK_ENDPOINT, wanted) if wanted else None,
        status=query.status,
        event_type=query.event_type,
        **query.page,
    )
    return DeliveryList.of(page, DeliveryOut.of)


@API.route(
    "POST",
    "/webhook-deliveries/<webhook_delivery_id>/resend",
    scope=Scope.WEBHOOK_WRITE,
    tag=TAG,
    returns=DeliveryOut,
)
def resend_webhook_delivery(call: Call, webhook_delivery_id: int) -> DeliveryOut:
    """Send a message again, whatever became of it, with the whole schedule of retries."""
    delivering.resend(call.session, webhook_delivery_id, now=call.real_now)
    call.session.flush()  # it is read again with its event and endpoint
    return DeliveryOut.of(queries.get_delivery(call.session, webhook_delivery_id))


def _allow_loopback() -> bool:
    return runtime().settings.webhook_allow_loopback


def _fields(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": show(Prefix.WEBHOOK_ENDPOINT, endpoint.id),
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": [EventType(name) for name in endpoint.event_types],
        "status": endpoint.status,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": utc_or_none(endpoint.failing_since),
        "created_at": utc(endpoint.created_at),
    }
