"""Webhook endpoints: registering, their health, their secrets, and a message to try them."""

from collections.abc import Callable
from typing import Any

from flask import flash, g, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Refusal
from app.core.ids import Prefix, read, show
from app.extensions import limiter, runtime, transaction
from app.identity import accounts
from app.web import access, listing, webhook_deliveries, webhook_words
from app.web.errors import status_of
from app.web.page import page
from app.web.refusals import say
from app.webhooks import emitting, endpoints, queries
from app.webhooks.catalogue import SUBSCRIBABLE, EventType
from app.webhooks.models import WebhookEndpoint

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


def test_webhook(endpoint_id: str) -> Response:
    """Send a message that means nothing, and go and see what becomes of it."""
    with transaction(g.merchant_id) as database:
        endpoint = endpoints.lock_endpoint(database, read(Prefix.WEBHOOK_ENDPOINT, endpoint_id))
        delivery = emitting.send_test(database, endpoint, now=clock.now())
    flash(_("A test message is on its way. Its answer appears here within seconds."), "ok")
    delivery_id = show(Prefix.WEBHOOK_DELIVERY, delivery.id)
    return redirect(url_for("web.webhook_delivery", delivery_id=delivery_id), 303)


def expire_webhook_secret(endpoint_id: str) -> Response:
    """Stop signing with the secret that was replaced."""
    return _move(endpoint_id, endpoints.expire_old_secret, _("The old secret signs no more."))


@limiter.limit("10/minute")
def reveal_webhook_secret(endpoint_id: str) -> Response:
    """Show the secret once more, to who knows the password, and write that down."""
    number = read(Prefix.WEBHOOK_ENDPOINT, endpoint_id)
    try:
        with transaction(None) as database:
            accounts.check_credentials(
                database, current_user.email, request.form.get("password", "")
            )
    except accounts.WrongCredentials:
        flash(_("The password is wrong."), "bad")
        return redirect(url_for("web.webhook", endpoint_id=endpoint_id), 303)
    with transaction(g.merchant_id) as database:
        endpoints.note_revealed(database, number, actor=access.actor(), now=access.now())
    session[_REVEAL] = number
    return redirect(url_for("web.webhook", endpoint_id=endpoint_id), 303)


def _index(refusal: Refusal | None = None) -> Response:
    with transaction(g.merchant_id) as database:
        found = queries.list_endpoints(database)
        health = queries.health_of(database, [row.id for row in found], now=clock.now())
    form = {
        "url": request.form.get("url", ""),
        "description": request.form.get("description", ""),
        "event_types": request.form.getlist("event_types") or [EventType.INVOICE_PAID.value],
    }
    return page(
        "webhooks/index.html",
        status=status_of(refusal) if refusal else 200,
        nav="webhooks",
        endpoints=[(row, _url(row), health[row.id]) for row in found],
        most=endpoints.MAX_ENDPOINTS,
        form=form,
        event_groups=webhook_words.event_groups(),
        **_errors(refusal),
    )


def _show(endpoint_id: str, refusal: Refusal | None = None) -> Response:
    number = read(Prefix.WEBHOOK_ENDPOINT, endpoint_id)
    if listing.wants_csv():
        return webhook_deliveries.as_file(number)
    with transaction(g.merchant_id) as database:
        endpoint = queries.get_endpoint(database, number)
        found = webhook_deliveries.list_page(database, number, cursor=listing.cursor())
        health = queries.health_of(database, [number], now=clock.now())[number]
        waiting = queries.count_waiting(database, number)
        form = _form_of(endpoint) if refusal is None else _typed()
        secrets = _revealed(endpoint)
    typed_from, typed_to = webhook_deliveries.typed_times()
    filters = {"event": request.args.get("event", ""), "from": typed_from, "to": typed_to}
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
        tabs=listing.tabs("status", webhook_deliveries.statuses()),
        filters=filters,
        event_options=[("", _("All events")), *((each.value, each.value) for each in EventType)],
        csv_url=listing.csv_url(),
        health=health,
        waiting=waiting,
        is_old_secret_live=_is_old_secret_live(endpoint),
        secrets=secrets,
        form=form,
        event_groups=webhook_words.event_groups(),
        **_errors(refusal),
    )


def _revealed(endpoint: WebhookEndpoint) -> list[str]:
    """Return the newest secret, on the one page after it was made; nothing on any other."""
    if session.get(_REVEAL) != endpoint.id:
        return []
    del session[_REVEAL]
    return endpoints.open_secrets(endpoint, runtime().keyring, now=clock.now())[:1]


def _is_old_secret_live(endpoint: WebhookEndpoint) -> bool:
    expires_at = endpoint.previous_secret_expires_at
    return expires_at is not None and clock.now() < expires_at


def _move(endpoint_id: str, move: Callable[[Session, int], object], said: str) -> Response:
    with transaction(g.merchant_id) as database:
        move(database, read(Prefix.WEBHOOK_ENDPOINT, endpoint_id))
    flash(said, "ok")
    return redirect(url_for("web.webhook", endpoint_id=endpoint_id), 303)


def _picked() -> list[EventType]:
    known = {event.value for event in SUBSCRIBABLE}
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


def _url(endpoint: WebhookEndpoint) -> str:
    return url_for("web.webhook", endpoint_id=show(Prefix.WEBHOOK_ENDPOINT, endpoint.id))
