"""The overview: what was collected and settled, what is owed, and what wants attention."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import alerts, failures, invoice_lists
from app.billing import queries as invoices
from app.billing.alerts import Unpriced
from app.billing.invoice_lists import InvoiceFilter, ListedInvoice
from app.billing.queries import Collected
from app.billing.run_models import RunFailure
from app.core.errors import Invalid
from app.core.ids import Prefix, show
from app.core.money import Currency, Money
from app.core.periods import local_date
from app.customers import queries as customers
from app.extensions import transaction
from app.ledger import queries as ledger
from app.ledger.journals import Account
from app.metering import rates
from app.payments import returned
from app.payments.returned import Returned
from app.pricing import queries as catalogue
from app.web import charts, onboarding, refund_troubles
from app.web.access import now
from app.web.axes import axis_days, short
from app.web.moments import format_date
from app.web.page import is_partial, page
from app.web.refusals import say_code
from app.web.troubles import Trouble
from app.webhooks import queries as webhooks
from app.webhooks.models import DisabledReason, EndpointStatus, WebhookEndpoint

RANGES = ("7", "30", "90")
"""How many days the overview looks back, today included."""

_RECENT = 8


@dataclass(frozen=True)
class Span:
    """Some local days, and as many before them."""

    first_day: date
    end_day: date

    @property
    def days(self) -> int:
        return (self.end_day - self.first_day).days

    @property
    def before(self) -> "Span":
        return Span(self.first_day - timedelta(self.days), self.first_day)

    def __iter__(self) -> Iterator[date]:
        return (self.first_day + timedelta(number) for number in range(self.days))


def dashboard() -> Response:
    """Show the overview of the days that the address asks for."""
    span = _span()
    with transaction(g.merchant_id) as session:
        progress = onboarding.progress(session, now=now())
        return page(
            "dashboard/index.html",
            nav="overview",
            progress=progress,
            owed=_owed(session),
            recent=_recent(session),
            ranges=_ranges(),
            **_money(session, span),
            **_usage(session, span),
        )


def attention() -> Response:
    """Show what wants the merchant's attention: a part of the overview, which asks for it."""
    with transaction(g.merchant_id) as session:
        troubles = _troubles(session)
    return page(
        "dashboard/attention.html",
        fragment="attention",
        nav="overview",
        troubles=troubles,
        is_whole=not is_partial(),
    )


def _span() -> Span:
    days = request.args.get("range", "30")
    if days not in RANGES:
        raise Invalid(f"range must be one of {', '.join(RANGES)}", path="range")
    end_day = local_date(now(), ZoneInfo(g.merchant.time_zone)) + timedelta(1)
    return Span(end_day - timedelta(int(days)), end_day)


def _ranges() -> list[tuple[str, str, bool]]:
    names = {"7": _("7 days"), "30": _("30 days"), "90": _("90 days")}
    chosen = request.args.get("range", "30")
    return [(names[key], url_for("web.dashboard", range=key), key == chosen) for key in RANGES]


def _money(session: Session, span: Span) -> dict[str, Any]:
    zone = ZoneInfo(g.merchant.time_zone)
    month = Span((span.end_day - timedelta(1)).replace(day=1), span.end_day)
    earliest = min(span.before.first_day, month.first_day)
    days = {"first_day": earliest, "end_day": span.end_day}
    came = invoices.collected_by_day(session, **days, zone=zone)
    left = returned.returned_by_day(session, **days, zone=zone)
    gross = _by_day((row.day, row.gross) for row in came)
    back = _by_day((row.day, row.amount) for row in left)
    current, previous = (_sum(gross, each) for each in (span, span.before))
    return {
        "gross": current,
        "growth": _growth(current, previous),
        "went_back": _say_returned(current, _sum(back, span)),
        "month_net": _sum(gross, month) - _sum(back, month),
        "month_went_back": _say_deducted(_sum(back, month)),
        "settlements": _settlements(came, left, month),
        "outstanding": invoices.outstanding(session, now=now()),
        "spark": charts.sparkline([float(gross[day]) for day in span]),
        "month_from": month.first_day,
        **_chart(span, gross),
    }


def _chart(span: Span, gross: dict[date, int]) -> dict[str, Any]:
    """Draw what was collected, day by day in yuan, over the days before."""
    lines = [[float(gross[day]) / 100 for day in days] for days in (span, span.before)]
    drawing, pattern = charts.line_chart(lines), _("MMM d")
    return {
        "drawing": drawing,
        "columns": [_("Day"), _("Collected"), _("Period before")],
        "table": [
            (format_date(day, pattern), _yuan(gross[day]), _yuan(gross[earlier]))
            for day, earlier in zip(span, span.before, strict=True)
        ],
        "y_labels": [f"¥{short(tick)}" for tick in drawing.ticks],
        "x_labels": axis_days(list(span)),
    }


