"""Price replays: a past period's real usage at a draft's prices, beside what it costs today."""

from datetime import date
from typing import Any

from app.api.operations import Call
from app.api.v1.base import (
    API,
    Amount,
    In,
    Listing,
    Moment,
    Out,
    PageQuery,
    utc,
    utc_or_none,
)
from app.billing import replay as replays
from app.billing.replay import Days, InvalidReplayDays, ReplayTotal
from app.billing.replay_models import PriceReplay, PriceReplayRow, ReplayStatus
from app.core.ids import Prefix, read, show
from app.identity.models import Scope
from app.pricing import drafts, queries
from app.pricing.drafts import NoDraft

TAG = "Rate cards"


class PriceReplayIn(In, kw_only=True):
    """What to replay: the rate card's draft, or one of its versions where one is named.

    The days are local ones, the end exclusive; left out, they are the last closed calendar month.
    """

    rate_card_version_id: str | None = None
    period_from: date | None = None
    period_to: date | None = None


class PriceReplayOut(Out):
    """A replay and how far it is: `done` of `total` contracts on the rate card are rated.

    `sha256` is the hash of the prices it replays: a draft with another was changed since.
    """

    id: str
    rate_card_id: str
    sha256: str
    period_from: date
    period_to: date
    status: ReplayStatus
    total: int
    done: int
    events: int
    error: str | None
    created_by: str
    created_at: Moment
    ended_at: Moment | None

    @classmethod
    def of(cls, replay: PriceReplay) -> "PriceReplayOut":
        return cls(**_fields(replay))


class ReplayTotalOut(Out):
    """The contracts in one currency: what they come to today, and at the replayed prices.

    Those with a problem are in no amount. `crossing` have a metric that ends in another tier.
    """

    contracts: int
    problems: int
    crossing: int
    current: Amount
    draft: Amount
    change: Amount

    @classmethod
    def of(cls, total: ReplayTotal) -> "ReplayTotalOut":
        return cls(
            contracts=total.contracts,
            problems=total.problems,
            crossing=total.crossing,
            current=Amount.of(total.current),
            draft=Amount.of(total.draft),
            change=Amount.of(total.delta),
        )


class PriceReplayWithTotals(PriceReplayOut):
    """A replay with what its contracts come to so far."""

    totals: list[ReplayTotalOut]


class CrossingOut(Out):
    """A metric, or the part of one that `part` says, whose quantity ends in another tier."""

    metric: str
    part: str
    tier_before: int
    tier_after: int


class ReplayRowOut(Out):
    """One contract of a replay. `problem` says why it could not be rated, if it could not."""

    contract_id: str
    customer_id: str
    events: int
    current: Amount
    draft: Amount
    change: Amount
    crossings: list[CrossingOut]
    problem: str | None

    @classmethod
    def of(cls, row: PriceReplayRow) -> "ReplayRowOut":
        return cls(
            contract_id=show(Prefix.CONTRACT, row.contract_id),
            customer_id=show(Prefix.CUSTOMER, row.customer_id),
            events=row.events,
            current=Amount.of(row.current),
            draft=Amount.of(row.draft),
            change=Amount.of(row.delta),
            crossings=[
                CrossingOut(each["metric"], each["part"], each["before"], each["after"])
                for each in row.crossings
            ],
            problem=row.problem,
        )


class PriceReplayList(Listing[PriceReplayOut]):
    """A page of replays, newest first."""


class ReplayRowList(Listing[ReplayRowOut]):
    """A page of a replay's contracts, those that change most first."""


@API.route(
    "POST",
    "/rate-cards/<rate_card_id>/replays",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=PriceReplayIn,
    returns=PriceReplayOut,
    status=201,
    errors=(404,),
    example={},
)
def start_replay(call: Call, rate_card_id: int, body: PriceReplayIn) -> PriceReplayOut:
    """Rate a past month's real usage at the draft, for every contract on the rate card.

    Nothing is billed and nothing is published. The work is done within seconds to minutes: read
    the replay until it has ended.
    """
    replay = replays.start(
        call.session,
        rate_card_id,
        content=_content(call, rate_card_id, body),
        days=_days(body),
        actor=call.actor,
        now=call.now,
    )
    return PriceReplayOut.of(replay)


@API.route(
    "GET",
    "/rate-cards/<rate_card_id>/replays",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    query=PageQuery,
    returns=PriceReplayList,
    errors=(404,),
)
def list_replays(call: Call, rate_card_id: int, query: PageQuery) -> Listing[PriceReplayOut]:
    """List the replays of a rate card."""
    card = queries.get_rate_card(call.session, rate_card_id)
    page = replays.list_replays(call.session, rate_card_id=card.id, **query.page)
    return PriceReplayList.of(page, PriceReplayOut.of)


@API.route(
    "GET",
    "/replays/<price_replay_id>",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    returns=PriceReplayWithTotals,
)
def get_replay(call: Call, price_replay_id: int) -> PriceReplayWithTotals:
    """Return a replay with its totals: of the contracts rated so far, until it has ended."""
    replay = replays.get_replay(call.session, price_replay_id)
    totals = replays.totals(call.session, replay.id)
    return PriceReplayWithTotals(
        **_fields(replay), totals=[ReplayTotalOut.of(each) for each in totals]
    )


@API.route(
    "GET",
    "/replays/<price_replay_id>/contracts",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    query=PageQuery,
    returns=ReplayRowList,
    errors=(404,),
)
def list_replay_contracts(
    call: Call, price_replay_id: int, query: PageQuery
) -> Listing[ReplayRowOut]:
    """List what each contract comes to today and at the replayed prices."""
    replay = replays.get_replay(call.session, price_replay_id)
    page = replays.list_rows(call.session, replay.id, **query.page)
    return ReplayRowList.of(page, ReplayRowOut.of)


def _content(call: Call, rate_card_id: int, body: PriceReplayIn) -> dict[str, Any]:
    if body.rate_card_version_id is not None:
        version_id = read(Prefix.RATE_CARD_VERSION, body.rate_card_version_id)
        return queries.get_version(call.session, version_id).content
    draft = drafts.find_draft(call.session, rate_card_id)
    if draft is None:
        raise NoDraft("this rate card has no draft; name a version, or save one first")
    return draft.content


def _days(body: PriceReplayIn) -> Days | None:
    if body.period_from is None and body.period_to is None:
        return None
    if body.period_from is None or body.period_to is None:
        raise InvalidReplayDays("say both days, or neither", path="period_to")
    return Days(body.period_from, body.period_to)


def _fields(replay: PriceReplay) -> dict[str, Any]:
    return {
        "id": show(Prefix.PRICE_REPLAY, replay.id),
        "rate_card_id": show(Prefix.RATE_CARD, replay.rate_card_id),
        "sha256": replay.sha256,
        "period_from": replay.period_from,
        "period_to": replay.period_to,
        "status": replay.status,
        "total": replay.total,
        "done": replay.done,
        "events": replay.events,
        "error": replay.error,
        "created_by": replay.created_by,
        "created_at": utc(replay.created_at),
        "ended_at": utc_or_none(replay.ended_at),
    }
