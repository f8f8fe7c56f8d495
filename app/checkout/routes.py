"""The payer's addresses. Whoever has the link may see and pay; any other text is a 404."""

from dataclasses import dataclass
from functools import partial

import structlog
from flask import Blueprint, Response, abort, redirect, render_template, request, session, url_for
from jinja2_fragments.flask import render_block
from werkzeug.wrappers import Response as Redirect

from app.channels.base import (
    Channel,
    ChannelName,
    ChannelRefused,
    ChannelUnavailable,
    Method,
)
from app.checkout import asking, fapiao, payer, visits
from app.checkout.asking import Answer, Said
from app.checkout.drawing import page_context
from app.checkout.state import View, Way, look
from app.checkout.visits import Link
from app.core import clock
from app.core.errors import Conflict, NotFound
from app.core.language import Language
from app.documents import store
from app.documents.models import DocumentKind
from app.extensions import ChannelNotConfigured, bound, runtime, transaction
from app.payments import healing, queries
from app.payments.opening import Choice, open_payment

_TEMPLATE = "checkout/pay.html"
_LANGUAGES = {"en": "en", "zh": visits.CHINESE}
_DOCUMENTS = {"receipt": DocumentKind.RECEIPT_PDF, "invoice": DocumentKind.INVOICE_PDF}
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the link is in the path
    "X-Robots-Tag": "noindex",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visit:
    """A proved link, and the way to pay that its holder looks at, if he chose one."""

    link: Link
    way: Way | None


def blueprint() -> Blueprint:
    door = Blueprint("checkout", __name__, url_prefix="/pay")
    door.before_request(_keep_language)
    door.after_request(_seal)
    door.add_url_rule("/<token>", "show", show)
    door.add_url_rule("/<token>/way", "choose", choose, methods=["POST"])
    door.add_url_rule("/<token>/paid", "say_paid", say_paid, methods=["POST"])
    door.add_url_rule("/<token>/status", "status", status)
    door.add_url_rule("/<token>/documents/<name>", "document", document)
    door.add_url_rule("/<token>/wechat", "enter_wechat", enter_wechat)
    door.add_url_rule("/<token>/wechat/openid", "take_openid", take_openid)
    door.add_url_rule("/<token>/fapiao", "fapiao", fapiao.show)
    door.add_url_rule("/<token>/fapiao", "ask_for_fapiao", fapiao.submit, methods=["POST"])
    door.add_url_rule(
        "/<token>/fapiao/withdraw", "withdraw_fapiao", fapiao.withdraw, methods=["POST"]
    )
    door.add_url_rule("/<token>/fapiao/<part>", "fapiao_file", fapiao.download)
    return door


def show(token: str) -> Response:
    """Show the invoice, and what the chosen way to pay handed out.

    Who comes back from a channel sees what it says, not what the address says: it is asked.
    """
    visit = _visit(token, request.args.get("way", ""))
    if visit.way is None:  # who chose a way comes back to the same look
        visits.note_view(visit.link.merchant_id, visit.link.invoice_id)
    return _page(visit, _watched(visit))


def choose(token: str) -> Response | Redirect:
    """Open a payment in the chosen way, or find the open one. The page shows what came."""
    visit = _visit(token, request.form.get("way", ""))
    if visit.way is None or visit.way.method is Method.JSAPI:
        abort(404)
    _open(visit)
    if _is_partial():
        return _page(visit, _look(visit), is_fresh=True)
    return redirect(url_for("checkout.show", token=token, way=visit.way), 303)


def say_paid(token: str) -> Response:
    """Ask the channels at once, for somebody says that he has paid; say what they answer."""
    visit = _visit(token, request.form.get("way", ""))
    said = Said(Answer.TOO_OFTEN, clock.now())
    if asking.may_ask(visit.link):
        channel_of = partial(_gateway, visit)
        transactions = bound(visit.link.merchant_id)
        said = asking.ask(transactions, channel_of, visit.link.invoice_id, now=said.at)
    return _page(visit, _look(visit), said=said)


def status(token: str) -> Response:
    """Answer the page's question whether something has changed: its content anew, or 204."""
    visit = _visit(token, request.args.get("way", ""))
    view = _watched(visit)
    if view.seen == request.args.get("seen"):
        return Response(status=204)
    with visits.speaking():
        context = page_context(view, token, visit.way)
        return Response(render_block(_TEMPLATE, "content", **context))


