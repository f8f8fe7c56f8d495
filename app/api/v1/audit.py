"""Audit entries: who did what to which row, and what it changed."""

from typing import Any

from app.api.operations import Call
from app.api.v1.base import API, Listing, Moment, Out, PageQuery, utc
from app.audit import queries
from app.audit.models import ActorKind, AuditEntry
from app.core.ids import Prefix, show
from app.identity.models import Scope

TAG = "Audit"
_KINDS = {ActorKind.USER: Prefix.USER, ActorKind.API_KEY: Prefix.API_KEY}


class AuditQuery(PageQuery, kw_only=True):
    """Whose entries: `subject` is the id of the row, such as that of a rate card."""

    subject: str = ""


class AuditEntryOut(Out):
    """One deed, with what changed in its `subject`; `actorId` is null when the product did it."""

    id: str
    at: Moment
    actor_kind: ActorKind
    actor_id: str | None
    actor_name: str
    action: str
    subject: str
    before: dict[str, Any]
    after: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditEntryOut":
        return cls(
            id=show(Prefix.AUDIT_ENTRY, entry.id),
            at=utc(entry.at),
            actor_kind=entry.actor_kind,
            actor_id=_actor_id(entry),
            actor_name=entry.actor_name,
            action=entry.action,
            subject=entry.subject,
            before=entry.before,
            after=entry.after,
        )


class AuditEntryList(Listing[AuditEntryOut]):
    """A page of audit entries, newest first."""


@API.route(
    "GET",
    "/audit-entries",
    scope=Scope.AUDIT_READ,
    tag=TAG,
    query=AuditQuery,
    returns=AuditEntryList,
)
def list_audit_entries(call: Call, query: AuditQuery) -> Listing[AuditEntryOut]:
    """List who did what: to one row, or to all of them."""
    page = queries.list_entries(call.session, subject=query.subject or None, **query.page)
    return AuditEntryList.of(page, AuditEntryOut.of)


def _actor_id(entry: AuditEntry) -> str | None:
    prefix = _KINDS.get(entry.actor_kind)
    return None if prefix is None or entry.actor_id is None else show(prefix, entry.actor_id)
