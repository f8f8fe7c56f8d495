"""What every page is made with: the whole or only its fragment, and what templates see."""

from typing import Any

from flask import Flask, Response, g, make_response, render_template, request, session
from flask_babel import get_locale, gettext
from flask_login import current_user
from jinja2_fragments.flask import render_block

from app.extensions import babel
from app.web import access

LANGUAGES = {"en": "en", "zh": "zh_Hans_CN"}


def page(template: str, *, fragment: str = "", status: int = 200, **context: Any) -> Response:
    """Render `template`, or only its block `fragment` when htmx will swap a part of the page."""
    if fragment and is_partial():
        body = render_block(template, fragment, **context)
    else:
        body = render_template(template, **context)
    response = make_response(body, status)
    response.vary.add("HX-Request-Type")  # caches must not mix the two
    if current_user.is_authenticated:
        response.headers["Cache-Control"] = "no-store"
    return response


def is_partial() -> bool:
    """Tell whether htmx will swap a part of the page: what stands around it is not drawn."""
    return request.headers.get("HX-Request-Type") == "partial"


def register(app: Flask) -> None:
    babel.init_app(
        app,
        locale_selector=choose_language,
        timezone_selector=_choose_time_zone,
        default_timezone="Asia/Shanghai",
    )
    app.context_processor(_context)
    app.jinja_env.add_extension("jinja2.ext.do")
    with app.app_context():
        app.jinja_env.globals["ui"] = app.jinja_env.get_template("components/ui.html").module


def choose_language() -> str:
    """Return the catalogue of this browser: what it chose here, else what it asks for."""
    chosen = session.get("language")
    if chosen in LANGUAGES.values():
        return str(chosen)
    best = request.accept_languages.best_match(["en", "zh-CN", "zh-Hans", "zh"], "en")
    return LANGUAGES["zh" if best and best.startswith("zh") else "en"]


def _choose_time_zone() -> str | None:
    """Return the zone of the request's merchant, or None for the default."""
    merchant = g.get("merchant")
    return str(merchant.time_zone) if merchant else None


def _context() -> dict[str, Any]:
    merchant = g.get("merchant")
    return {
        "locale": str(get_locale()),
        "merchant": merchant,
        "user": current_user,
        "clock": access.now() if merchant else None,
        "request_id": g.get("request_id", ""),
        "_": gettext,
    }
