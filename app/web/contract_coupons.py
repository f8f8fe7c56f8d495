"""Coupons of one contract: attached and taken off on its page."""

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import attachments
from app.core.errors import Conflict
from app.core.ids import Prefix, read, show
from app.core.paging import MAX_LIMIT
from app.customers.models import Contract
from app.extensions import transaction
from app.pricing import coupons
from app.pricing.models import CatalogStatus
from app.web import access, coupon_words
from app.web.refusals import say


def attach_coupon(contract_id: str) -> Response:
    """Attach the chosen coupon, or say why not."""
    try:
        with transaction(g.merchant_id) as session:
            coupon_id = read(Prefix.COUPON, request.form.get("coupon", ""))
            number, actor = read(Prefix.CONTRACT, contract_id), access.actor()
            attachments.attach(session, number, coupon_id, actor=actor, now=access.now())
    except Conflict as refusal:
        flash(say(refusal), "bad")
    else:
        flash(_("The next invoice uses it."), "ok")
    return _to_contract(contract_id)


def detach_coupon(contract_id: str, coupon_id: str) -> Response:
    """Take a coupon off the contract."""
    with transaction(g.merchant_id) as session:
        coupon, actor = read(Prefix.COUPON, coupon_id), access.actor()
        number = read(Prefix.CONTRACT, contract_id)
        attachments.detach(session, number, coupon, actor=actor, now=access.now())
    flash(_("Drafts and later invoices go without it."), "ok")
    return _to_contract(contract_id)


def context_of(session: Session, contract: Contract) -> dict[str, Any]:
    """Return what the card of the contract's page shows: its coupons, and those it may get."""
    held = attachments.list_of_contract(session, contract.id)
    has = {each.coupon.id for each in held}
    active = coupons.list_coupons(session, status=CatalogStatus.ACTIVE, limit=MAX_LIMIT).rows
    return {
        "attached": held,
        "coupon_words": coupon_words,
        "coupons_on_offer": [
            (show(Prefix.COUPON, row.id), f"{row.code} · {coupon_words.benefit(row)}")
            for row in active
            if row.id not in has and row.currency in {None, contract.currency}
        ],
    }


def _to_contract(contract_id: str) -> Response:
    return redirect(url_for("web.contract", contract_id=contract_id) + "#coupons", 303)
