"""Show what runs do: how far each is, and what could not be invoiced, with the reason."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.guards import tenant

revision: str = '0009'
down_revision: str | None = '0008'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column('invoice_runs', sa.Column('total', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('invoice_runs', sa.Column('progressed_at', _TIME, server_default=sa.text('now()'), nullable=False))
    op.create_table('run_failures',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('attempts', sa.BigInteger(), nullable=False),
    sa.Column('first_failed_at', _TIME, nullable=False),
    sa.Column('last_failed_at', _TIME, nullable=False),
    sa.Column('retry_at', _TIME, nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', 'subject', name=op.f('pk_run_failures')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_run_failures_id', 'run_failures', ['merchant_id', 'id'])
    tenant('run_failures', grants='SELECT, INSERT, UPDATE, DELETE')
