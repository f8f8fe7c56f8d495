"""`/api/openapi`: the document, written from the declarations."""

from functools import cache
from typing import Any

import msgspec
from flask import Blueprint, Response

from app.api import spec as openapi
from app.api.operations import JSON
from app.api.v1.base import API
from app.extensions import runtime

VERSION = "1.0.0"


def spec(server: str = "http://127.0.0.1:8000") -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every dialect."""
    return openapi.document([API], title="BuffMoney API", version=VERSION, server=server)


def document() -> Blueprint:
    """Return the door that serves the document, to everybody."""
    door = Blueprint("openapi", __name__)
    door.add_url_rule("/api/openapi", "openapi", _serve)
    return door


def _serve() -> Response:
    response = Response(_encoded(runtime().settings.base_url), content_type=JSON)
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


@cache
def _encoded(server: str) -> bytes:
    return msgspec.json.encode(spec(server))
