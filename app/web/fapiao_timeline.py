"""What happened to a fapiao request, the last thing first."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _

from app.billing.fapiao_models import FapiaoRequest


@dataclass(frozen=True)
class Happening:
    """One entry of the timeline."""

    tone: str
    icon: str
    title: str
    at: datetime
    text: str = ""


def story_of(found: FapiaoRequest) -> list[Happening]:
    """Return what happened to the request."""
    story = [Happening("", "send", _("Requested by the buyer"), found.requested_at, found.email)]
    if found.changed_at:
        story.append(Happening("", "pencil", _("Changed by the buyer"), found.changed_at))
    if found.withdrawn_at:
        story.append(Happening("", "undo-2", _("Withdrawn by the buyer"), found.withdrawn_at))
    if found.rejected_at:
        reason = found.reject_reason or ""
        story.append(Happening("bad", "ban", _("Rejected"), found.rejected_at, reason))
    if found.issued_at:
        number = found.number or ""
        story.append(Happening("ok", "stamp", _("Issued and mailed"), found.issued_at, number))
    if found.red_letter_requested_at:
        at, reason = found.red_letter_requested_at, found.red_letter_reason or ""
        story.append(Happening("warn", "triangle-alert", _("Red letter due"), at, reason))
    if found.red_lettered_at:
        at, number = found.red_lettered_at, found.red_number or ""
        story.append(Happening("", "file-minus", _("Red letter issued and mailed"), at, number))
    return story[::-1]
