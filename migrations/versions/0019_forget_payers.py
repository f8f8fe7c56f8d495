"""Forget payers: let the address in an old refusal be taken out, and nothing else of it change."""

from collections.abc import Sequence

from alembic import op

from migrations.guards import WRITERS

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute(f"GRANT UPDATE (subject) ON risk_hits TO {', '.join(WRITERS)}")
