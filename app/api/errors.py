"""Refusals as RFC 9457 problems: `application/problem+json` with a stable `code`."""

import json

from flask import Response, g, request
from werkzeug.exceptions import HTTPException

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


def problem(status: int, code: str, detail: str, *, title: str = "") -> Response:
    """Return a problem; `requestId` is what support asks for."""
    body = {
        "type": f"/docs/errors#{code}",
        "title": title or code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "instance": request.path,
        "requestId": g.request_id,
    }
    return Response(json.dumps(body), status, mimetype="application/problem+json")


def answer_http_error(error: HTTPException) -> Response:
    """Answer an error of the protocol."""
    status = error.code or 500
    response = problem(status, _CODES.get(status, "internal_error"), error.description or "")
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response