def _usage(session: Session, span: Span) -> dict[str, Any]:
    events = rates.events_by_day(session, first_day=span.before.first_day, end_day=span.end_day)
    current, previous = (sum(events.get(day, 0) for day in days) for days in (span, span.before))
    return {
        "events": current,
        "events_growth": 100 * (current - previous) / previous if previous else None,
        "events_spark": charts.sparkline([float(events.get(day, 0)) for day in span]),
    }


def _by_day(amounts: Iterable[tuple[date, Money]]) -> dict[date, int]:
    """Add up what is of one day, in fen."""
    found: dict[date, int] = defaultdict(int)
    for day, amount in amounts:
        found[day] += amount.minor
    return found


def _sum(gross: dict[date, int], span: Span) -> Money:
    return Money(sum(gross[day] for day in span), Currency.CNY)


def _growth(current: Money, previous: Money) -> float | None:
    """Return the change in percent, or None when there is nothing to compare with."""
    if not previous:
        return None
    return 100 * (current.minor - previous.minor) / previous.minor


def _say_returned(gross: Money, back: Money) -> str:
    """Say what of the collected went back in the same days, and what that leaves."""
    if not back:
        return ""
    said: str = _(
        "%(amount)s went back in these days; that leaves %(net)s.",
        amount=_yuan(back.minor),
        net=_yuan((gross - back).minor),
    )
    return said


def _say_deducted(back: Money) -> str:
    if not back:
        return ""
    said: str = _("less %(amount)s that went back", amount=_yuan(back.minor))
    return said


def _yuan(minor: int) -> str:
    return f"{'−' if minor < 0 else ''}¥{Money(abs(minor), Currency.CNY).major:,}"


def _settlements(came: Iterable[Collected], left: Iterable[Returned], span: Span) -> list[Money]:
    """Return the net settlement of the span less what was given back, in each currency."""
    moved = [(row.day, row.settlement) for row in came]
    moved += [(row.day, -row.settlement) for row in left]
    totals: dict[Currency, Money] = {}
    for day, settlement in moved:
        if day >= span.first_day:
            currency = settlement.currency
            totals[currency] = totals.get(currency, Money.zero(currency)) + settlement
    return list(totals.values())


def _owed(session: Session) -> list[Money]:
    """Return what the platform owes the merchant, in each currency, out of the ledger."""
    return [
        Money(-balance.amount_minor, Currency(balance.currency))
        for balance in ledger.balances(session)
        if balance.account == Account.MERCHANT_PAYABLE and balance.amount_minor
    ]


def _recent(session: Session) -> Sequence[tuple[ListedInvoice, str, str]]:
    found = invoice_lists.list_invoices(session, InvoiceFilter(), limit=_RECENT).rows
    named = customers.customer_names(session, {row.customer_id for row in found})
    return [
        (
            row,
            named[row.customer_id].name,
            url_for("web.invoice", invoice_id=show(Prefix.INVOICE, row.id)),
        )
        for row in found
    ]


def _troubles(session: Session) -> list[Trouble]:
    troubles = []
    for endpoint in webhooks.list_endpoints(session):
        troubles += _webhook_trouble(endpoint)
    troubles += refund_troubles.list_troubles(session)
    troubles += [_failure_trouble(row) for row in failures.list_failures(session).rows]
    return troubles + [
        _unpriced_trouble(session, each) for each in alerts.unpriced(session, now=now())
    ]


def _failure_trouble(failure: RunFailure) -> Trouble:
    if failure.subject.startswith(f"{Prefix.CONTRACT}_"):
        href = url_for("web.contract", contract_id=failure.subject)
    else:
        href = url_for("web.invoice", invoice_id=failure.subject)
    return Trouble(_("An invoice could not be made"), say_code(failure.code, failure.message), href)


def _unpriced_trouble(session: Session, gap: Unpriced) -> Trouble:
    card = catalogue.get_rate_card(session, gap.version.rate_card_id)
    return Trouble(
        _("%(metric)s is used and has no price", metric=gap.metric.name),
        ngettext(
            "In the last 30 days %(num)s customer on %(card)s v%(number)s used it in a way that no "
            "price takes. It will be billed at nothing.",
            "In the last 30 days %(num)s customers on %(card)s v%(number)s used it in a way that "
            "no price takes. It will be billed at nothing.",
            gap.customers,
            card=card.name,
            number=gap.version.number,
        ),
        url_for("web.rate_card", rate_card_id=show(Prefix.RATE_CARD, card.id)),
    )


def _webhook_trouble(endpoint: WebhookEndpoint) -> list[Trouble]:
    href = url_for("web.webhook", endpoint_id=show(Prefix.WEBHOOK_ENDPOINT, endpoint.id))
    by_us = {DisabledReason.GONE, DisabledReason.FAILING}
    if endpoint.status is EndpointStatus.DISABLED and endpoint.disabled_reason in by_us:
        return [Trouble(_("A webhook was switched off"), endpoint.url, href)]
    if endpoint.failing_since:
        return [Trouble(_("A webhook is failing"), endpoint.url, href)]
    return []
