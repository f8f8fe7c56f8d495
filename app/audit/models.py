"""Audit entries: append-only, one for each deed worth asking about later."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of


class ActorKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    SYSTEM = "system"


class AuditEntry(Tenant, Base):
    """One deed. `subject` is the public id of what it was done to.

    `before` and `after` hold what changed, and only that.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        one_of("actor_kind", ActorKind),
        Index("ix_audit_entries_subject", "merchant_id", "subject", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    at: Mapped[datetime]
    actor_kind: Mapped[ActorKind]
    actor_id: Mapped[int | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
