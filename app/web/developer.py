"""API keys: made with the scopes they need, shown once, revoked at once."""

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Invalid, Refusal
from app.core.ids import Prefix, read
from app.extensions import runtime, transaction
from app.identity import keys
from app.identity.models import Scope
from app.web import access, snippets
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS

_GUIDE = (Scope.USAGE_WRITE, Scope.INVOICE_READ, Scope.CHECKOUT_WRITE)
_PRESETS = {
    "everything": tuple(Scope),
    "guide": _GUIDE,
    "read": tuple(scope for scope in Scope if scope.endswith(":read")),
}


def developer() -> Response:
    with transaction(g.merchant_id) as session:
        return page(
            "developer/index.html",
            nav="developer",
            keys=keys.list_keys(session),
            scope_count=len(Scope),
            base_url=_base_url(),
            curl=snippets.first_event(session, now=access.now()),
            **PUBLIC_IDS,
        )


def new_key() -> Response:
    preset = request.args.get("preset", "")
    scopes = _PRESETS.get(preset, _PRESETS["everything"])
    return _key_form(blank(name="", scopes=""), chosen=set(scopes), preset=preset or "everything")


def create_key() -> Response:
    """Make the key and show it: the only page that ever holds its secret."""
    known = {scope.value for scope in Scope}
    chosen = {Scope(text) for text in request.form.getlist("scope") if text in known}
    name = request.form.get("name", "")
    try:
        if not chosen:
            raise Invalid(_("Choose at least one scope."), path="scopes")
        with transaction(g.merchant_id) as session:
            key, secret = keys.create_key(
                session, name, scopes=chosen, pepper=runtime().pepper, now=clock.now()
            )
            curl = snippets.first_event(session, now=access.now())
    except Refusal as refusal:
        form = typed(name="", scopes="").refuse(refusal)
        return _key_form(form, chosen=chosen, preset="", status=422)
    return page(
        "developer/created.html",
        status=201,
        nav="developer",
        key=key,
        secret=secret,
        curl=curl,
        base_url=_base_url(),
    )


def revoke_key(key_id: str) -> Response:
    with transaction(g.merchant_id) as session:
        key = keys.revoke_key(session, read(Prefix.API_KEY, key_id), now=clock.now())
    flash(_("%(name)s is revoked: its next request is refused.", name=key.name), "ok")
    return redirect(url_for("web.developer"), 303)


def _key_form(form: Form, *, chosen: set[Scope], preset: str, status: int = 200) -> Response:
    return page(
        "developer/new.html",
        nav="developer",
        status=status,
        form=form,
        chosen=chosen,
        preset=preset,
        scopes=_allowances(),
    )


def _base_url() -> str:
    return f"{runtime().settings.base_url}/api/v1"


def _allowances() -> list[tuple[Scope, str]]:
    """Return each scope and what it allows."""
    return [
        (Scope.USAGE_WRITE, _("Send usage events")),
        (Scope.USAGE_READ, _("Read usage events and totals")),
        (Scope.CATALOG_READ, _("Read products, metrics and rate cards")),
        (Scope.CATALOG_WRITE, _("Create products and metrics, publish rate cards")),
        (Scope.CUSTOMER_READ, _("Read customers and contracts")),
        (Scope.CUSTOMER_WRITE, _("Create and change customers and contracts")),
        (Scope.INVOICE_READ, _("Read invoices and their PDFs")),
        (Scope.INVOICE_WRITE, _("Void invoices and send them again")),
        (Scope.CHECKOUT_WRITE, _("Open payments of invoices")),
        (Scope.REFUND_WRITE, _("Pay money back to payers")),
        (Scope.WEBHOOK_READ, _("Read webhook endpoints and deliveries")),
        (Scope.WEBHOOK_WRITE, _("Register webhook endpoints, replay deliveries")),
        (Scope.LEDGER_READ, _("Read ledger transactions and balances")),
        (Scope.AUDIT_READ, _("Read the audit log: who changed what")),
        (Scope.SANDBOX_WRITE, _("Move the sandbox's test clock")),
    ]
