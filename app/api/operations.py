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
from typing import Any

import msgspec
from flask import Blueprint, Response, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.api import problems
from app.audit.models import ActorKind
from app.audit.recording import Actor
from app.core import clock, idempotency, ids
from app.core.db import Transaction
from app.core.errors import Invalid, Refusal
from app.core.idempotency import Answer
from app.core.ids import Prefix
from app.extensions import bound, limiter, runtime, transaction
from app.identity import keys
from app.identity.models import Merchant, Scope

JSON = "application/json"
RATE_LIMIT = "200/second"
"""How many calls one API key may make, over all operations."""

_KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ID = re.compile(r"<([a-z_]+)_id>")
_AT = re.compile(r" - at `(?:key in )?\$\.?(?P<path>[^`]*)`$")
_KEYED = re.compile(r"(?P<field>\w+)\[\.\.\.\](?P<rest>.*)")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class InvalidBody(Invalid):
    code = "validation_failed"


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


@dataclass(frozen=True)
class Operation:
    """What is declared of one route; the spec is written from it.

    `reads` decodes a body that one decoder of `body` would judge too harshly. What answers
    another `media` type than JSON returns bytes.
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
    example: Any

    @property
    def name(self) -> str:
        return self.view.__name__

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

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
                    example=example,
                )
            )
            return view

        return declare

    def blueprint(self) -> Blueprint:
        """Return the door with every operation behind its declaration."""
        door = Blueprint(self.name, __name__, url_prefix=self.prefix)
        limit = limiter.shared_limit(RATE_LIMIT, scope=self.name, key_func=_caller)
        for operation in self.operations:
            door.add_url_rule(
                operation.rule,
                operation.name,
                limit(_perform(operation)),
                methods=[operation.method],
                provide_automatic_options=False,
            )
        answer = partial(problems.answer_refusal, spell=self.spell)
        door.register_error_handler(Refusal, answer)
        door.register_error_handler(OperationalError, problems.answer_database_error)
        door.register_error_handler(PoolTimeout, problems.answer_database_error)
        return door


def _perform(operation: Operation) -> Callable[..., Response]:
    perform_in = _in_its_own_transactions if operation.is_flow else _in_one_transaction

    @wraps(operation.view)
    def perform(**path: str) -> Response:
        return perform_in(operation, _bearer(), path)

    return perform


def _in_one_transaction(operation: Operation, claim: keys.Claim, path: dict[str, str]) -> Response:
    """Perform it so that the effect and the record of its key commit together, or neither."""
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
    arguments: dict[str, Any] = {
        name: ids.read(operation.path_ids[name], text) for name, text in path.items()
    }
    if operation.query is not None:
        arguments["query"] = _read_query(operation.query)
    if operation.body is not None:
        if request.mimetype != JSON:
            raise problems.WrongMediaType(f"send the body as {JSON}")
        arguments["body"] = operation.reads(request.get_data())
    result = operation.view(call, **arguments)
    body = msgspec.json.encode(result) if operation.media == JSON else result
    return Answer(operation.status, operation.media, body)


def read_json(decoder: "msgspec.json.Decoder[Any]", raw: bytes) -> Any:
    """Decode and validate a body in one pass. Raises UnreadableBody and InvalidBody."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise explain(error, _parse(raw), decoder.type) from error
    except _UNREADABLE as error:
        raise problems.UnreadableBody("the body is not JSON in UTF-8") from error


def explain(error: msgspec.ValidationError, document: Any, kind: Any) -> InvalidBody:
    """Return the refusal of a document that is no `kind`, with the path of the wrong field."""
    message = str(error)
    found = _AT.search(message)
    path = found["path"] if found else ""
    keyed = _KEYED.fullmatch(path)
    if keyed:
        field, rest = keyed["field"], keyed["rest"]
        key = _find_key(message, document.get(field), field=field, kind=kind)
        path = f"{field}.{key}{rest}" if key is not None else path
    return InvalidBody(_AT.sub("", message), path=path)


def _find_key(message: str, entries: object, *, field: str, kind: Any) -> str | None:
    """Return the key of an object that `message` is about: in the path it is `[...]` for any.

    None when it can not be told: of a field that was given twice only the last is left.
    """
    for key, value in entries.items() if isinstance(entries, dict) else ():
        try:
            msgspec.convert({field: {key: value}}, kind)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return str(key)
    return None


def _parse(raw: bytes) -> Any:
    """Parse the whole of a body: validation ends at the first wrong field, which may be early."""
    try:
        return msgspec.json.decode(raw)
    except _UNREADABLE as error:
        raise problems.UnreadableBody("the body is not JSON in UTF-8") from error


def _read_query(kind: Any) -> Any:
    given = request.args.to_dict()
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidBody("was given more than once", path=name)
        if "\0" in values[0]:
            raise InvalidBody("must not hold control characters", path=name)
    try:
        query = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise explain(error, given, kind) from error
    for field in msgspec.structs.fields(kind):
        if field.encode_name in given and getattr(query, field.name) is None:
            raise InvalidBody("`null` is no value here", path=field.encode_name)
    return query


def _sealed(call: Call, key: str, answer: Answer) -> Answer:
    """Return the answer as it is kept: it may hold a secret that is shown once."""
    text = runtime().keyring.seal(answer.body.decode(), _place(call, key))
    return Answer(answer.status, answer.content_type, text.encode())


def _replay(call: Call, key: str, sealed: Answer) -> Response:
    text = runtime().keyring.unseal(sealed.body.decode(), _place(call, key))
    response = _respond(Answer(sealed.status, sealed.content_type, text.encode()))
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _place(call: Call, key: str) -> str:
    return f"idempotency_records.body/{call.merchant_id}/{key}"


def _respond(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    response.headers["Cache-Control"] = "no-store"
    return response
