"""Refusals as pages: the four kinds become HTTP here, and every error shows the request's id."""

from http import HTTPStatus

from flask import Response, make_response, render_template
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from app.core.errors import Conflict, Invalid, NotFound, Refusal, Unavailable

_STATUS: list[tuple[type[Refusal], int]] = [
    (Invalid, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
]
_SERVER_FAULT = 500


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal; one of no known kind is the caller's fault."""
    return next((status for kind, status in _STATUS if isinstance(refusal, kind)), 400)


def answer_refusal(refusal: Refusal) -> Response:
    """Answer a refusal that the view let through."""
    return _answer(status_of(refusal), str(refusal))


def answer_http_error(error: HTTPException) -> Response:
    """Answer an error of the protocol: no such page, wrong method, too large."""
    status = error.code or _SERVER_FAULT
    response = _answer(status, "")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        response.headers["Retry-After"] = "60"  # every limit of this door counts minutes
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _answer(status: int, detail: str) -> Response:
    titles = {
        400: _("That request can not be read"),
        401: _("Please sign in again"),
        403: _("You may not do that"),
        404: _("There is nothing here"),
        405: _("That can not be done here"),
        409: _("That is not possible now"),
        413: _("That is too large"),
        422: _("Something in it is wrong"),
        429: _("Too many requests; please wait a moment"),
        503: _("Not available right now"),
    }
    title = titles.get(status, _("Something went wrong on our side"))
    return make_response(
        render_template("public/error.html", status=status, title=title, detail=detail), status
    )
