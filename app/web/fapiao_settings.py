"""What the export of fapiao requests calls what was sold: set by form."""

from flask import flash, g, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.billing import fapiao_settings
from app.billing.fapiao_settings import LONGEST_ITEM, SoldAs
from app.core import clock
from app.core.errors import Refusal
from app.extensions import transaction
from app.web import access
from app.web.forms import Form, blank, typed
from app.web.page import page


def show_fapiao_settings() -> Response:
    return _show()


def save_fapiao_settings() -> Response:
    form = typed(item="", tax_code="")
    try:
        with transaction(g.merchant_id) as session:
            sold_as = SoldAs(form.values["item"], form.values["tax_code"])
            by = access.actor()
            fapiao_settings.set_sold_as(session, sold_as, actor=by, now=clock.now())
    except Refusal as refusal:
        return _show(form.refuse(refusal), status=422)
    flash(_("Saved"), "ok")
    return redirect(url_for("web.show_fapiao_settings"), 303)


def _show(form: Form | None = None, *, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        sold_as = fapiao_settings.get_sold_as(session)
    return page(
        "settings/fapiao.html",
        status=status,
        nav="settings",
        form=form or blank(item=sold_as.item, tax_code=sold_as.tax_code),
        sold_as=sold_as,
        longest=LONGEST_ITEM,
    )
