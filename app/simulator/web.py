"""The simulator's web application: its doors and what is common to them."""

from flask import Flask, Response

from app.simulator import (
    alipay,
    alipay_bills,
    control,
    desk,
    login,
    payer,
    wechat,
    wechat_bills,
    wechat_refunds,
)
from app.simulator.alipay_wire import to_yuan
from app.simulator.parts import Parts

LARGEST_BODY = 1024 * 1024  # bytes
DOORS = (wechat, wechat_refunds, wechat_bills, alipay, alipay_bills, payer, login, desk, control)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    # Not "no-referrer": under it browsers send forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_app(parts: Parts | None = None) -> Flask:
    """Make the application; its parts may come later, before the first request."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.extensions["simulator"] = parts
    app.jinja_env.filters["yuan"] = to_yuan
    app.jinja_env.filters["china"] = desk.china
    for door in DOORS:
        app.register_blueprint(door.blueprint)
    app.add_url_rule("/healthz", view_func=healthz)
    app.after_request(add_headers)
    return app


def healthz() -> Response:
    return Response("ok\n", mimetype="text/plain")


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
