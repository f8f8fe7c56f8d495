"""Writing down a deed, in the transaction that does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.audit.models import ActorKind, AuditEntry
from app.core import db


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: a signed-in user, an API key, or the product itself.

    `name` is how people know the actor: an e-mail address, a key's name.
    """

    kind: ActorKind
    id: int | None
    name: str

    def dump(self) -> dict[str, str]:
        """Write the actor as arguments of a job, which are texts."""
        number = "" if self.id is None else str(self.id)
        return {"actor_kind": self.kind.value, "actor_id": number, "actor_name": self.name}

    @classmethod
    def load(cls, *, actor_kind: str, actor_id: str, actor_name: str) -> "Actor":
        """Read what `dump` wrote."""
        return cls(ActorKind(actor_kind), int(actor_id) if actor_id else None, actor_name)


SYSTEM = Actor(ActorKind.SYSTEM, None, "BuffMoney")


@dataclass(frozen=True, slots=True)
class Change:
    """What a deed changed of its subject, as JSON: what was there, and what is there now."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]


def record(
    session: Session, actor: Actor, action: str, *, subject: str, change: Change, now: datetime
) -> None:
    """Write down that `actor` did `action` to `subject`, whose public id that is.

    What changed nothing is no deed.
    """
    if change.before == change.after:
        return
    session.add(
        AuditEntry(
            merchant_id=db.merchant_of(session),
            at=now,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            action=action,
            subject=subject,
            before=dict(change.before),
            after=dict(change.after),
        )
    )