def document(token: str, name: str) -> Response:
    """Hand out the invoice or the receipt as PDF, in the language that is spoken."""
    link = visits.prove(token)
    if name not in _DOCUMENTS:
        abort(404)
    with visits.speaking():
        language = Language(visits.spoken())
    with transaction(link.merchant_id) as database:
        view = look(database, link.invoice_id, None, now=clock.now())
        found = store.find_document(
            database, kind=_DOCUMENTS[name], subject_id=link.invoice_id, language=language
        )
    if found is None or found.kind not in view.documents:
        abort(404)
    try:
        content = store.read_document(runtime().storage, found)
    except NotFound:
        abort(404)
    response = Response(content, mimetype="application/pdf")
    file_name = f"{view.invoice.number}-{name}.pdf"
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return response


def enter_wechat(token: str) -> Redirect:
    """Send WeChat's browser to where it says who its user is; it comes back at once."""
    link = visits.prove(token)
    state, session[payer.NONCE] = payer.new_state(runtime().pepper, token, now=clock.now())
    back = runtime().settings.base_url + url_for("checkout.take_openid", token=token)
    try:
        login = runtime().wechat_login(link.mode)
    except ChannelNotConfigured:
        abort(503)
    return redirect(login.authorize_url(back, state=state), 302)


def take_openid(token: str) -> Redirect:
    """Open a payment for the user WeChat names, if it was this browser that was sent there."""
    visit = Visit(visits.prove(token), Way(ChannelName.WECHAT, Method.JSAPI))
    state, nonce = request.args.get("state", ""), session.pop(payer.NONCE, "")
    if not payer.is_state(runtime().pepper, token, state, nonce=nonce, now=clock.now()):
        return redirect(url_for("checkout.show", token=token), 302)
    try:
        login = runtime().wechat_login(visit.link.mode)
        openid = login.fetch_openid(request.args.get("code", ""))
    except (ChannelUnavailable, ChannelRefused) as refusal:
        log.warning("payer not known to wechat", code=refusal.code, reason=str(refusal))
    else:
        _open(visit, openid=openid)
    shown = url_for("checkout.show", token=token, way=visit.way, _anchor="pay")
    return redirect(shown, 302)


def _open(visit: Visit, *, openid: str = "") -> None:
    """Open a payment; why one was not opened is what the page shows next."""
    way = visit.way
    if way is None:
        raise ValueError("a payment is opened in a way that was chosen")
    choice = Choice(way.channel, way.method, payer_ip=request.remote_addr or "", openid=openid)
    try:
        open_payment(
            bound(visit.link.merchant_id),
            partial(_gateway, visit),
            visit.link.invoice_id,
            choice=choice,
            base_url=runtime().settings.base_url,
            now=clock.now(),
        )
    except (Conflict, ChannelUnavailable) as refusal:
        log.warning("payment not opened", code=refusal.code, reason=str(refusal))


def _visit(token: str, way: str) -> Visit:
    """Prove the link and read the way; whatever is wrong with them is the same 404."""
    chosen = Way.read(way) if way else None
    if way and chosen is None:
        abort(404)
    return Visit(visits.prove(token), chosen)


def _look(visit: Visit) -> View:
    with transaction(visit.link.merchant_id) as database:
        return look(database, visit.link.invoice_id, visit.way, now=clock.now())


def _watched(visit: Visit) -> View:
    """Look, and once more if the channel of the order the payer waits for had news."""
    view = _look(visit)
    if view.order is None or view.order.status not in queries.OPEN:
        return view
    channel = _gateway(visit, view.order.channel)
    transactions = bound(visit.link.merchant_id)
    try:
        found = healing.watch(transactions, channel, view.order.id, now=clock.now())
    except (ChannelUnavailable, ChannelRefused) as refusal:
        log.warning("payment not watched", code=refusal.code, reason=str(refusal))
        return view
    return _look(visit) if found in {healing.Found.CAPTURED, healing.Found.CLOSED} else view


def _page(
    visit: Visit, view: View, *, said: Said | None = None, is_fresh: bool = False
) -> Response:
    """Draw the page, or its content for a page that is there."""
    with visits.speaking():
        context = page_context(view, visit.link.token, visit.way, said=said, is_fresh=is_fresh)
        if _is_partial():
            response = Response(render_block(_TEMPLATE, "content", **context))
        else:
            response = Response(render_template(_TEMPLATE, **context))
    response.vary.add("HX-Request-Type")
    return response


def _is_partial() -> bool:
    return request.headers.get("HX-Request-Type") == "partial"


def _gateway(visit: Visit, channel: ChannelName) -> Channel:
    try:
        return runtime().channel(channel, visit.link.mode)
    except ChannelNotConfigured:
        abort(503)


def _keep_language() -> None:
    chosen = _LANGUAGES.get(request.args.get("lang", ""))
    if chosen:
        session["language"] = chosen


def _seal(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
