"""Keep documents as long as somebody may ask for them, and their downloads for some days."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_invoice_bulks_files",
        "invoice_bulks",
        ["merchant_id", "ended_at"],
        postgresql_where=sa.text("storage_key IS NOT NULL"),
    )
