"""Settings of the merchant, and the sandbox's test clock."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import flash, g, redirect, request, url_for
from flask_babel import format_datetime
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import queries as billing
from app.core import clock, outbox
from app.core.errors import Invalid, Refusal
from app.core.money import SETTLEMENT_CURRENCIES
from app.core.periods import Unit, add_units, local_date, local_midnight
from app.extensions import transaction
from app.identity import clocks, merchants
from app.identity.accounts import Workplace
from app.identity.models import Merchant
from app.metering import queries as metering
from app.web import access, invoice_rows
from app.web.forms import Form, blank, typed
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS

_CATCH_UP = "jobs.billing.catch_up"
_LOOKS = 15
"""How often the page looks, by itself, what the moved clock has brought."""


def settings() -> Response:
    return _show()


def update() -> Response:
    form = typed(**_stored(g.merchant))
    try:
        with transaction(g.merchant_id) as session:
            merchants.change_time_zone(
                session, form.values["time_zone"], is_metered=_is_metered(session)
            )
            merchants.update_settings(
                session,
                settlement_currency=form.values["settlement_currency"],
                late_window_days=_whole(form, "late_window_days"),
                grace_hours=_whole(form, "grace_hours"),
            )
    except Refusal as refusal:
        return _show(form=form.refuse(refusal), status=422)
    flash(_("Saved"), "ok")
    return redirect(url_for("web.settings"), 303)


def move_clock() -> Response:
    """Move the test clock, and let a worker bill what has fallen due since."""
    form = typed(to="")
    try:
        with transaction(g.merchant_id) as session:
            merchant = clocks.lock_merchant(session)
            real_now = clock.now()
            to = _target(merchant, form, now=real_now + merchant.clock_offset)
            clocks.move(session, to, real_now=real_now)
            outbox.owe(session, _CATCH_UP, now=real_now)
    except Refusal as refusal:
        refusal.path = "to"
        return _show(clock_form=form.refuse(refusal), status=422)
    flash(_("It is now %(time)s.", time=format_datetime(to)), "ok")
    return redirect(url_for("web.settings", looks=_LOOKS) + "#clock", 303)


def _show(
    *, form: Form | None = None, clock_form: Form | None = None, status: int = 200
) -> Response:
    looks = request.args.get("looks", "")
    with transaction(g.merchant_id) as session:
        merchant = clocks.get_merchant(session)
        zone = ZoneInfo(merchant.time_zone)
        now = access.now()
        return page(
            "settings/index.html",
            fragment="happened",
            status=status,
            nav="settings",
            form=form or blank(**_stored(merchant)),
            clock_form=clock_form or blank(to=f"{now.astimezone(zone):%Y-%m-%dT%H:%M}"),
            currencies=[(currency.value, currency.value) for currency in SETTLEMENT_CURRENCIES],
            time_zones=[(name, name) for name in merchants.time_zones()],
            is_metered=_is_metered(session),
            is_invoiced=merchant.first_invoice_at is not None,
            day_later=now + timedelta(days=1),
            month_end=_month_end(merchant, now=now),
            invoices=invoice_rows.newest(session, limit=5),
            runs=billing.list_runs(session, limit=1).rows,
            looks=min(int(looks), _LOOKS) if looks.isdecimal() else 0,
            **PUBLIC_IDS,
        )


def _stored(merchant: Merchant | Workplace) -> dict[str, str]:
    return {
        "time_zone": merchant.time_zone,
        "settlement_currency": merchant.settlement_currency.value,
        "late_window_days": str(merchant.late_window_days),
        "grace_hours": str(merchant.grace_hours),
    }


def _target(merchant: Merchant, form: Form, *, now: datetime) -> datetime:
    """Return the time that the pressed button, or the field, asks for. Raises Invalid."""
    match request.form.get("move"):
        case "day":
            return now + timedelta(days=1)
        case "month_end":
            return _month_end(merchant, now=now)
        case _:
            return _read_time(merchant, form.values["to"])


def _read_time(merchant: Merchant, text: str) -> datetime:
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(_("Choose a day and a time."), path="to") from None
    return local if local.tzinfo else local.replace(tzinfo=ZoneInfo(merchant.time_zone))


def _month_end(merchant: Merchant, *, now: datetime) -> datetime:
    """Return when the invoices of this local month are final: its end and the grace."""
    zone = ZoneInfo(merchant.time_zone)
    next_month = add_units(local_date(now, zone).replace(day=1), 1, Unit.MONTH)
    return local_midnight(next_month, zone) + timedelta(hours=merchant.grace_hours, minutes=1)


def _whole(form: Form, name: str) -> int:
    text = form.values[name]
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):  # noqa: PLR2004  # digits
        raise Invalid(_("Write a whole number."), path=name)
    return int(text)


def _is_metered(session: Session) -> bool:
    return bool(metering.list_events(session, metering.EventFilter(), limit=1).rows)
