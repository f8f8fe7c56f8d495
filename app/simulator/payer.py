"""The payer's phone: what he sees after scanning a code, and his three buttons."""

import json
from pathlib import Path

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from app.simulator import clock, orders, paying
from app.simulator.orders import Order
from app.simulator.parts import parts
from app.simulator.same_origin import require_same_origin

blueprint = Blueprint("payer", __name__)

WORDS: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "words.json").read_text(encoding="utf-8")
)
OUTCOMES = frozenset({"failed", "left", "late"})


@blueprint.get("/pay")
def show() -> Response:
    """Scan the code `qr`. Without one the page asks for it, as a camera would."""
    code, now = request.args.get("qr", "").strip(), clock.now()
    with parts().book.transaction() as db:
        order = orders.find_by_code(db, code)
        if order is not None and order.is_payable(now):
            order = orders.scan(db, order, now=now)
    if order is None:
        return _page("unknown.html", status=404 if code else 200, code=code)
    outcome = request.args.get("outcome", "")
    known = outcome if outcome in OUTCOMES else ""
    return _page("pay.html", order=order, screen=_screen(order, known), outcome=known)


@blueprint.post("/pay")
def press() -> Redirect | Response:
    """Pay, fail or leave, and show what came of it."""
    require_same_origin()
    code, button, now = request.form.get("qr", ""), request.form.get("button", ""), clock.now()
    outcome = {"fail": "failed", "leave": "left"}.get(button, "")
    try:
        with parts().book.transaction() as db:
            order = orders.find_by_code(db, code)
            if order is None:
                return _page("unknown.html", status=404, code=code)
            if button == "pay":
                paying.pay(db, order, parts().identity, plan=orders.armed(order), now=now)
            elif button == "fail":
                orders.fail(db, order, now=now)
    except orders.NotPayable:
        outcome = "late"
    parts().due.set()
    return redirect(url_for(".show", qr=code, outcome=outcome or None), code=303)


def _screen(order: Order, outcome: str) -> str:
    state = order.state_at(clock.now())
    if state is not orders.State.OPEN:
        return state
    if not order.is_payable(clock.now()):
        return "expired"
    return "left" if outcome == "left" else "open"


def _page(template: str, *, status: int = 200, **context: object) -> Response:
    language = request.accept_languages.best_match(("zh", "en"), default="zh")
    content = render_template(template, words=WORDS[language], language=language, **context)
    response = Response(content, status=status, mimetype="text/html")
    response.vary.add("Accept-Language")
    return response
