"""Dead events: usage that found no customer, metric or contract, and what became of it."""

from typing import Any

from app.api.operations import Call
from app.api.v1.base import API, In, Listing, Moment, Out, PageQuery, utc, utc_or_none
from app.core.ids import Prefix, show
from app.identity.models import Scope
from app.metering import dead_events, replaying
from app.metering.dead_events import DeadFilter
from app.metering.ingestion import MerchantWindow
from app.metering.models import DeadEvent, DeadReason, DeadReplay, DeadStatus

TAG = "Dead events"


class DeadEventQuery(PageQuery, kw_only=True):
    """Which dead events; `name` is the customer's external id or the metric's code."""

    status: DeadStatus | None = None
    reason: DeadReason | None = None
    name: str = ""


class DeadEventOut(Out):
    """An event that was not counted, as it was sent.

    `seen` is how often it came; `outcome` what its last replay said.
    """

    id: str
    status: DeadStatus
    reason: DeadReason
    customer_external_id: str
    metric: str
    idempotency_key: str
    occurred_at: Moment
    event: dict[str, Any]
    seen: int
    received_at: Moment
    last_seen_at: Moment
    resolved_at: Moment | None
    outcome: str | None

    @classmethod
    def of(cls, row: DeadEvent) -> "DeadEventOut":
        return cls(
            id=show(Prefix.DEAD_EVENT, row.id),
            status=row.status,
            reason=row.reason,
            customer_external_id=row.customer_external_id,
            metric=row.metric,
            idempotency_key=row.idempotency_key,
            occurred_at=utc(row.occurred_at),
            event=row.body,
            seen=row.seen,
            received_at=utc(row.received_at),
            last_seen_at=utc(row.last_seen_at),
            resolved_at=utc_or_none(row.resolved_at),
            outcome=row.outcome,
        )


class DeadEventList(Listing[DeadEventOut]):
    """A page of dead events, the last kept first."""


class CauseIn(In):
    """Which waiting events: those of one reason and name, or all when neither is given."""

    reason: DeadReason | None = None
    name: str = ""


class ReplayOut(Out):
    """A replay of many events: `tried` of `total` so far, of which `taken` are counted now."""

    reason: DeadReason | None
    name: str
    total: int
    tried: int
    taken: int
    started_at: Moment
    ended_at: Moment | None

    @classmethod
    def of(cls, row: DeadReplay) -> "ReplayOut":
        return cls(
            reason=row.reason,
            name=row.name,
            total=row.total,
            tried=row.tried,
            taken=row.taken,
            started_at=utc(row.started_at),
            ended_at=utc_or_none(row.ended_at),
        )


class LastReplayOut(Out):
    """The last replay of many events; null before the first."""

    replay: ReplayOut | None


class DiscardedOut(Out):
    """How many events were given up."""

    discarded: int


@API.route(
    "GET",
    "/dead-events",
    scope=Scope.USAGE_READ,
    tag=TAG,
    query=DeadEventQuery,
    returns=DeadEventList,
)
def list_dead_events(call: Call, query: DeadEventQuery) -> Listing[DeadEventOut]:
    """List usage that was not counted because its customer, metric or contract was missing."""
    wanted = DeadFilter(query.reason, query.name, query.status)
    page = dead_events.list_dead(call.session, wanted, **query.page)
    return DeadEventList.of(page, DeadEventOut.of)


@API.route(
    "GET",
    "/dead-events/<dead_event_id>",
    scope=Scope.USAGE_READ,
    tag=TAG,
    returns=DeadEventOut,
)
def get_dead_event(call: Call, dead_event_id: int) -> DeadEventOut:
    """Return a dead event."""
    return DeadEventOut.of(dead_events.get_dead_event(call.session, dead_event_id))


@API.route(
    "POST",
    "/dead-events/<dead_event_id>/replay",
    scope=Scope.USAGE_WRITE,
    tag=TAG,
    returns=DeadEventOut,
)
def replay_dead_event(call: Call, dead_event_id: int) -> DeadEventOut:
    """Try an event again, once its customer, metric or contract is there.

    One that is stored now, or was stored before, is `replayed`; else it waits on, and `outcome`
    says why.
    """
    replaying.replay_one(call.session, dead_event_id, merchant=_window(call), now=call.now)
    row = dead_events.get_dead_event(call.session, dead_event_id)
    call.session.refresh(row)  # statements wrote past it
    return DeadEventOut.of(row)


@API.route(
    "POST",
    "/dead-event-replays",
    scope=Scope.USAGE_WRITE,
    tag=TAG,
    body=CauseIn,
    returns=ReplayOut,
    errors=(404,),
    example={"reason": "unknown_customer", "name": "user_77"},
)
def replay_dead_events(call: Call, body: CauseIn) -> ReplayOut:
    """Try every waiting event of a cause again: the first 500 now, the rest in the background."""
    replay = replaying.start_replay(
        call.session,
        DeadFilter(body.reason, body.name),
        merchant=_window(call),
        now=call.now,
        real_now=call.real_now,
    )
    return ReplayOut.of(replay)


@API.route("GET", "/dead-event-replays", scope=Scope.USAGE_READ, tag=TAG, returns=LastReplayOut)
def get_last_replay(call: Call) -> LastReplayOut:
    """Return how far the last replay of many events is; one runs at a time."""
    replay = replaying.find_replay(call.session)
    return LastReplayOut(ReplayOut.of(replay) if replay else None)


@API.route(
    "POST",
    "/dead-events/<dead_event_id>/discard",
    scope=Scope.USAGE_WRITE,
    tag=TAG,
    returns=DeadEventOut,
)
def discard_dead_event(call: Call, dead_event_id: int) -> DeadEventOut:
    """Give an event up: it will not be counted. The same event sent again waits again."""
    row = dead_events.discard_one(call.session, dead_event_id, actor=call.actor, now=call.now)
    return DeadEventOut.of(row)


@API.route(
    "POST",
    "/dead-event-discards",
    scope=Scope.USAGE_WRITE,
    tag=TAG,
    body=CauseIn,
    returns=DiscardedOut,
    example={"reason": "unknown_customer", "name": "user_77"},
)
def discard_dead_events(call: Call, body: CauseIn) -> DiscardedOut:
    """Give up every waiting event of a cause, or all of them when none is named."""
    wanted = DeadFilter(body.reason, body.name)
    count = dead_events.discard_waiting(call.session, wanted, actor=call.actor, now=call.now)
    return DiscardedOut(count)


def _window(call: Call) -> MerchantWindow:
    return MerchantWindow(call.merchant.time_zone, call.merchant.late_window_days)
