"""Remind customers of what is due: a ladder per merchant, and what became of each step."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.guards import tenant

revision: str = '0008'
down_revision: str | None = '0007'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column('customers', sa.Column('is_reminded', sa.Boolean(), server_default=sa.text('true'), nullable=False))
    op.add_column('invoices', sa.Column('remind_at', _TIME, nullable=True))
    op.create_index('ix_invoices_remind_at', 'invoices', ['merchant_id', 'remind_at'], postgresql_where=sa.text("status = 'open'"))
    op.drop_constraint('ck_mails_status', 'mails')
    op.create_check_constraint(op.f('ck_mails_status'), 'mails', "status IN ('queued', 'sent', 'failed', 'dead', 'withdrawn')")
    add_settings()
    add_reminders()
    tenant("reminder_settings")
    tenant("invoice_reminders", grants="SELECT, INSERT")


def add_settings() -> None:
    op.create_table('reminder_settings',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('is_on', sa.Boolean(), nullable=False),
    sa.Column('steps', sa.ARRAY(sa.SmallInteger()), nullable=False),
    sa.Column('updated_at', _TIME, nullable=False),
    sa.CheckConstraint('cardinality(steps) BETWEEN 1 AND 10 AND -30 <= ALL (steps) AND 90 >= ALL (steps)', name=op.f('ck_reminder_settings_steps')),
    sa.PrimaryKeyConstraint('merchant_id', name=op.f('pk_reminder_settings')),
    info={'scale': 'tenant'}
    )


def add_reminders() -> None:
    op.create_table('invoice_reminders',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Enum('ladder', 'manual', name='reminderkind', native_enum=False, length=32), nullable=False),
    sa.Column('days', sa.SmallInteger(), nullable=True),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('outcome', sa.Enum('mailed', 'skipped', 'opted_out', 'no_email', 'outdated', name='reminderoutcome', native_enum=False, length=32), nullable=False),
    sa.Column('mail_id', sa.BigInteger(), nullable=True),
    sa.Column('created_at', _TIME, nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.CheckConstraint("kind IN ('ladder', 'manual')", name=op.f('ck_invoice_reminders_kind')),
    sa.CheckConstraint("outcome IN ('mailed', 'skipped', 'opted_out', 'no_email', 'outdated')", name=op.f('ck_invoice_reminders_outcome')),
    sa.CheckConstraint("(kind = 'ladder') = (days IS NOT NULL)", name=op.f('ck_invoice_reminders_days')),
    sa.CheckConstraint("(outcome = 'mailed') = (mail_id IS NOT NULL)", name=op.f('ck_invoice_reminders_mail_id')),
    sa.CheckConstraint("kind = 'ladder' OR outcome = 'mailed'", name=op.f('ck_invoice_reminders_manual')),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_invoice_reminders_invoices')),
    sa.ForeignKeyConstraint(['merchant_id', 'mail_id'], ['mails.merchant_id', 'mails.id'], name=op.f('fk_invoice_reminders_mails')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_invoice_reminders')),
    sa.UniqueConstraint('merchant_id', 'invoice_id', 'days', name='uq_invoice_reminders_step'),
    info={'scale': 'tenant'}
    )
    op.create_index('uq_invoice_reminders_day', 'invoice_reminders', ['merchant_id', 'invoice_id', 'day'], unique=True, postgresql_where=sa.text("outcome = 'mailed'"))
