"""How the process is: alive, ready, and measured."""

import ctypes.util
import os

import redis
from flask import Response, abort, current_app, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.crypto import same
from app.extensions import reading, runtime

REQUESTS = Counter("http_requests_total", "Requests answered", ["endpoint", "method", "status"])
SECONDS = Histogram("http_request_seconds", "Time to the answer", ["endpoint"])
_LOOPBACK = {"127.0.0.1", "::1"}


def observe(endpoint: str | None, method: str, *, status: int, s: float) -> None:
    """Count one answered request."""
    REQUESTS.labels(endpoint or "-", method, status).inc()
    SECONDS.labels(endpoint or "-").observe(s)


def healthz() -> Response:
    """Say that this process answers."""
    return Response("ok\n", mimetype="text/plain")


def readyz() -> tuple[dict[str, str], int]:
    """Say whether what the product needs is there; 503 when it can not serve."""
    checks = {"database": _database(), "queue": _queue(), "pdf": _pango()}
    # Without Pango everything but the PDF works: that is said, and is no reason to be taken out.
    ready = checks["database"] == "ok" and checks["queue"] == "ok"
    return {"status": "ok" if ready else "unavailable", **checks}, 200 if ready else 503


def metrics() -> Response:
    """Answer Prometheus, on loopback or with the token of `METRICS_TOKEN`."""
    token = runtime().settings.metrics_token
    given = request.headers.get("Authorization", "")
    if token:
        if not same(given.encode(), f"Bearer {token}".encode()):
            abort(404)
    elif request.remote_addr not in _LOOPBACK:
        abort(404)
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # has no types
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _database() -> str:
    try:
        with reading() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        current_app.logger.exception("the database does not answer")
        return "does not answer"
    return "ok"


def _queue() -> str:
    try:
        runtime().redis.ping()
    except redis.RedisError:
        current_app.logger.exception("the queue does not answer")
        return "does not answer"
    return "ok"


def _pango() -> str:
    return "ok" if ctypes.util.find_library("pangoft2-1.0") else "Pango is missing"
