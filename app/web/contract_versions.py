"""Another version of the prices for contracts: scheduled for one or for all on a version."""

from datetime import date

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.core.errors import Invalid, NotFound, Refusal
from app.core.ids import Prefix, read
from app.customers import versions
from app.extensions import transaction
from app.web import access, contracts
from app.web.forms import Form, typed
from app.web.refusals import say


def schedule_contracts(rate_card_id: str) -> Response:
    """Schedule a change for every active contract on one version of the card."""
    try:
        with transaction(g.merchant_id) as session:
            found = versions.schedule_for_version(
                session,
                read(Prefix.RATE_CARD_VERSION, request.form.get("from", "")),
                to_version_id=read(Prefix.RATE_CARD_VERSION, request.form.get("to", "")),
                on=_day("on"),
                actor=access.actor(),
                now=access.now(),
            )
    except NotFound:
        raise
    except Refusal as refusal:
        flash(say(refusal), "bad")
        return redirect(url_for("web.rate_card", rate_card_id=rate_card_id), 303)
    if found.is_queued:
        flash(_("The contracts are being scheduled; this takes a moment."), "ok")
    else:
        flash(_("Contracts scheduled: %(count)s", count=found.scheduled), "ok")
    for reason in sorted({say(refusal) for refusal in found.refused.values()}):
        flash(_("Left as they are: %(reason)s", reason=reason), "bad")
    return redirect(url_for("web.rate_card", rate_card_id=rate_card_id), 303)


def schedule_contract(contract_id: str) -> Response:
    """Schedule a change for one contract."""
    form = typed(version="", on="")
    try:
        with transaction(g.merchant_id) as session:
            contract = versions.schedule_version(
                session,
                read(Prefix.CONTRACT, contract_id),
                version_id=_version(form),
                on=_day("on"),
                actor=access.actor(),
                now=access.now(),
            )
    except NotFound:
        raise
    except Refusal as refusal:
        return contracts.show_page(contract_id, change=form.refuse(refusal), status=422)
    if contract.next_version_id is None:
        flash(_("The contract is on that version now: its period has not begun."), "ok")
    else:
        flash(_("The change is scheduled."), "ok")
    return redirect(url_for("web.contract", contract_id=contract_id), 303)


def cancel_contract_version(contract_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        versions.cancel_scheduled_version(
            session, read(Prefix.CONTRACT, contract_id), actor=access.actor(), now=access.now()
        )
    flash(_("The contract keeps its version."), "ok")
    return redirect(url_for("web.contract", contract_id=contract_id), 303)


def _version(form: Form) -> int:
    if not form.values["version"]:
        raise Invalid(_("Choose a version."), path="version")
    return read(Prefix.RATE_CARD_VERSION, form.values["version"])


def _day(name: str) -> date:
    """Read a day of the form. Raises Invalid."""
    try:
        return date.fromisoformat(request.form.get(name, ""))
    except ValueError:
        raise Invalid(_("Choose a day."), path=name) from None
