"""Usage events on their way in, each answered for by itself."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import msgspec

from app.api import problems
from app.api.operations import Hot, HotCall
from app.api.reading import explain
from app.api.v1.base import (
    API,
    In,
    Moment,
    Out,
    camel,
    check_zone,
)
from app.core.errors import Invalid
from app.identity.models import Scope
from app.metering import ingestion
from app.metering.events import InvalidEvent, ItemResult, Outcome, ReceivedEvent
from app.metering.ingestion import MAX_BATCH, MerchantWindow

TAG = "Usage"
LONGEST_INTEGER = 1_000

_EXAMPLE = {
    "events": [
        {
            "customerExternalId": "user_42",
            "idempotencyKey": "evt_abc_1234",
            "metric": "tokens_input",
            "quantity": "12500",
            "occurredAt": "2026-05-25T10:00:00Z",
            "dimensions": {"model": "gpt-5", "region": "us-east-1"},
        }
    ]
}


QuantityText = Annotated[
    str,
    msgspec.Meta(
        description="An exact decimal, as text; below zero only in a correction.",
        # Only told: the room refuses with a code of its own and the path of the field.
        extra_json_schema={"pattern": r"^-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?$"},
    ),
]


class BatchTooLarge(Invalid):
    code = "batch_too_large"


DimensionsIn = dict[str, str | int | bool] | None


class UsageEventIn(In):
    """One measurement. Its `idempotencyKey` is unique within the merchant, for ever."""

    customer_external_id: str
    idempotency_key: str
    metric: str
    quantity: QuantityText | int
    occurred_at: Moment
    dimensions: DimensionsIn = None
    corrects: Annotated[
        str | None,
        msgspec.Meta(description="The `idempotencyKey` of an event that this one puts right."),
    ] = None

    def __post_init__(self) -> None:
        check_zone(self.occurred_at, "occurredAt")

    @property
    def dimensions_json(self) -> bytes:
        """The dimensions as a JSON object."""
        return msgspec.json.encode(self.dimensions or {})


class _EventAsSent(In, gc=False):  # 500 of them hold no cycle for the collector to look for
    """An event as `UsageEventIn`, but its dimensions are left as they were spelt.

    Few events of a batch differ in them: those are decoded and checked once.
    """

    customer_external_id: str
    idempotency_key: str
    metric: str
    quantity: str | int
    occurred_at: Moment
    spelt: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="dimensions")
    corrects: str | None = None

    @property
    def dimensions(self) -> DimensionsIn:
        """The dimensions, decoded. Raises ValidationError."""
        return _dimensions.decode(self.spelt)

    @property
    def dimensions_json(self) -> bytes:
        """The dimensions as they were spelt."""
        spelt = bytes(self.spelt)
        return b"{}" if spelt == b"null" else spelt


class UsageBatchIn(In):
    """Up to 500 events. One that is wrong never refuses the others."""

    events: Annotated[
        list[UsageEventIn],
        msgspec.Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_BATCH}),
    ]


class UsageItem(Out, omit_defaults=True, gc=False):
    """What became of one event. `code`, `message` and `path` say why, when it was not taken."""

    index: int
    status: Outcome
    idempotency_key: str = ""
    code: str = ""
    message: str = ""
    path: str = ""


class UsageBatchOut(Out):
    """What became of a batch; `results` answers for each event, in the order they came.

    `accepted` counts all that were stored now, those that came `late` among them.
    """

    accepted: int
    duplicates: int
    late: int
    rejected: int
    results: list[UsageItem]


class _BatchAsSent(In):
    events: list[_EventAsSent]


class _Batch(In):
    events: list[Any]


_whole = msgspec.json.Decoder(_BatchAsSent)
_dimensions: "msgspec.json.Decoder[DimensionsIn]" = msgspec.json.Decoder(DimensionsIn)
_explanations = msgspec.json.Decoder(dict[str, ItemResult])
_OUTCOMES = {outcome.value[0]: outcome for outcome in Outcome}


def read_batch(raw: bytes) -> Sequence[ReceivedEvent | InvalidEvent]:
    """Decode a batch at once, and event by event only when something in it is wrong.

    Raises UnreadableBody, InvalidBody and BatchTooLarge for what is wrong with the batch itself.
    """
    try:
        events: Sequence[ReceivedEvent | InvalidEvent] = _read_whole(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _read_leniently(raw).events
        _check_size(found)
        events = [_read_event(event) for event in found]
    except RecursionError as error:
        raise problems.UnreadableBody("the body is nested too deep") from error
    return events


def _read_whole(raw: bytes) -> Sequence[_EventAsSent]:
    """Decode a batch of which nothing is wrong. Raises DecodeError, and BatchTooLarge."""
    events = _whole.decode(raw).events
    _check_size(events)
    for spelt in {event.dimensions_json for event in events}:
        _dimensions.decode(spelt)
    try:
        for moment in {event.occurred_at.tzinfo: event.occurred_at for event in events}.values():
            check_zone(moment, "occurredAt")
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from error
    return events


def _show(
    body: Sequence[ReceivedEvent | InvalidEvent], results: Sequence[ItemResult]
) -> UsageBatchOut:
    outcomes = [result.outcome for result in results]
    late = outcomes.count(Outcome.LATE)
    accepted = outcomes.count(Outcome.ACCEPTED) + late
    duplicates = outcomes.count(Outcome.DUPLICATE)
    return UsageBatchOut(
        accepted=accepted,
        duplicates=duplicates,
        late=late,
        rejected=len(outcomes) - accepted - duplicates,
        results=[
            # Nothing to explain: what most of 500 events are.
            UsageItem(index, result.outcome, event.idempotency_key)
            if not result.code and not isinstance(event, InvalidEvent)
            else _explained(index, event, result)
            for index, (event, result) in enumerate(zip(body, results, strict=True))
        ],
    )


def _dump(results: Sequence[ItemResult]) -> bytes:
    """Write a letter for each result, and what there is to say about some."""
    explained = {str(i): result for i, result in enumerate(results) if result.code}
    letters = "".join([result.outcome[0] for result in results])  # to hash an enum is dear
    return letters.encode() + (msgspec.json.encode(explained) if explained else b"")


def _load(kept: bytes) -> list[ItemResult]:
    letters, brace, explained = kept.partition(b"{")
    results = [ItemResult(_OUTCOMES[letter]) for letter in letters.decode()]
    if brace:
        for index, result in _explanations.decode(brace + explained).items():
            results[int(index)] = result
    return results


@API.route(
    "POST",
    "/usage-events",
    scope=Scope.USAGE_WRITE,
    tag=TAG,
    body=UsageBatchIn,
    reads=read_batch,
    returns=UsageBatchOut,
    hot=Hot(_show, _dump, _load),
    example=_EXAMPLE,
)
def ingest_usage_events(
    call: HotCall, body: Sequence[ReceivedEvent | InvalidEvent]
) -> list[ItemResult]:
    """Store up to 500 usage events, each once.

    Every event is answered for by itself: `accepted`, `duplicate` (stored before, the same),
    `conflict` (its key was stored with other content, which stays), `late` (stored; its period is
    invoiced already, so the next invoice bills it), `unmatched` (no such customer or metric, or no
    contract for that time: kept aside, its key stays free) or `invalid`. Those that were not taken
    never hold up the others.
    """
    window = MerchantWindow(call.holder.time_zone, call.holder.late_window_days)
    return ingestion.ingest(call.work, body, merchant=window, now=call.now)


def _check_size(events: Sequence[object]) -> None:
    if len(events) > MAX_BATCH:
        raise BatchTooLarge(f"must be at most {MAX_BATCH} events", path="events")


def _read_leniently(raw: bytes) -> _Batch:
    """Read the batch with whatever is in its events, also half a character."""
    try:
        document = json.loads(
            raw.decode(), parse_int=_read_integer, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise problems.UnreadableBody("the body is not JSON in UTF-8") from error
    try:
        return msgspec.convert(document, _Batch)
    except msgspec.ValidationError as error:
        raise explain(error, document, _Batch) from error


def _read_integer(digits: str) -> int | str:
    """Read an integer; one so long that Python would read none of the batch stays a text."""
    return int(digits) if len(digits) <= LONGEST_INTEGER else digits


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _read_event(document: object) -> UsageEventIn | InvalidEvent:
    try:
        return msgspec.json.decode(msgspec.json.encode(document), type=UsageEventIn)
    except msgspec.ValidationError as error:
        wrong = explain(error, document, UsageEventIn)
        return InvalidEvent(wrong.code, str(wrong), wrong.path)
    except UnicodeEncodeError:
        return InvalidEvent("invalid_text", "holds half a character")


def _explained(index: int, event: ReceivedEvent | InvalidEvent, result: ItemResult) -> UsageItem:
    key = "" if isinstance(event, InvalidEvent) else event.idempotency_key
    # Only the first name of a path is ours: after it, in dimensions, come the caller's own.
    field, dot, rest = result.path.partition(".")
    path = camel(field) + dot + rest
    return UsageItem(index, result.outcome, key, result.code, result.message, path)
