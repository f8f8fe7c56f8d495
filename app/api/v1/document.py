"""`/api/openapi`: the document, written from the declarations."""

from typing import Any

from flask import Blueprint

from app.api import spec as openapi
from app.api.v1.base import API

VERSION = "1.0.0"


def spec(server: str = "http://127.0.0.1:8000") -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every dialect."""
    return openapi.document([API], title="BuffMoney API", version=VERSION, server=server)


def document() -> Blueprint:
    """Return the door that serves the document."""
    door = Blueprint("openapi", __name__)
    door.add_url_rule("/api/openapi", "openapi", lambda: spec(), methods=["GET"])  # noqa: PLW0108  # the view takes no server
    return door
