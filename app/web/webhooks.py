"""Webhook endpoints: registering, the secret that is shown once, and every delivery's attempts."""

import json
from collections.abc import Callable
from typing import Any

from flask import flash, g, redirect, request, session, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Refusal
from app.core.ids import Prefix, read, show
from app.core.paging import Page
from app.extensions import runtime, transaction
from app.web import listing
from app.web.errors import status_of
from app.web.page import page
from app.web.refusals import say
from app.webhooks import delivering, endpoints, queries
from app.webhooks.catalogue import EventType
from app.webhooks.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint

_REVEAL = "reveal_webhook"
"""Names the endpoint whose secret the next page shows: the cookie never holds the secret."""


def webhooks() -> Response:
    """Show all endpoints and the form of a new one."""
    return _index()


def register_webhook() -> Response:
    """Add an endpoint and go to its page, where its secret is shown once."""
    try:
        with transaction(g.merchant_id) as database:
            endpoint, _secret = endpoints.register(
                database,
                request.form.get("url", "").strip(),
                _picked(),
                description=request.form.get("description", ""),
                keyring=runtime().keyring,
                allow_loopback=runtime().settings.webhook_allow_loopback,
                now=clock.now(),
            )
    except Refusal as refusal:
        return _index(refusal)
    session[_REVEAL] = endpoint.id
    flash(_("The endpoint is registered."), "ok")
    return redirect(_url(endpoint), 303)


def webhook(endpoint_id: str) -> Response:
    """Show one endpoint and a page of its deliveries."""
    return _show(endpoint_id)


def change_webhook(endpoint_id: str) -> Response:
    """Change where it goes and what it wants."""
    try:
        with transaction(g.merchant_id) as database:
            endpoints.change(
                database,
                read(Prefix.WEBHOOK_ENDPOINT, endpoint_id),
                url=request.form.get("url", "").strip(),
                event_types=_picked(),
                description=request.form.get("description", ""),
                allow_loopback=runtime().settings.webhook_allow_loopback,
            )
    except Refusal as refusal:
        return _show(endpoint_id, refusal)
    flash(_("Saved."), "ok")
    return redirect(url_for("web.webhook", endpoint_id=endpoint_id), 303)


def roll_webhook(endpoint_id: str) -> Response:
    """Replace the secret; the old one signs too for a day, so that nothing is lost."""
    number = read(Prefix.WEBHOOK_ENDPOINT, endpoint_id)
    with transaction(g.merchant_id) as database:
        endpoints.roll_secret(database, number, keyring=runtime().keyring, now=clock.now())
    session[_REVEAL] = number
    flash(_("The secret is rolled. The old one signs too for 24 hours."), "ok")
    return redirect(url_for("web.webhook", endpoint_id=endpoint_id), 303)


def disable_webhook(endpoint_id: str) -> Response:
    """Send nothing until it is enabled again."""
    return _move(endpoint_id, endpoints.disable, _("The endpoint is disabled."))


def enable_webhook(endpoint_id: str) -> Response:
    """Send again, what waited first."""

    def enable(database: Session, number: int) -> object:
        return endpoints.enable(database, number, now=clock.now())

    return _move(endpoint_id, enable, _("The endpoint is enabled."))


def archive_webhook(endpoint_id: str) -> Response:
    """Delete the endpoint; its deliveries stay readable."""
    return _move(endpoint_id, endpoints.archive, _("The endpoint is deleted."))


def webhook_delivery(delivery_id: str) -> Response:
    """Show one delivery: the body that was sent, and every attempt with its answer."""
    with transaction(g.merchant_id) as database:
        delivery = queries.get_delivery(database, read(Prefix.WEBHOOK_DELIVERY, delivery_id))
        attempts = queries.list_attempts(database, delivery.id)
    payload = json.loads(delivery.event.payload)
    return page(
        "webhooks/delivery.html",
        nav="webhooks",
        delivery=delivery,
        public_id=delivery_id,
        message_id=show(Prefix.WEBHOOK_EVENT, delivery.event_id),
        endpoint_url=_url(delivery.endpoint),
        attempts=list(reversed(attempts)),
        payload=json.dumps(payload, ensure_ascii=False, indent=2),
        size=len(delivery.event.payload.encode()),
    )


def resend_delivery(delivery_id: str) -> Response:
    """Make the delivery due now, under the same message id."""
    with transaction(g.merchant_id) as database:
        delivering.resend(database, read(Prefix.WEBHOOK_DELIVERY, delivery_id), now=clock.now())
    flash(_("It is sent again within seconds."), "ok")
    return redirect(url_for("web.webhook_delivery", delivery_id=delivery_id), 303)


