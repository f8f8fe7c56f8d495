"""The payer's addresses. Whoever has the link may see and pay; any other text is a 404."""

from dataclasses import dataclass
from functools import partial

import structlog
from flask import Blueprint, Response, abort, redirect, render_template, request, session, url_for
from jinja2_fragments.flask import render_block
from werkzeug.wrappers import Response as Redirect

from app.channels.base import Channel, ChannelName, ChannelRefused, ChannelUnavailable
from app.checkout import fapiao, visits
from app.checkout.drawing import CHANNELS, page_context
from app.checkout.state import View, look
from app.core import clock
from app.core.errors import Conflict
from app.extensions import ChannelNotConfigured, bound, runtime, transaction
from app.identity.models import Mode
from app.payments import healing, queries
from app.payments.opening import METHODS, Choice, open_payment

_TEMPLATE = "checkout/pay.html"
_LANGUAGES = {"en": "en", "zh": visits.CHINESE}
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the link is in the path
    "X-Robots-Tag": "noindex",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visit:
    """A proved link, and the channel the payer looks at, if he chose one."""

    token: str
    merchant_id: int
    mode: Mode
    invoice_id: int
    channel: ChannelName | None


def blueprint() -> Blueprint:
    door = Blueprint("checkout", __name__, url_prefix="/pay")
    door.before_request(_keep_language)
    door.after_request(_seal)
    door.add_url_rule("/<token>", "show", show)
    door.add_url_rule("/<token>/channel", "choose", choose, methods=["POST"])
    door.add_url_rule("/<token>/status", "status", status)
    door.add_url_rule("/<token>/fapiao", "fapiao", fapiao.show)
    door.add_url_rule("/<token>/fapiao", "ask_for_fapiao", fapiao.submit, methods=["POST"])
    door.add_url_rule(
        "/<token>/fapiao/withdraw", "withdraw_fapiao", fapiao.withdraw, methods=["POST"]
    )
    door.add_url_rule("/<token>/fapiao/<part>", "fapiao_file", fapiao.download)
    return door


def show(token: str) -> str:
    """Show the invoice, and the code of the channel that was chosen."""
    visit = _visit(token, request.args.get("channel", ""))
    if visit.channel is None:  # who chose a channel comes back to the same look
        visits.note_view(visit.merchant_id, visit.invoice_id)
    view = _look(visit)
    with visits.speaking():
        return render_template(_TEMPLATE, **page_context(view, visit.token, visit.channel))


def choose(token: str) -> Redirect:
    """Open a payment at the chosen channel, or find the open one. The page shows what came."""
    visit = _visit(token, request.form.get("channel", ""))
    if visit.channel is None:
        abort(404)
    notify_url = runtime().settings.base_url + url_for(f"callbacks.{visit.channel}")
    try:
        open_payment(
            bound(visit.merchant_id),
            partial(_gateway, visit),
            visit.invoice_id,
            choice=Choice(visit.channel, METHODS[visit.channel][0]),
            notify_url=notify_url,
            now=clock.now(),
        )
    except (Conflict, ChannelUnavailable) as refusal:
        log.warning("payment not opened", code=refusal.code, reason=str(refusal))
    return redirect(url_for("checkout.show", token=token, channel=visit.channel), 303)


def status(token: str) -> Response:
    """Answer the page's question whether something has changed: its content anew, or 204."""
    visit = _visit(token, request.args.get("channel", ""))
    view = _look(visit)
    if _watch(visit, view):
        view = _look(visit)
    if view.seen == request.args.get("seen"):
        return Response(status=204)
    with visits.speaking():
        context = page_context(view, visit.token, visit.channel)
        return Response(render_block(_TEMPLATE, "content", **context))


def _visit(token: str, channel: str) -> Visit:
    """Prove the link and read the channel's name; whatever is wrong with them is the same 404."""
    if channel and channel not in CHANNELS:
        abort(404)
    link = visits.prove(token)
    chosen = ChannelName(channel) if channel else None
    return Visit(token, link.merchant_id, link.mode, link.invoice_id, chosen)


def _look(visit: Visit) -> View:
    with transaction(visit.merchant_id) as database:
        return look(database, visit.invoice_id, visit.channel, now=clock.now())


def _watch(visit: Visit, view: View) -> bool:
    """Ask the channel about the order the payer waits for; say whether it had news."""
    if view.order is None or view.order.status not in queries.OPEN:
        return False
    channel = _gateway(visit, view.order.channel)
    try:
        found = healing.watch(bound(visit.merchant_id), channel, view.order.id, now=clock.now())
    except (ChannelUnavailable, ChannelRefused) as refusal:
        log.warning("payment not watched", code=refusal.code, reason=str(refusal))
        return False
    return found in {healing.Found.CAPTURED, healing.Found.CLOSED}


def _gateway(visit: Visit, channel: ChannelName) -> Channel:
    try:
        return runtime().channel(channel, visit.mode)
    except ChannelNotConfigured:
        abort(503)


def _keep_language() -> None:
    chosen = _LANGUAGES.get(request.args.get("lang", ""))
    if chosen:
        session["language"] = chosen


def _seal(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response
