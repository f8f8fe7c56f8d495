"""The channels' addresses, and the answers each of them understands.

Any answer but a success makes the channel call again; a success is said after the commit only.
"""

import structlog
from flask import Blueprint, Response, jsonify, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import UnsupportedMediaType

from app.callbacks import receiving
from app.callbacks.receiving import UnknownOrder
from app.channels.base import BadNotice, ChannelName
from app.core import clock
from app.payments.addresses import CALLBACKS

MAX_BODY = 1024 * 1024

log = structlog.get_logger()


def blueprint() -> Blueprint:
    door = Blueprint("callbacks", __name__, url_prefix=CALLBACKS)
    door.before_request(_guard)
    door.add_url_rule("/wechat", "wechat", wechat, methods=["POST"])
    door.add_url_rule("/alipay", "alipay", alipay, methods=["POST"])
    return door


def wechat() -> Response:
    """Answer 204 once the books are committed; else why not, in WeChat Pay's words."""
    status, reason = _receive(ChannelName.WECHAT, refused=401)
    if status < 400:  # noqa: PLR2004  # HTTP's own border
        return Response(status=204)
    response = jsonify(code="FAIL", message=reason)
    response.status_code = status
    return response


def alipay() -> Response:
    """Answer `success`, and nothing else, once the books are committed; else `failure`."""
    status, _ = _receive(ChannelName.ALIPAY, refused=400)
    word = "success" if status < 400 else "failure"  # noqa: PLR2004  # HTTP's own border
    return Response(word, status, mimetype="text/plain")


def _guard() -> None:
    request.max_content_length = MAX_BODY
    if request.content_encoding:
        raise UnsupportedMediaType("channels send their bodies as they are")


def _receive(channel: ChannelName, *, refused: int) -> tuple[int, str]:
    """Return the status to answer and, in our words, why."""
    headers, body = dict(request.headers), request.get_data(cache=False)
    try:
        receiving.receive(channel, headers, body, now=clock.now())
    except BadNotice as refusal:
        log.warning("callback refused", channel=channel, reason=str(refusal))
        return refused, "the call can not be verified"
    except UnknownOrder as refusal:
        log.warning("callback without order", channel=channel, reason=str(refusal))
        return 404, "there is no such order"
    except SQLAlchemyError:
        log.exception("callback not booked", channel=channel)
        return 503, "please call again"
    return 200, ""