def event_types() -> list[tuple[str, str]]:
    """Return the events to choose from, with what each of them says."""
    words = {
        EventType.INVOICE_CREATED: _("An invoice was issued and can be paid."),
        EventType.INVOICE_WILL_BE_DUE: _("An open invoice will be due soon."),
        EventType.INVOICE_OVERDUE: _("An invoice was not paid by the day it was due."),
        EventType.INVOICE_PAID: _("An invoice was paid in full; deliver what was bought."),
        EventType.INVOICE_VOIDED: _("An issued invoice was cancelled and can no longer be paid."),
        EventType.INVOICE_REFUNDED: _("Money of a paid invoice went back to the payer."),
        EventType.INVOICE_MARKED_UNCOLLECTIBLE: _("Nobody expects an invoice to be paid any more."),
        EventType.INVOICE_REISSUED: _(
            "An old invoice was replaced by one with the rates of the day."
        ),
        EventType.CREDIT_NOTE_CREATED: _(
            "An issued invoice was corrected; its customer owes less."
        ),
        EventType.FAPIAO_REQUESTED: _("A buyer asked for the fapiao of an invoice."),
        EventType.FAPIAO_ISSUED: _("A fapiao was issued and mailed to the buyer."),
        EventType.FAPIAO_REJECTED: _("A fapiao will not be issued; the buyer was told why."),
        EventType.FAPIAO_RED_LETTERED: _("An issued fapiao was cancelled by a red letter."),
        EventType.PAYMENT_UNAPPLIED: _("Money arrived that no invoice waits for."),
        EventType.REFUND_CREATED: _("A refund was asked for; the payer has nothing yet."),
        EventType.REFUND_SUCCEEDED: _("The channel has paid a refund back to the payer."),
        EventType.REFUND_FAILED: _("A refund will not be paid: the channel or we refused it."),
        EventType.DISPUTE_OPENED: _("A channel withdrew a payment on its payer’s complaint."),
        EventType.DISPUTE_CLOSED: _("A dispute was decided: won, or lost."),
        EventType.PAYOUT_COMPLETED: _("A payout left for your bank account."),
    }
    return [(event.value, words[event]) for event in EventType]


def _index(refusal: Refusal | None = None) -> Response:
    with transaction(g.merchant_id) as database:
        found = queries.list_endpoints(database)
    form = {
        "url": request.form.get("url", ""),
        "description": request.form.get("description", ""),
        "event_types": request.form.getlist("event_types") or [EventType.INVOICE_PAID.value],
    }
    return page(
        "webhooks/index.html",
        status=status_of(refusal) if refusal else 200,
        nav="webhooks",
        endpoints=[(row, _url(row)) for row in found],
        most=endpoints.MAX_ENDPOINTS,
        form=form,
        event_types=event_types(),
        **_errors(refusal),
    )


def _show(endpoint_id: str, refusal: Refusal | None = None) -> Response:
    number = read(Prefix.WEBHOOK_ENDPOINT, endpoint_id)
    with transaction(g.merchant_id) as database:
        endpoint = queries.get_endpoint(database, number)
        found = _deliveries(database, number)
        form = _form_of(endpoint) if refusal is None else _typed()
        secrets = _revealed(endpoint)
    return page(
        "webhooks/show.html",
        fragment="rows",
        status=status_of(refusal) if refusal else 200,
        nav="webhooks",
        endpoint=endpoint,
        public_id=endpoint_id,
        deliveries=found.rows,
        delivery_id=lambda row: show(Prefix.WEBHOOK_DELIVERY, row),
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("status", _statuses()),
        secrets=secrets,
        form=form,
        event_types=event_types(),
        **_errors(refusal),
    )


def _deliveries(database: Session, endpoint_id: int) -> Page[WebhookDelivery]:
    return queries.list_deliveries(
        database,
        endpoint_id=endpoint_id,
        status=listing.chosen(DeliveryStatus, "status"),
        cursor=listing.cursor(),
    )


def _revealed(endpoint: WebhookEndpoint) -> list[str]:
    """Return the newest secret, on the one page after it was made; nothing on any other."""
    if session.get(_REVEAL) != endpoint.id:
        return []
    del session[_REVEAL]
    return endpoints.open_secrets(endpoint, runtime().keyring, now=clock.now())[:1]


def _move(endpoint_id: str, move: Callable[[Session, int], object], said: str) -> Response:
    with transaction(g.merchant_id) as database:
        move(database, read(Prefix.WEBHOOK_ENDPOINT, endpoint_id))
    flash(said, "ok")
    return redirect(url_for("web.webhook", endpoint_id=endpoint_id), 303)


def _picked() -> list[EventType]:
    known = {event.value for event in EventType}
    return [EventType(name) for name in request.form.getlist("event_types") if name in known]


def _form_of(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
    }


def _typed() -> dict[str, Any]:
    return {
        "url": request.form.get("url", ""),
        "description": request.form.get("description", ""),
        "event_types": request.form.getlist("event_types"),
    }


def _errors(refusal: Refusal | None) -> dict[str, Any]:
    errors = dict.fromkeys(("url", "description", "event_types"), "")
    if refusal is None:
        return {"errors": errors, "error": ""}
    if refusal.path in errors:
        return {"errors": errors | {refusal.path: say(refusal)}, "error": ""}
    return {"errors": errors, "error": say(refusal)}


def _statuses() -> list[tuple[str, str, None]]:
    return [
        ("", _("All"), None),
        (DeliveryStatus.PENDING.value, _("Pending"), None),
        (DeliveryStatus.DELIVERED.value, _("Delivered"), None),
        (DeliveryStatus.FAILED.value, _("Retrying"), None),
        (DeliveryStatus.DEAD.value, _("Given up"), None),
    ]


def _url(endpoint: WebhookEndpoint) -> str:
    return url_for("web.webhook", endpoint_id=show(Prefix.WEBHOOK_ENDPOINT, endpoint.id))
