"""One declaration is the route, its validation, its scope, its idempotency and its spec.

A view gets a `Call`, the ids that stood in the path, and its decoded body or query; it returns a
Struct. Everything it does happens in the one transaction that the declaration opens, together
with the record of its idempotency key. A `flow` opens its own transactions, because it asks a
channel or a storage.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial, wraps
from typing import Any, NamedTuple

import msgspec
import psycopg
from flask import Blueprint, Response, request
from limits import parse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.api import problems
from app.api.rate import CallLimit
from app.api.reading import read_json, read_query
from app.audit.models import ActorKind
from app.audit.recording import Actor
from app.core import clock, idempotency, ids
from app.core.db import PlainTransaction, Transaction
from app.core.errors import Invalid, Refusal
from app.core.idempotency import Answer
from app.core.ids import Prefix
from app.extensions import bound, limiter, plain_transaction, runtime, transaction
from app.identity import keys
from app.identity.models import Merchant, Scope

JSON = "application/json"
RATE_LIMIT = "200/second"
"""How many calls one API key may make, over all operations."""

_KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ID = re.compile(r"<([a-z_]+)_id>")


class InvalidIdempotencyKey(Invalid):
    code = "invalid_idempotency_key"


@dataclass(frozen=True)
class Call:
    """One authenticated call: whose it is, by which key, when for that merchant, where to work.

    `now` is the merchant's time, `real_now` everybody's. A flow works through `transaction`; its
    `session` is closed.
    """

    merchant: Merchant
    actor: Actor
    session: Session
    transaction: Transaction
    now: datetime
    real_now: datetime

    @property
    def merchant_id(self) -> int:
        return self.merchant.merchant_id


@dataclass(frozen=True, slots=True)
class HotCall:
    """One authenticated call of a hot operation, which works by plain SQL."""

    holder: keys.Holder
    work: PlainTransaction
    now: datetime


class Hot(NamedTuple):
    """What makes an operation hot: it returns what it came to, and these do the rest.

    `show` makes the answer from the body and what it came to. `dump` and `load` write and read
    what it came to, which is all that is kept under an idempotency key: the answer to the same
    body is made again.
    """

    show: Callable[[Any, Any], Any]
    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]


@dataclass(frozen=True)
class Operation:
    """What is declared of one route; the spec is written from it.

    `reads` decodes a body that one decoder of `body` would judge too harshly. What answers
    another `media` type than JSON returns bytes.
    `prepare` is done first, in transactions of its own: what needs the network, and may be
    done again.
    """

    view: Callable[..., Any]
    rule: str
    method: str
    scope: Scope
    tag: str
    body: Any
    reads: Callable[[bytes], Any]
    query: Any
    returns: Any
    media: str
    status: int
    errors: tuple[int, ...]
    is_flow: bool
    prepare: Callable[..., None] | None
    hot: Hot | None
    example: Any

    @property
    def name(self) -> str:
        return self.view.__name__

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    @cached_property
    def largest_body(self) -> int | None:
        """How many bytes the body may have, where its Struct says so: it carries a file."""
        return getattr(self.body, "LARGEST_BODY", None)

    @cached_property
    def path_ids(self) -> dict[str, Prefix]:
        """What kind of row each part of the path names: `<invoice_id>` an invoice."""
        return {f"{noun}_id": Prefix[noun.upper()] for noun in _ID.findall(self.rule)}


class Api:
    """The operations of one dialect. `spell` writes a field's name as the dialect does."""

    def __init__(self, name: str, *, prefix: str, spell: Callable[[str], str]) -> None:
        self.name = name
        self.prefix = prefix
        self.spell = spell
        self.operations: list[Operation] = []

    def route(  # noqa: PLR0913  # a declaration is a list of facts
        self,
        method: str,
        rule: str,
        *,
        scope: Scope,
        tag: str,
        returns: Any,
        body: Any = None,
        reads: Callable[[bytes], Any] | None = None,
        query: Any = None,
        media: str = JSON,
        status: int = 200,
        errors: tuple[int, ...] = (),
        flow: bool = False,
        prepare: Callable[..., None] | None = None,
        hot: Hot | None = None,
        example: Any = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare the operation that the decorated view performs."""

        def declare(view: Callable[..., Any]) -> Callable[..., Any]:
            self.operations.append(
                Operation(
                    view=view,
                    rule=rule,
                    method=method,
                    scope=scope,
                    tag=tag,
                    body=body,
                    reads=reads or partial(read_json, msgspec.json.Decoder(body)),
                    query=query,
                    returns=returns,
                    media=media,
                    status=status,
                    errors=errors,
                    is_flow=flow,
                    prepare=prepare,
                    hot=hot,
                    example=example,
                )
            )
            return view

        return declare

    def blueprint(self) -> Blueprint:
        """Return the door with every operation behind its declaration."""
        door = Blueprint(self.name, __name__, url_prefix=self.prefix)
        limiter.exempt(door)  # from what counts by address: callers are counted by their keys
        limit = CallLimit(parse(RATE_LIMIT), scope=self.name)
        for operation in self.operations:
            door.add_url_rule(
                operation.rule,
                operation.name,
                _perform(operation, limit),
                methods=[operation.method],
                provide_automatic_options=False,
            )
        answer = partial(problems.answer_refusal, spell=self.spell)
        door.register_error_handler(Refusal, answer)
        door.register_error_handler(OperationalError, problems.answer_database_error)
        door.register_error_handler(psycopg.OperationalError, problems.answer_database_error)
        door.register_error_handler(PoolTimeout, problems.answer_database_error)
        return door


def _perform(operation: Operation, limit: CallLimit) -> Callable[..., Response]:
    perform_in = _in_its_own_transactions if operation.is_flow else _in_one_transaction
    if operation.hot is not None:
        perform_in = partial(_at_once, hot=operation.hot)

    @wraps(operation.view)
    def perform(**path: str) -> Response:
        limit.count(_caller())
        if operation.largest_body is not None:
            request.max_content_length = operation.largest_body
        return perform_in(operation, _bearer(), path)

    return perform


def _in_one_transaction(operation: Operation, claim: keys.Claim, path: dict[str, str]) -> Response:
    """Perform it so that the effect and the record of its key commit together, or neither."""
    if operation.prepare is not None:
        with transaction(claim.merchant_id) as session:
            call = _authenticate(session, claim, operation.scope)
        operation.prepare(call, **_arguments(operation, path))
    with transaction(claim.merchant_id) as session:
        call = _authenticate(session, claim, operation.scope)
        key = _idempotency_key(operation)
        if key:
            before = idempotency.begin(session, key, _fingerprint(), now=call.real_now)
            if before:
                return _replay(call, key, before)
        answer = _answer(operation, call, path)
        if key:
            idempotency.finish(session, key, _sealed(call, key, answer))
    return _respond(answer)


def _in_its_own_transactions(
    operation: Operation, claim: keys.Claim, path: dict[str, str]
) -> Response:
    """Perform what can not be one transaction; repeating it is harmless by itself."""
    with transaction(claim.merchant_id) as session:
        call = _authenticate(session, claim, operation.scope)
        key = _idempotency_key(operation)
        if key:
            before = idempotency.find(session, key, _fingerprint(), now=call.real_now)
            if before:
                return _replay(call, key, before)
    answer = _answer(operation, call, path)
    if key:
        sealed = _sealed(call, key, answer)
        with call.transaction() as session:
            idempotency.keep(session, key, _fingerprint(), answer=sealed, now=call.real_now)
    return _respond(answer)


def _at_once(
    operation: Operation, claim: keys.Claim, path: dict[str, str], *, hot: Hot
) -> Response:
    """Perform a hot operation in as few statements as there can be, its key recorded last.

    Twins that run at once both work; the unique key lets one of them commit, and the other
    undoes all it did and answers what the first one came to.
    """
    del path  # what is hot is addressed by its body
    key, real_now = _idempotency_key(operation), clock.now()
    body: Any = None
    try:
        with plain_transaction(claim.merchant_id) as work:
            holder = keys.prove(work, claim, pepper=runtime().pepper, now=real_now)
            if operation.scope not in holder.scopes:
                raise problems.InsufficientScope(f"this key lacks the scope {operation.scope}")
            body = operation.reads(_json())
            result = operation.view(HotCall(holder, work, real_now + holder.clock_offset), body)
            if key:
                _keep_last(work, key, hot.dump(result), now=real_now)
    except _Twin as twin:
        with plain_transaction(claim.merchant_id) as work:
            kept = idempotency.read_kept(work, twin.key, _fingerprint(), now=real_now)
        return _marked_as_replay(_respond(_shown(operation, hot.show(body, hot.load(kept)))))
    return _respond(_shown(operation, hot.show(body, result)))


def _keep_last(work: PlainTransaction, key: str, kept: bytes, *, now: datetime) -> None:
    if not idempotency.keep_last(work, key, _fingerprint(), body=kept, now=now):
        raise _Twin(key)


class _Twin(Exception):
    """Somebody else has recorded the same key. Leaves the transaction, which undoes it."""

    def __init__(self, key: str) -> None:
        self.key = key


def _caller() -> str:
    """Name who is limited: by the hash of the whole key, so that its prefix alone blocks nobody."""
    return hashlib.sha256(request.headers.get("Authorization", "").encode()).hexdigest()


def _bearer() -> keys.Claim:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise keys.UnknownKey("send your API key as `Authorization: Bearer …`")
    return keys.read_claim(text.strip(" "))


def _authenticate(session: Session, claim: keys.Claim, scope: Scope) -> Call:
    real_now = clock.now()
    key, merchant = keys.authenticate(session, claim, pepper=runtime().pepper, now=real_now)
    if scope not in key.scopes:
        raise problems.InsufficientScope(f"this key lacks the scope {scope}")
    return Call(
        merchant=merchant,
        actor=Actor(ActorKind.API_KEY, key.id, key.name),
        session=session,
        transaction=bound(claim.merchant_id),
        now=real_now + merchant.clock_offset,
        real_now=real_now,
    )


def _idempotency_key(operation: Operation) -> str | None:
    given = request.headers.get(_KEY_HEADER)
    if given is None or not operation.is_write:
        return None
    if not _KEY.fullmatch(given):
        raise InvalidIdempotencyKey("must be 1 to 255 visible ASCII characters", path=_KEY_HEADER)
    return given


def _fingerprint() -> bytes:
    return idempotency.fingerprint(request.method, request.full_path, request.get_data())


def _answer(operation: Operation, call: Call, path: dict[str, str]) -> Answer:
    return _shown(operation, operation.view(call, **_arguments(operation, path)))


def _arguments(operation: Operation, path: dict[str, str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        name: ids.read(operation.path_ids[name], text) for name, text in path.items()
    }
    if operation.query is not None:
        arguments["query"] = read_query(operation.query)
    if operation.body is not None:
        arguments["body"] = operation.reads(_json())
    return arguments


def _json() -> bytes:
    if request.mimetype != JSON:
        raise problems.WrongMediaType(f"send the body as {JSON}")
    return request.get_data()


def _shown(operation: Operation, result: Any) -> Answer:
    body = msgspec.json.encode(result) if operation.media == JSON else result
    return Answer(operation.status, operation.media, body)


def _sealed(call: Call, key: str, answer: Answer) -> Answer:
    """Return the answer as it is kept: it may hold a secret that is shown once."""
    text = runtime().keyring.seal(answer.body.decode(), _place(call, key))
    return Answer(answer.status, answer.content_type, text.encode())


def _replay(call: Call, key: str, sealed: Answer) -> Response:
    text = runtime().keyring.unseal(sealed.body.decode(), _place(call, key))
    return _marked_as_replay(_respond(Answer(sealed.status, sealed.content_type, text.encode())))


def _marked_as_replay(response: Response) -> Response:
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _place(call: Call, key: str) -> str:
    return f"idempotency_records.body/{call.merchant_id}/{key}"


def _respond(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    response.headers["Cache-Control"] = "no-store"
    return response
