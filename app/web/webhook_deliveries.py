"""Deliveries of webhooks: the list with its filters and file, one delivery, sending again."""

import json
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Invalid
from app.core.ids import Prefix, read, show
from app.core.paging import Page
from app.extensions import transaction
from app.web import csv, listing, webhook_words
from app.web.page import page
from app.web.refusals import say
from app.webhooks import delivering, queries
from app.webhooks.catalogue import EventType
from app.webhooks.models import DeliveryStatus, EndpointNotActive, WebhookDelivery

_HEADER = ("id", "event", "object", "sequence", "status", "attempts", "created_at", "delivered_at")


class Times(NamedTuple):
    """From when, and up to and without when, deliveries are meant: as typed, and as instants."""

    typed_from: str
    typed_to: str
    since: datetime | None
    until: datetime | None


def list_page(
    session: Session, endpoint_id: int, *, cursor: str | None = None
) -> Page[WebhookDelivery]:
    """Return the deliveries of an endpoint that the address asks for. Raises Invalid."""
    times = _times(request.args.get("from", ""), request.args.get("to", ""))
    return queries.list_deliveries(
        session,
        endpoint_id=endpoint_id,
        status=listing.chosen(DeliveryStatus, "status"),
        event_type=listing.chosen(EventType, "event"),
        since=times.since,
        until=times.until,
        cursor=cursor,
    )


def typed_times() -> tuple[str, str]:
    """Return the bounds in the address as they were typed."""
    return request.args.get("from", ""), request.args.get("to", "")


def as_file(endpoint_id: int) -> Response:
    """Answer all that is listed as CSV."""

    def read_page(cursor: str | None) -> Page[WebhookDelivery]:
        with transaction(merchant_id) as session:
            return list_page(session, endpoint_id, cursor=cursor)

    merchant_id = g.merchant_id
    return csv.answer("webhook-deliveries", _HEADER, map(_cells, csv.all_rows(read_page)))


def statuses() -> list[tuple[str, str, None]]:
    """Return the tabs of the list."""
    return [
        ("", _("All"), None),
        (DeliveryStatus.PENDING.value, _("Pending"), None),
        (DeliveryStatus.DELIVERED.value, _("Delivered"), None),
        (DeliveryStatus.FAILED.value, _("Retrying"), None),
        (DeliveryStatus.DEAD.value, _("Given up"), None),
    ]


def webhook_delivery(delivery_id: str) -> Response:
    """Show one delivery: the body that was sent, and every attempt with its answer."""
    with transaction(g.merchant_id) as database:
        delivery = queries.get_delivery(database, read(Prefix.WEBHOOK_DELIVERY, delivery_id))
        attempts = queries.list_attempts(database, delivery.id)
    payload = json.loads(delivery.event.payload)
    endpoint_id = show(Prefix.WEBHOOK_ENDPOINT, delivery.endpoint_id)
    return page(
        "webhooks/delivery.html",
        nav="webhooks",
        delivery=delivery,
        public_id=delivery_id,
        message_id=show(Prefix.WEBHOOK_EVENT, delivery.event_id),
        endpoint_url=url_for("web.webhook", endpoint_id=endpoint_id),
        attempts=list(reversed(attempts)),
        errors=webhook_words.attempt_errors(),
        payload=json.dumps(payload, ensure_ascii=False, indent=2),
        size=len(delivery.event.payload.encode()),
    )


def resend_delivery(delivery_id: str) -> Response:
    """Make the delivery due now, under the same message id."""
    with transaction(g.merchant_id) as database:
        delivering.resend(database, read(Prefix.WEBHOOK_DELIVERY, delivery_id), now=clock.now())
    flash(_("It is sent again within seconds."), "ok")
    return redirect(url_for("web.webhook_delivery", delivery_id=delivery_id), 303)


def resend_deliveries(endpoint_id: str) -> Response:
    """Make many deliveries due now: all that failed, or all of a time."""
    try:
        times = _times(request.form.get("from", ""), request.form.get("to", ""))
        with transaction(g.merchant_id) as database:
            count = delivering.resend_all(
                database,
                read(Prefix.WEBHOOK_ENDPOINT, endpoint_id),
                since=times.since,
                until=times.until,
                only_failed="all" not in request.form,
                now=clock.now(),
            )
    except (Invalid, EndpointNotActive) as refusal:
        flash(say(refusal), "bad")
    else:
        flash(
            ngettext(
                "%(num)s message is sent again within seconds.",
                "%(num)s messages are sent again, the longest due first.",
                count,
            ),
            "ok",
        )
    return redirect(url_for("web.webhook", endpoint_id=endpoint_id, status="pending"), 303)


def _times(typed_from: str, typed_to: str) -> Times:
    """Read bounds in the merchant's zone. Raises Invalid."""
    return Times(
        typed_from, typed_to, _instant(typed_from, path="from"), _instant(typed_to, path="to")
    )


def _instant(typed: str, *, path: str) -> datetime | None:
    if not typed:
        return None
    try:
        local = datetime.fromisoformat(typed)
        return local.replace(tzinfo=ZoneInfo(g.merchant.time_zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("must be a day and a time, as 2026-06-03T08:15", path=path) from error


def _cells(delivery: WebhookDelivery) -> tuple[object, ...]:
    return (
        show(Prefix.WEBHOOK_DELIVERY, delivery.id),
        delivery.event.event_type.value,
        delivery.event.object_id,
        delivery.event.sequence,
        delivery.status.value,
        delivery.attempts,
        delivery.created_at.isoformat(),
        delivery.delivered_at.isoformat() if delivery.delivered_at else "",
    )
