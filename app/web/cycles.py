"""Cycles in words: how often a contract is invoiced, and what its periods are aligned to."""

from flask_babel import gettext as _

from app.core.periods import Cycle


def words() -> dict[Cycle, str]:
    """Name each cycle as a list and a contract's page show it."""
    return {
        Cycle.WEEKLY_CALENDAR: _("Calendar week"),
        Cycle.WEEKLY_ANNIVERSARY: _("Week from the start"),
        Cycle.MONTHLY_CALENDAR: _("Calendar month"),
        Cycle.MONTHLY_ANNIVERSARY: _("Month from the start"),
        Cycle.QUARTERLY_CALENDAR: _("Calendar quarter"),
        Cycle.QUARTERLY_ANNIVERSARY: _("Quarter from the start"),
        Cycle.SEMIANNUAL_CALENDAR: _("Calendar half-year"),
        Cycle.SEMIANNUAL_ANNIVERSARY: _("Half-year from the start"),
        Cycle.YEARLY_CALENDAR: _("Calendar year"),
        Cycle.YEARLY_ANNIVERSARY: _("Year from the start"),
    }


def choices() -> list[tuple[str, str]]:
    """Offer the cycles of a new contract; what most want comes first."""
    offered = {
        Cycle.MONTHLY_CALENDAR: _("At the end of each calendar month"),
        Cycle.MONTHLY_ANNIVERSARY: _("Each month, counted from the start"),
        Cycle.WEEKLY_CALENDAR: _("At the end of each calendar week, Monday to Sunday"),
        Cycle.WEEKLY_ANNIVERSARY: _("Each week, counted from the start"),
        Cycle.QUARTERLY_CALENDAR: _("At the end of each calendar quarter"),
        Cycle.QUARTERLY_ANNIVERSARY: _("Each quarter, counted from the start"),
        Cycle.SEMIANNUAL_CALENDAR: _("At the end of June and of December"),
        Cycle.SEMIANNUAL_ANNIVERSARY: _("Each half-year, counted from the start"),
        Cycle.YEARLY_CALENDAR: _("At the end of each calendar year"),
        Cycle.YEARLY_ANNIVERSARY: _("Each year, counted from the start"),
    }
    return [(cycle.value, text) for cycle, text in offered.items()]
