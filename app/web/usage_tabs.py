"""The three pages of usage, and how many events wait on the last of them."""

from flask import url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.metering import dead_events

Tab = tuple[str, str, int | None, bool]

CHARTS, EVENTS, UNMATCHED = "usage", "usage_events", "dead_events"


def usage_tabs(session: Session, current: str) -> list[Tab]:
    """Return the tabs as `ui.tabs` takes them; what waits is counted only when something does."""
    waiting = dead_events.count_waiting(session) or None
    tabs = ((CHARTS, _("Charts"), None), (EVENTS, _("Events"), None))
    return [
        (label, url_for(f"web.{page}"), count, page == current)
        for page, label, count in (*tabs, (UNMATCHED, _("Unmatched"), waiting))
    ]
