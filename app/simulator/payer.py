"""The payer's phone: what he sees after scanning a code or following a link, and his buttons.

He comes by a QR code, from a mobile browser (H5, `back` is where he goes on), out of WeChat's own
browser (JSAPI, `bridge` says that a page waits for the outcome), or from Alipay's cashier.
"""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as Redirect

from app.simulator import alipay_wire, clock, orders, paying, wechat_wire
from app.simulator.orders import Channel, Order, Product, State
from app.simulator.pages import page
from app.simulator.parts import parts
from app.simulator.same_origin import require_same_origin

blueprint = Blueprint("payer", __name__)

OUTCOMES = frozenset({"failed", "left", "late"})
RETURNS_AFTER = 3  # seconds
RETURNS_AS = {Product.PAGE: "alipay.trade.page.pay", Product.WAP: "alipay.trade.wap.pay"}
BRIDGE_SAYS = {"left": "cancel", "failed": "fail", "late": "fail"}


@dataclass(frozen=True, slots=True)
class Way:
    """How the payer came, and so how he leaves."""

    back: str
    bridge: bool

    @classmethod
    def read(cls) -> "Way":
        back = request.values.get("back", "")
        return cls(back if _is_web_address(back) else "", request.values.get("bridge") == "1")

    @property
    def params(self) -> dict[str, str]:
        said = {"back": self.back, "bridge": "1" if self.bridge else ""}
        return {name: value for name, value in said.items() if value}


@blueprint.after_request
def stay_opened(response: Response) -> Response:
    """Let the page that waits stay our opener, on every step: it is of another origin."""
    if Way.read().bridge:
        response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    return response


@blueprint.get("/pay")
def show() -> Response:
    """Scan the code `qr`. Without one the page asks for it, as a camera would."""
    code, now = request.args.get("qr", "").strip(), parts().now()
    with parts().book.transaction() as db:
        order = orders.find_by_code(db, code)
        if order is not None and order.is_payable(now):
            order = orders.scan(db, order, now=now)
    if order is None:
        return page("unknown.html", status=404 if code else 200, code=code)
    outcome = request.args.get("outcome", "")
    return _draw(order, outcome if outcome in OUTCOMES else "", Way.read())


@blueprint.post("/pay")
def press() -> Redirect | Response:
    """Pay, fail or leave, and show what came of it."""
    require_same_origin()
    code, button, now = request.form.get("qr", ""), request.form.get("button", ""), parts().now()
    outcome = {"fail": "failed", "leave": "left"}.get(button, "")
    try:
        with parts().book.transaction() as db:
            order = orders.find_by_code(db, code)
            if order is None:
                return page("unknown.html", status=404, code=code)
            if button == "pay":
                plan = orders.armed(order)
                paid = paying.pay(db, order, parts().identity, plan=plan, now=now)
                outcome = "" if paid.state is State.PAID else "failed"
            elif button == "fail":
                orders.fail(db, order, now=now)
    except orders.NotPayable:
        outcome = "late"
    parts().due.set()
    way = Way.read()
    params = {"qr": code, "outcome": outcome, **way.params}
    return redirect(f"/pay?{urlencode(params)}", code=303)


@blueprint.get("/cgi-bin/mmpayweb-bin/checkmweb")
def open_h5() -> Redirect | Response:
    """Open an `h5_url`, to which the merchant has put where the payer comes back to.

    As WeChat Pay's own it asks by the Referer which site the payer comes from; nobody is not let
    in, but any site is: domains are not registered here.
    """
    if not _is_web_address(request.headers.get("Referer", "")):
        return page("unknown.html", status=400, code="", wrong="no_referer")
    code, back = request.args.get("prepay_id", ""), request.args.get("redirect_url", "")
    return redirect(url_for(".show", qr=code, back=back or None), code=302)


@blueprint.get("/wechat/jsapi")
def open_jsapi() -> Redirect | Response:
    """Open what `getBrandWCPayRequest` opens inside WeChat; without parameters, show how."""
    params = {name: request.args.get(name, "") for name in wechat_wire.INVOCATION}
    if not any(params.values()):
        return page("jsapi.html", base_url=parts().settings.base_url)
    code = params["package"].removeprefix("prepay_id=")
    with parts().book.reading() as db:
        order = orders.find_by_code(db, code)
    is_ours = wechat_wire.is_invocation(params, parts().identity.wechat)
    if order is None or order.product is not Product.JSAPI or not is_ours:
        return page("unknown.html", status=400, code=code, wrong="forged")
    bridge = request.args.get("bridge") or None
    back = request.args.get("redirect_url") or None
    return redirect(url_for(".show", qr=code, back=back, bridge=bridge), code=302)


def _draw(order: Order, outcome: str, way: Way) -> Response:
    screen = _screen(order, outcome)
    back = _back(order, way)
    is_over = screen in {"paid", "left"}
    says = BRIDGE_SAYS.get(outcome, "ok" if screen == "paid" else "")
    answer = page(
        "pay.html",
        order=order,
        screen=screen,
        outcome=outcome,
        way=way,
        back=back if is_over or order.channel is Channel.WECHAT else "",
        says=says if way.bridge else "",
    )
    if back and is_over:
        # A header and no script, so that it needs neither; the page has the same as a link.
        answer.headers["Refresh"] = f"{RETURNS_AFTER}; url={back}"
    return answer


def _back(order: Order, way: Way) -> str:
    """Return where the payer goes on: at Alipay with what it says by him, once he paid."""
    if order.product not in RETURNS_AS:
        return way.back
    if not _is_web_address(order.return_url) or order.state is not State.PAID:
        return ""
    method = RETURNS_AS[order.product]
    return alipay_wire.return_url(order, method, parts().identity.alipay, now=clock.now())


def _screen(order: Order, outcome: str) -> str:
    now = parts().now()
    state = order.state_at(now)
    if state is not State.OPEN:
        return state
    if not order.is_payable(now):
        return "expired"
    return "left" if outcome == "left" else "open"


def _is_web_address(address: str) -> bool:
    try:
        url = urlsplit(address)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.hostname) and address.isprintable()
