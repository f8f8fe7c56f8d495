"""Reading what was done."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.models import AuditEntry
from app.core.paging import DEFAULT_LIMIT, Page, newest_first


def list_entries(
    session: Session,
    *,
    subject: str | None = None,
    action: str | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[AuditEntry]:
    """Return what was done, newest first: all, or to one subject, or of one kind.

    Raises Invalid.
    """
    statement = select(AuditEntry)
    if subject is not None:
        statement = statement.where(AuditEntry.subject == subject)
    if action is not None:
        statement = statement.where(AuditEntry.action == action)
    return newest_first(session, statement, AuditEntry.id, cursor=cursor, limit=limit)
