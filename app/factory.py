"""Make one process's application: settings, extensions, doors, and what every answer carries."""

import gc
import logging
import re
import secrets
from datetime import timedelta
from typing import Literal

import structlog
from flask import Flask, Response, g, request
from jinja2 import StrictUndefined
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from app import api, callbacks, checkout, cli, extensions, web
from app.config import ROOT, BadSetting, Settings
from app.core import clock

Login = Literal["app", "worker"]

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_MAX_BODY = 2 * 1024 * 1024
_MAX_FORM_PARTS = 1000
_COLLECT_AFTER = 50_000
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_QUIET = frozenset({"static", "web.healthz", "web.readyz", "web.metrics"})


def create_app(settings: Settings | None = None, *, login: Login = "app") -> Flask:
    """Return the application of one process, connected as the login it may use.

    Raises BadSetting when the environment is wrong.
    """
    settings = settings or Settings.from_environ()
    app = Flask(
        "app",
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
        instance_path=str(settings.instance_dir.resolve()),
    )
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.config.update(
        SECRET_KEY=settings.signing_key,
        MAX_CONTENT_LENGTH=_MAX_BODY,
        MAX_FORM_PARTS=_MAX_FORM_PARTS,
        SESSION_COOKIE_NAME="__Host-bm_session" if settings.is_https else "bm_session",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(hours=1),
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        BABEL_TRANSLATION_DIRECTORIES=str(ROOT / "app" / "translations"),
        RATELIMIT_STORAGE_URI=settings.redis_url.replace("unix://", "redis+unix://"),
        RATELIMIT_STORAGE_OPTIONS={"retry": Retry(NoBackoff(), 1)},  # nobody waits for a cache
        RATELIMIT_STRATEGY="moving-window",
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_HEADERS_ENABLED=False,
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    _log_as_json()
    app.before_request(_begin)  # before what others add: also a refused request has an id
    extensions.init(app, settings, database_url=_own_login(settings, login))
    for door in (web, api, checkout, callbacks, cli):
        door.register(app)
    app.after_request(_end)
    app.register_error_handler(HTTPException, _answer_http_error)
    return app


def spare_the_collector() -> None:
    """Keep the garbage collector off what lives as long as the process; call it once, when made.

    Requests make thousands of objects and hardly a cycle. Looking for cycles after every 700 of
    them, through all that was imported, was a quarter of the time of ingestion.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def _own_login(settings: Settings, login: Login) -> str:
    """Return the URL this process may connect with; never the owner's."""
    name = "WORKER_DATABASE_URL" if login == "worker" else "APP_DATABASE_URL"
    url = str(getattr(settings, name.lower()))
    if not url:
        raise BadSetting(f"nothing runs on {settings.instance_dir}: start it, or set {name}")
    return url


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    g.started = clock.monotonic()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = g.request_id
    seconds = clock.monotonic() - g.started
    web.health.observe(request.endpoint, request.method, status=response.status_code, s=seconds)
    if request.endpoint not in _QUIET:
        structlog.get_logger().info(
            "request",
            method=request.method,
            # The rule, not the path: a checkout link in a log would be the link itself.
            route=str(request.url_rule) if request.url_rule else "-",
            status=response.status_code,
            ms=round(seconds * 1000, 1),
        )
    return response


def _answer_http_error(error: HTTPException) -> Response:
    """Answer what no view raised, an unknown path above all, in the form of its door."""
    if request.path.startswith("/api/"):
        return api.problems.answer_http_error(error)
    return web.errors.answer_http_error(error)


def _log_as_json() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes whole URLs, signatures too
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        cache_logger_on_first_use=True,
    )
