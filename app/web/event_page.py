"""One usage event: what came, where it counts, what it is billed on, and taking it back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing.models import Invoice, InvoiceLine, InvoiceStatus
from app.core.decimals import plain
from app.core.errors import Invalid
from app.core.ids import Prefix, read, show
from app.core.periods import local_date
from app.customers import queries as customers
from app.customers.models import Contract
from app.extensions import transaction
from app.metering import queries, voiding
from app.metering.models import OTHER_SERIES, UsageEvent, UsageSeries
from app.metering.queries import EventRow
from app.metering.voiding import VoidOutcome
from app.pricing import queries as catalogue
from app.web.access import actor, now
from app.web.event_lists import Row, rows_of
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS
from app.web.refusals import say


@dataclass(frozen=True)
class Counted:
    """Where an event counts: on which local day, and in which combination of dimensions."""

    day: date
    dimensions: dict[str, str]


def usage_event(event_id: str) -> Response:
    """Show one event."""
    return _show(event_id)


def void_usage_event(event_id: str) -> Response:
    """Take the event back; show it again, saying why, when that can not be."""
    reason = request.form.get("reason", "").strip()
    try:
        with transaction(g.merchant_id) as session:
            event = queries.get_event(session, read(Prefix.USAGE_EVENT, event_id)).event
            (outcome,) = voiding.void_events(
                session,
                [event.idempotency_key],
                reason=reason,
                actor=actor(),
                zone=ZoneInfo(g.merchant.time_zone),
                now=now(),
            )
    except Invalid as refusal:
        return _show(event_id, problem=say(refusal), reason=reason, status=422)
    problem = _problem(outcome)
    if problem:
        return _show(event_id, problem=problem, reason=reason, status=409)
    flash(_("The event is voided. It counts no longer."), "ok")
    return redirect(url_for("web.usage_event", event_id=event_id), 303)


def _problem(outcome: VoidOutcome) -> str:
    """Say why an event stays as it is; nothing when it is voided."""
    problems: dict[VoidOutcome, str] = {
        VoidOutcome.INVOICED: _(
            "The invoice of its period is out. Send an event that corrects this one instead."
        ),
        VoidOutcome.CORRECTED: _("Another event corrects it. Void that one first."),
    }
    return problems.get(outcome, "")


def _show(event_id: str, *, problem: str = "", reason: str = "", status: int = 200) -> Response:
    with transaction(g.merchant_id) as session:
        listed = queries.get_event(session, read(Prefix.USAGE_EVENT, event_id))
        (row,) = rows_of(session, [listed], catalogue.metric_names(session))
        invoices = _invoices(session, row)
        return page(
            "usage/event.html",
            status=status,
            nav="usage",
            row=row,
            raw=_raw(row),
            counted=_counted(session, row.event),
            invoices=invoices,
            contracts=[] if invoices else _contracts(session, row.event),
            corrected_by=_correcting(session, row.event),
            corrects_id=_public_id(session, row.event.corrects),
            problem=problem,
            reason=reason,
            **PUBLIC_IDS,
        )


def _raw(row: Row) -> str:
    """Return the event as the API shows it."""
    event = row.event
    document: dict[str, Any] = {
        "id": row.public_id,
        "customerExternalId": row.customer.external_id,
        "idempotencyKey": event.idempotency_key,
        "metric": row.metric.code,
        "quantity": plain(event.quantity),
        "occurredAt": event.occurred_at.isoformat(),
        "receivedAt": event.received_at.isoformat(),
        "dimensions": event.dimensions,
    }
    if event.corrects is not None:
        document["corrects"] = event.corrects
    return json.dumps(document, ensure_ascii=False, indent=2)


def _counted(session: Session, event: EventRow) -> Counted:
    day = local_date(event.occurred_at, ZoneInfo(g.merchant.time_zone))
    if event.series_id == OTHER_SERIES:
        return Counted(day, {})
    series = session.get_one(UsageSeries, (g.merchant_id, event.series_id))
    return Counted(day, series.dimensions)


def _invoices(session: Session, row: Row) -> Sequence[Invoice]:
    """Return the issued invoices with a line about this metric and day, the first one first."""
    day = local_date(row.event.occurred_at, ZoneInfo(g.merchant.time_zone))
    about_it = (
        select(InvoiceLine.invoice_id)
        .where(InvoiceLine.metric_id == row.metric.id)
        .where(InvoiceLine.period_from <= day, InvoiceLine.period_to > day)
    )
    statement = select(Invoice).where(
        Invoice.customer_id == row.customer.id,
        Invoice.status != InvoiceStatus.DRAFT,
        Invoice.id.in_(about_it),
    )
    return session.scalars(statement.order_by(Invoice.id)).all()


def _contracts(session: Session, event: EventRow) -> list[Contract]:
    """Return the contracts that will bill the event."""
    found = customers.contracts_of(session, [event.customer_id])
    zone = ZoneInfo(g.merchant.time_zone)
    return customers.contracts_on(found, event.occurred_at, zone=zone)


def _correcting(session: Session, event: EventRow) -> list[tuple[str, str]]:
    """Return the key and id of each event that puts this one right."""
    statement = (
        select(UsageEvent.idempotency_key, UsageEvent.id)
        .where(UsageEvent.corrects == event.idempotency_key)
        .order_by(UsageEvent.id)
    )
    found = session.execute(statement)
    return [(key, show(Prefix.USAGE_EVENT, event_id)) for key, event_id in found]


def _public_id(session: Session, key: str | None) -> str:
    """Return the id of the event of this key, or nothing when there is none."""
    if key is None:
        return ""
    event_id = session.scalar(select(UsageEvent.id).where(UsageEvent.idempotency_key == key))
    return show(Prefix.USAGE_EVENT, event_id) if event_id else ""
