"""For how long payments can be refunded: set by form."""

from flask import flash, g, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Invalid, Refusal
from app.extensions import transaction
from app.identity import clocks, merchants
from app.identity.merchants import MAX_REFUND_WINDOW_DAYS
from app.web import access
from app.web.forms import Form, blank, typed
from app.web.page import page


def show_refund_settings() -> Response:
    return _show()


def save_refund_settings() -> Response:
    form = typed(window_days="")
    try:
        with transaction(g.merchant_id) as session:
            days, by = _days(form), access.actor()
            merchants.set_refund_window(session, days, actor=by, now=clock.now())
    except Refusal as refusal:
        return _show(form.refuse(refusal), status=422)
    flash(_("Saved"), "ok")
    return redirect(url_for("web.show_refund_settings"), 303)


def _show(form: Form | None = None, *, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        merchant = clocks.get_merchant(session)
    return page(
        "settings/refunds.html",
        status=status,
        nav="settings",
        form=form or blank(window_days=str(merchant.refund_window_days)),
        most=MAX_REFUND_WINDOW_DAYS,
        returns_fee=merchant.returns_fee,
    )


def _days(form: Form) -> int:
    text = form.values["window_days"].strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_REFUND_WINDOW_DAYS))):
        raise Invalid(
            _("Write a whole number from 0 to %(most)s.", most=MAX_REFUND_WINDOW_DAYS),
            path="window_days",
        )
    return int(text)
