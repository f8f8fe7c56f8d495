"""The buyer's side of a fapiao, by the link of the invoice: ask, change, withdraw, download."""

from dataclasses import dataclass, field
from hashlib import sha256

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as Redirect

from app.billing import fapiao, fapiao_issuing, fapiao_queries
from app.billing import queries as invoices
from app.billing.fapiao_amounts import left_of
from app.billing.fapiao_details import Details
from app.billing.fapiao_models import (
    FAPIAO,
    FapiaoEvent,
    FapiaoKind,
    FapiaoPart,
    FapiaoRequest,
    TitleType,
)
from app.billing.models import WAS_PAID
from app.checkout import state, visits
from app.checkout.visits import Link
from app.core.errors import Conflict, Invalid, NotFound, Refusal
from app.extensions import limiter, runtime, transaction
from app.identity import clocks

_TEMPLATE = "checkout/fapiao.html"
_FIELDS: dict[str, str] = {
    "kind": FapiaoKind.GENERAL.value,
    "title_type": TitleType.COMPANY.value,
    "title": "",
    "tax_id": "",
    "email": "",
    "address": "",
    "phone": "",
    "bank": "",
    "account": "",
    "note": "",
}


@dataclass
class Form:
    """What was typed, and what is wrong with it, by field; `error` is about the whole."""

    values: dict[str, str]
    errors: dict[str, str] = field(default_factory=lambda: dict.fromkeys(_FIELDS, ""))
    error: str = ""

    def refuse(self, refusal: Refusal) -> None:
        """Put the refusal at the field it names, or above the form."""
        if refusal.path in self.values:
            self.errors[refusal.path] = _say(refusal)
        else:
            self.error = _say(refusal)


def _link_limit() -> str:
    """Name who is limited: the holder of this link, by its hash and never by itself."""
    token = str((request.view_args or {}).get("token", ""))
    return sha256(token.encode(errors="replace")).hexdigest()


def show(token: str) -> Response:
    """Show the form, filled in with what was asked for before, or what became of it."""
    return _page(visits.prove(token))


@limiter.limit("30/hour", key_func=_link_limit, methods=["POST"])
def submit(token: str) -> Response | Redirect:
    """Ask for the fapiao, or change what was asked for while nobody has acted on it."""
    link = visits.prove(token)
    form = Form({name: request.form.get(name, "") for name in _FIELDS})
    try:
        with transaction(link.merchant_id) as session:
            _ask(session, link, _details(form.values))
    except Invalid as refusal:
        return _page(link, form, refusal, status=422)
    except Conflict as refusal:
        return _page(link, form, refusal, status=409)
    return redirect(url_for("checkout.fapiao", token=token), 303)


@limiter.limit("30/hour", key_func=_link_limit, methods=["POST"])
def withdraw(token: str) -> Response | Redirect:
    """Take the request back, unless somebody was faster."""
    link = visits.prove(token)
    try:
        with transaction(link.merchant_id) as session:
            found = fapiao_queries.find_newest(session, link.invoice_id)
            if found is None:
                abort(404)
            fapiao.withdraw(session, found.id, now=clocks.now(session))
    except Conflict as refusal:
        return _page(link, None, refusal, status=409)
    return redirect(url_for("checkout.fapiao", token=token), 303)


def download(token: str, part: str) -> Response:
    """Hand out the file of the fapiao or its red letter: to keep, never to be shown as a page."""
    link = visits.prove(token)
    if part not in set(FapiaoPart):
        abort(404)
    try:
        with transaction(link.merchant_id) as session:
            found = fapiao_queries.find_newest(session, link.invoice_id)
            if found is None:
                abort(404)
            file = fapiao_queries.get_file(session, found.id, FapiaoPart(part))
        content = fapiao_issuing.read_file(runtime().storage, file)
    except NotFound:
        abort(404)
    response = Response(content, mimetype=fapiao_issuing.MEDIA_TYPES[file.format])
    name = fapiao_issuing.file_name(found, file)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _ask(session: Session, link: Link, details: Details) -> FapiaoRequest:
    now = clocks.now(session)
    found = fapiao_queries.find_live(session, link.invoice_id)
    if found is not None and FAPIAO.allows(found.status, FapiaoEvent.CHANGE):
        return fapiao.change(session, found.id, details, now=now)
    return fapiao.request(session, link.invoice_id, details, now=now)


def _details(values: dict[str, str]) -> Details:
    """Return what was typed; a person sees neither kind nor tax number, and has none.

    Raises Invalid where one of few was to be chosen.
    """
    if values["title_type"] == TitleType.PERSONAL:
        values = values | {"kind": FapiaoKind.GENERAL.value, "tax_id": ""}
    if values["kind"] not in set(FapiaoKind):
        raise Invalid("choose a kind", path="kind")
    if values["title_type"] not in set(TitleType):
        raise Invalid("choose who buys", path="title_type")
    texts = {name: text for name, text in values.items() if name not in {"kind", "title_type"}}
    return Details(FapiaoKind(values["kind"]), TitleType(values["title_type"]), **texts)


def _page(
    link: Link, form: Form | None = None, refusal: Refusal | None = None, *, status: int = 200
) -> Response:
    with transaction(link.merchant_id) as session:
        found = fapiao_queries.find_newest(session, link.invoice_id)
        invoice = invoices.get_invoice(session, link.invoice_id)
        payee = state.payee(session)
    form = form or _filled_in(found)
    with visits.speaking():
        if refusal is not None:
            form.refuse(refusal)
        body = render_template(
            _TEMPLATE,
            token=link.token,
            merchant=payee,
            invoice=invoice,
            left=left_of(invoice),
            is_paid=invoice.status in WAS_PAID,
            fapiao=state.card(found, invoice),
            form=form,
        )
    return make_response(body, status)


def _filled_in(found: FapiaoRequest | None) -> Form:
    """Return the form as it opens: with what this invoice was asked for before, if anything."""
    if found is None:
        return Form(dict(_FIELDS))
    return Form({name: str(getattr(found, name)) for name in _FIELDS})


def _say(refusal: Refusal) -> str:
    """Return what is wrong, for people; those who type here did not read our documentation."""
    sentences = {
        "invalid_tax_id": _("This tax number is not right: please check it digit by digit."),
        "invalid_email": _("This is not an e-mail address."),
        "invalid_fapiao_kind": _("A special fapiao is for companies."),
        "invalid_text": _("Please write one line that is not too long."),
        "fapiao_not_possible": _("There is no fapiao for this invoice."),
        "fapiao_already_requested": _("A fapiao of this invoice was requested already."),
        "illegal_state": _("The merchant has just acted on this request."),
    }
    return str(sentences.get(refusal.code, _("Please choose one.")))
