"""What every page is made with: the whole or only its fragment, and what templates see."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from flask import Flask, Response, g, make_response, render_template, request, session
from flask_babel import force_locale, get_locale, get_translations
from flask_login import current_user
from jinja2_fragments.flask import render_block

from app.core.language import Language
from app.extensions import babel
from app.web import access, addresses, amounts, invoice_rows, moments, refund_words

LANGUAGES = {"en": "en", "zh": "zh_Hans_CN"}
LANGUAGE_NAMES = {Language.ZH_HANS_CN: "中文", Language.EN: "English"}
"""What each language calls itself, shortly."""

_DRAWN = 1024
"""How many drawings of a widget are kept."""


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
        timezone_selector=moments.zone_name,
        default_timezone=moments.DEFAULT_ZONE,
    )
    app.jinja_env.add_extension("jinja2.ext.do")
    app.jinja_env.globals["url_for"] = addresses.url_for
    app.jinja_env.filters["dateformat"] = moments.format_date
    app.jinja_env.filters["datetimeformat"] = moments.format_datetime
    app.jinja_env.filters["grouped"] = amounts.grouped
    app.jinja_env.filters["invoice_status"] = invoice_rows.shown_status
    app.jinja_env.filters["refund_status"] = refund_words.shown_status
    with app.app_context():
        speaking = {language: _speak(app, language) for language in LANGUAGES.values()}
    app.context_processor(partial(_context, speaking))


def choose_language() -> str:
    """Return the catalogue of this browser: what it chose here, else what it asks for."""
    chosen = session.get("language")
    if chosen in LANGUAGES.values():
        return str(chosen)
    best = request.accept_languages.best_match(["en", "zh-CN", "zh-Hans", "zh"], "en")
    return LANGUAGES["zh" if best and best.startswith("zh") else "en"]


def _speak(app: Flask, language: str) -> dict[str, Any]:
    """Return the `_` of a language, and the widgets that speak it.

    Made once: to look up request, language and catalogue for every text took a third of the time
    of drawing a page, which has 600 of them.
    """
    with force_locale(language):
        translate = get_translations().ugettext

    def gettext(text: str, **variables: Any) -> str:
        return str(translate(text) % variables if variables else translate(text))

    widgets = app.jinja_env.get_template("components/ui.html")
    made_of = {"_": gettext, "once": _once, "time_widget": moments.time_widget}
    return {"_": gettext, "ui": widgets.make_module({"language": language, **made_of})}


def _once(widget: Callable[..., str]) -> Callable[..., str]:
    """Return the widget, drawn once for all that ask with the same arguments of the same types.

    Of the same types: a text that is already HTML is equal to one that has yet to be escaped.
    """
    return lru_cache(maxsize=_DRAWN, typed=True)(widget)


def _context(speaking: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    merchant = g.get("merchant")
    locale = str(get_locale())
    return {
        "locale": locale,
        "merchant": merchant,
        "user": current_user,
        "clock": access.now() if merchant else None,
        "request_id": g.get("request_id", ""),
        **speaking[locale],
    }
