"""Refusals as RFC 9457 problems: `application/problem+json` with a stable `code`."""

from collections.abc import Callable

import msgspec
from flask import Response, current_app, g
from werkzeug.exceptions import HTTPException

from app.core.errors import Conflict, Invalid, NotFound, Refusal, Unavailable
from app.identity.keys import UnknownKey

TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Body too large",
    415: "Unsupported media type",
    422: "Invalid",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
_CODES = {
    400: "bad_request",
    401: "invalid_api_key",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
}
_RETRY_SECONDS = 1


class Problem(msgspec.Struct, rename="camel", omit_defaults=True):
    """What went wrong. `code` is stable; `requestId` is what support asks for."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    path: str = ""


class UnreadableBody(Refusal):
    """The body is no JSON at all."""

    code = "invalid_json"


class WrongMediaType(Refusal):
    code = "unsupported_media_type"


class InsufficientScope(Refusal):
    """The key is genuine but may not do this."""

    code = "insufficient_scope"


_STATUS: list[tuple[type[Refusal], int]] = [
    (UnknownKey, 401),
    (InsufficientScope, 403),
    (WrongMediaType, 415),
    (UnreadableBody, 400),
    (Invalid, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
]


def answer_refusal(refusal: Refusal, *, spell: Callable[[str], str]) -> Response:
    """Answer a refusal of a room or of the door itself.

    Rooms name a field as the code does; `spell` writes that path as the caller's dialect does.
    """
    status = next((status for kind, status in _STATUS if isinstance(refusal, kind)), 400)
    response = _answer(status, refusal.code, detail=str(refusal), path=spell(refusal.path))
    if status in {409, 503}:
        response.headers["Retry-After"] = str(_RETRY_SECONDS)
    if status == 401:  # noqa: PLR2004  # an HTTP status is its own name
        response.headers["WWW-Authenticate"] = 'Bearer realm="BuffMoney"'
    return response


def answer_database_error(error: Exception) -> Response:
    """Answer for a database that is away, full or busy: nothing was done, and may be done later."""
    current_app.logger.warning("the database could not do it: %s", error)
    response = _answer(503, "database_unavailable", detail="try again in a moment", path="")
    response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return response


def answer_http_error(error: HTTPException) -> Response:
    """Answer an error of the protocol: no such path, wrong method, body too large."""
    status = error.code or 500
    code = _CODES.get(status, "internal_error")
    response = _answer(status, code, detail=error.description or "", path="")
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    if status == 429:  # noqa: PLR2004  # an HTTP status is its own name
        response.headers.setdefault("Retry-After", str(_RETRY_SECONDS))
    return response


def _answer(status: int, code: str, *, detail: str, path: str) -> Response:
    problem = Problem(
        type=f"/docs/errors#{code}",
        title=TITLES.get(status, "Error"),
        status=status,
        code=code,
        detail=detail,
        request_id=g.request_id,
        path=path,
    )
    return Response(msgspec.json.encode(problem), status, mimetype="application/problem+json")
