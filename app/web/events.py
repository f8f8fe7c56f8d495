"""The events explorer: what came and what became of it, and new events as they arrive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from flask import Response as Answer
from flask import g, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Invalid
from app.core.ids import Prefix, read, show
from app.core.paging import DEFAULT_LIMIT
from app.extensions import transaction
from app.metering import queries
from app.metering.queries import EventFilter, ListedEvent
from app.pricing import queries as catalogue
from app.pricing.queries import MetricName
from app.web import csv, event_rates, listing, snippets
from app.web.access import now
from app.web.event_lists import HEADER, chosen_filter, csv_rows, filter_fields, find_page, rows_of
from app.web.page import is_partial, page
from app.web.usage_tabs import EVENTS, usage_tabs

LIVE_FOR = timedelta(minutes=10)
"""How long a live list goes on by itself."""


@dataclass(frozen=True)
class Live:
    """A list that asks for new events: since when, and after which one, if it has asked before."""

    started: int
    after_id: int | None

    @property
    def is_over(self) -> bool:
        return _seconds() - self.started >= LIVE_FOR.total_seconds()


def usage_events() -> Response:
    """Show one page of events, or all of them as a file, or what has arrived meanwhile."""
    if listing.wants_csv():
        return csv.answer("usage-events", HEADER, csv_rows(g.merchant_id))
    live = _chosen_live()
    with transaction(g.merchant_id) as session:
        wanted = chosen_filter(session)
        arrived = _arrived(session, wanted) if live else []
        if live and not live.is_over and live.after_id == _newest(arrived):
            return Answer(status=204)
        return _list(session, wanted, live, arrived=arrived)


def events_by_hour() -> Response:
    """Draw how many events happened in each of the last 24 hours: a part of the page."""
    with transaction(g.merchant_id) as session:
        rate = event_rates.by_hour(session)
    return page("usage/hours.html", fragment="hours", nav="usage", rate=rate)


def _list(
    session: Session, wanted: EventFilter, live: Live | None, *, arrived: Sequence[ListedEvent]
) -> Response:
    found = find_page(session, wanted, listing.cursor())
    each = {listed.event.id: listed for listed in [*arrived, *found.rows]}
    shown = list(each.values())[:DEFAULT_LIMIT]
    metrics = catalogue.metric_names(session)
    return page(
        "usage/events.html",
        fragment="rows",
        nav="usage",
        rows=rows_of(session, shown, metrics, new_after=live.after_id if live else None),
        looked_back_to=found.looked_back_to,
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
        **_live_links(live, arrived),
        **({} if is_partial() else _around(session, metrics, is_empty=not shown)),
    )


def _around(
    session: Session, metrics: Mapping[int, MetricName], *, is_empty: bool
) -> dict[str, Any]:
    """Return what stands around the list; a live one does without, every two seconds."""
    return {
        "tabs": usage_tabs(session, EVENTS),
        "rate": event_rates.by_day(session),
        "rate_url": url_for("web.events_by_hour"),
        "snippet": _first_event(session) if is_empty else "",
        **filter_fields(metrics.values()),
    }


def _first_event(session: Session) -> str:
    """Return the command that sends a first event, when there never was one."""
    if queries.list_events(session, EventFilter(), limit=1).rows:
        return ""
    return snippets.first_event(session, now=now())


def _chosen_live() -> Live | None:
    """Return what the address says of a live list. Raises Invalid and NotFound."""
    started, after = request.args.get("live", ""), request.args.get("after", "")
    if not started:
        return None
    if not started.isascii() or not started.isdecimal() or len(started) > len("9999999999"):
        raise Invalid("must be a time in seconds", path="live")
    return Live(int(started), read(Prefix.USAGE_EVENT, after) if after else None)


def _arrived(session: Session, wanted: EventFilter) -> list[ListedEvent]:
    """Return what has just arrived, whenever it happened."""
    return queries.newest_events(session, replace(wanted, from_at=None, to_at=None))


def _newest(arrived: Sequence[ListedEvent]) -> int:
    return max((listed.event.id for listed in arrived), default=0)


def _live_links(live: Live | None, arrived: Sequence[ListedEvent]) -> dict[str, Any]:
    """Return where a live list asks again, and where it is begun and ended."""
    after = show(Prefix.USAGE_EVENT, _newest(arrived))
    return {
        "live": live,
        "poll_url": listing.address(after=after) if live and not live.is_over else "",
        "start_url": listing.address(live=str(_seconds()), after=""),
        "stop_url": listing.address(live="", after=""),
    }


def _seconds() -> int:
    return int(clock.now().timestamp())
