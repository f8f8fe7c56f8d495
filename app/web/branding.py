"""How documents, mails and the payment page look: set by form, seen while one types."""

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.core import clock, ids
from app.core.errors import Refusal
from app.extensions import transaction
from app.identity import branding
from app.identity.branding import Brand
from app.identity.models import Branding
from app.web import access
from app.web.forms import Form, blank, typed
from app.web.page import page

_TEXTS = ("legal_name", "legal_address", "tax_id", "color", "footer")


def show_branding() -> Response:
    return _show()


def save_branding() -> Response:
    """Save the texts, and the logo if one was chosen: all of it, or nothing."""
    form = typed(logo="", **dict.fromkeys(_TEXTS, ""))
    upload = request.files.get("logo")
    try:
        with transaction(g.merchant_id) as session:
            brand = Brand(**{name: form.values[name] for name in _TEXTS})
            branding.set_brand(session, brand, actor=access.actor(), now=clock.now())
            if upload is not None and upload.filename:
                branding.set_logo(session, upload.read(), actor=access.actor(), now=clock.now())
    except Refusal as refusal:
        return _show(form.refuse(refusal), status=422)
    flash(_("Saved"), "ok")
    return redirect(url_for("web.show_branding"), 303)


def remove_logo() -> Response:
    with transaction(g.merchant_id) as session:
        branding.remove_logo(session, actor=access.actor(), now=clock.now())
    flash(_("The logo is gone from what comes next."), "ok")
    return redirect(url_for("web.show_branding"), 303)


def logo_url(found: Branding) -> str:
    """Return the address of a merchant's logo on this site, or nothing."""
    if found.logo_sha256 is None:
        return ""
    return url_for(
        "web.brand_logo",
        merchant=ids.show_merchant(found.merchant_id),
        sha256=found.logo_sha256,
    )


def _show(form: Form | None = None, *, status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        found = branding.get_branding(session)
    form = form or blank(logo="", **{name: getattr(found, name) for name in _TEXTS})
    return page(
        "settings/branding.html",
        status=status,
        nav="settings",
        form=form,
        logo=logo_url(found),
        color=found.color,
        max_footer=branding.MAX_FOOTER,
    )
