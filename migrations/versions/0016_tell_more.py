"""Tell more by webhook: count the events of an object, the attempts of a day, warn in time."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.guards import without_guard

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("webhook_events", sa.Column("object_id", sa.Text(), nullable=True))
    op.add_column("webhook_events", sa.Column("sequence", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_webhook_events_object", "webhook_events", ["merchant_id", "object_id", "sequence"]
    )
    op.drop_column("webhook_deliveries", "leased_until")
    op.add_column("webhook_endpoints", sa.Column("leased_until", _TIME, nullable=True))
    op.add_column("webhook_endpoints", sa.Column("warned_at", _TIME, nullable=True))
    op.add_column("webhook_attempts", sa.Column("endpoint_id", sa.BigInteger(), nullable=True))
    without_guard(
        "webhook_attempts",
        "UPDATE webhook_attempts AS attempt SET endpoint_id = delivery.endpoint_id "
        "FROM webhook_deliveries AS delivery "
        "WHERE delivery.merchant_id = attempt.merchant_id AND delivery.id = attempt.delivery_id",
        "webhook_deliveries",
    )
    op.alter_column("webhook_attempts", "endpoint_id", nullable=False)
    op.create_index(
        "ix_webhook_attempts_day",
        "webhook_attempts",
        ["merchant_id", "endpoint_id", "attempted_at"],
    )
