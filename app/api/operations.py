"""One declaration is the route, its validation, its scope, its idempotency and its spec.

A view gets a `Call`, what stood in the path, and its decoded body or query; it returns a Struct.
Everything it does happens in the one transaction that the declaration opens, together with the
record of its idempotency key. A `flow` opens its own transactions, because it asks a channel.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

import msgspec
from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from app.api import problems
from app.core import clock, idempotency
from app.core.db import Transaction
from app.core.errors import Invalid, Refusal
from app.core.idempotency import Answer
from app.extensions import bound, runtime, transaction
from app.identity import clocks, keys
from app.identity.models import Merchant, Scope

JSON = "application/json"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


class InvalidBody(Invalid):
    code = "validation_failed"


class InvalidIdempotencyKey(Invalid):
    code = "invalid_idempotency_key"


@dataclass(frozen=True)
class Call:
    """One authenticated call: whose it is, when it is for that merchant, and where to work.

    `now` is the merchant's time, `real_now` everybody's. A flow works through `transaction`; its
    `session` is closed.
    """

    merchant: Merchant
    session: Session
    transaction: Transaction
    now: datetime
    real_now: datetime

    @property
    def merchant_id(self) -> int:
        return self.merchant.merchant_id


@dataclass(frozen=True)
class Operation:
    """What is declared of one route; the spec is written from it."""

    view: Callable[..., Any]
    rule: str
    method: str
    scope: Scope
    body: Any
    query: Any
    returns: Any
    status: int
    errors: tuple[int, ...]
    is_flow: bool
    tag: str

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


class Api:
    """The operations of one dialect."""

    def __init__(self, name: str, *, prefix: str) -> None:
        self.name = name
        self.prefix = prefix
        self.operations: list[Operation] = []

    def route(  # noqa: PLR0913  # a declaration is a list of facts
        self,
        method: str,
        rule: str,
        *,
        scope: Scope,
        returns: Any,
        tag: str,
        body: Any = None,
        query: Any = None,
        status: int = 200,
        errors: tuple[int, ...] = (),
        flow: bool = False,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare the operation that the decorated view performs."""

        def declare(view: Callable[..., Any]) -> Callable[..., Any]:
            self.operations.append(
                Operation(
                    view=view,
                    rule=rule,
                    method=method,
                    scope=scope,
                    body=body,
                    query=query,
                    returns=returns,
                    status=status,
                    errors=errors,
                    is_flow=flow,
                    tag=tag,
                )
            )
            return view

        return declare

    def blueprint(self) -> Blueprint:
        """Return the door with every operation behind its declaration."""
        door = Blueprint(self.name, __name__, url_prefix=self.prefix)
        for operation in self.operations:
            door.add_url_rule(
                operation.rule,
                operation.view.__name__,
                _perform(operation),
                methods=[operation.method],
            )
        door.register_error_handler(Refusal, problems.answer_refusal)
        return door


def _perform(operation: Operation) -> Callable[..., Response]:
    body = msgspec.json.Decoder(operation.body) if operation.body is not None else None

    @wraps(operation.view)
    def perform(**path: str) -> Response:
        claim = _bearer()
        with transaction(claim.merchant_id) as session:
            call = _authenticate(session, claim, operation.scope)
            key = _idempotency_key() if operation.is_write else None
            print_ = _fingerprint()
            if key and not operation.is_flow:
                before = idempotency.begin(session, key, print_, now=call.real_now)
            elif key:
                before = idempotency.find(session, key, print_, now=call.real_now)
            else:
                before = None
            if before:
                return _respond(before, replayed=True)
            arguments = _arguments(operation, body, path)
            if not operation.is_flow:
                answer = _encode(operation, operation.view(call, **arguments))
                if key:
                    idempotency.finish(session, key, answer)
                return _respond(answer)
        answer = _encode(operation, operation.view(call, **arguments))
        if key:
            with transaction(claim.merchant_id) as session:
                idempotency.keep(session, key, print_, answer=answer, now=call.real_now)
        return _respond(answer)

    return perform


def _bearer() -> keys.Claim:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise keys.UnknownKey("send your API key as `Authorization: Bearer …`")
    return keys.read_claim(text.strip(" "))


def _authenticate(session: Session, claim: keys.Claim, scope: Scope) -> Call:
    real_now = clock.now()
    key = keys.authenticate(session, claim, pepper=runtime().pepper, now=real_now)
    if scope not in key.scopes:
        raise problems.InsufficientScope(f"this key lacks the scope {scope}")
    merchant = clocks.get_merchant(session)
    now = real_now + merchant.clock_offset
    return Call(merchant, session, bound(claim.merchant_id), now=now, real_now=real_now)


def _idempotency_key() -> str | None:
    given = request.headers.getlist("Idempotency-Key")
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise InvalidIdempotencyKey(
            "Idempotency-Key must be 1 to 255 visible ASCII characters", path="Idempotency-Key"
        )
    return given[0]


def _fingerprint() -> bytes:
    return idempotency.fingerprint(request.method, request.full_path, request.get_data())


def _arguments(
    operation: Operation, body: "msgspec.json.Decoder[Any] | None", path: Mapping[str, str]
) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(path)
    if operation.query is not None:
        arguments["query"] = _read_query(operation.query)
    if body is not None:
        if request.mimetype != JSON:
            raise problems.WrongMediaType(f"send the body as {JSON}")
        arguments["body"] = read_json(body, request.get_data())
    return arguments


def read_json(decoder: "msgspec.json.Decoder[Any]", raw: bytes) -> Any:
    """Decode and validate a body in one pass. Raises UnreadableBody and InvalidBody."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(error) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise problems.UnreadableBody("the body is not JSON in UTF-8") from error


def _read_query(kind: Any) -> Any:
    repeated = [name for name, values in request.args.lists() if len(values) > 1]
    if repeated:
        raise InvalidBody(f"`{repeated[0]}` was given more than once", path=repeated[0])
    try:
        return msgspec.convert(request.args.to_dict(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: msgspec.ValidationError) -> InvalidBody:
    message = str(error)
    found = _AT.search(message)
    return InvalidBody(_AT.sub("", message), path=found["path"] if found else "")


def _encode(operation: Operation, result: Any) -> Answer:
    return Answer(operation.status, JSON, msgspec.json.encode(result))


def _respond(answer: Answer, *, replayed: bool = False) -> Response:
    response = Response(answer.body, answer.status, content_type=answer.content_type)
    response.headers["Cache-Control"] = "no-store"
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
