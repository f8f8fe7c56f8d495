"""Deliver: webhooks, documents and mails. What went out is kept and never changed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.guards import tenant

revision: str = '0002'
down_revision: str | None = '0001'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table('documents',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Enum('invoice_pdf', 'receipt_pdf', name='documentkind', native_enum=False, length=32), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=False),
    sa.Column('language', sa.Enum('zh_Hans_CN', 'en', name='language', native_enum=False, length=32), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('storage_key', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('invoice_pdf', 'receipt_pdf')", name=op.f('ck_documents_kind')),
    sa.CheckConstraint("language IN ('zh_Hans_CN', 'en')", name=op.f('ck_documents_language')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_documents')),
    sa.UniqueConstraint('merchant_id', 'kind', 'subject_id', 'language', name='uq_documents_subject'),
    info={'scale': 'tenant'}
    )
    op.create_table('mails',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Enum('invoice_issued', 'invoice_paid', name='mailkind', native_enum=False, length=32), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('recipient', sa.Text(), nullable=False),
    sa.Column('recipient_name', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('text_body', sa.Text(), nullable=False),
    sa.Column('html_body', sa.Text(), nullable=False),
    sa.Column('attachment_name', sa.Text(), nullable=True),
    sa.Column('attachment_key', sa.Text(), nullable=True),
    sa.Column('status', sa.Enum('queued', 'sent', 'failed', 'dead', name='mailstatus', native_enum=False, length=32), nullable=False),
    sa.Column('attempts', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('queued_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.CheckConstraint("status IN ('queued', 'sent', 'failed', 'dead')", name=op.f('ck_mails_status')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_mails')),
    sa.UniqueConstraint('merchant_id', 'kind', 'reference', name='uq_mails_reference'),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_mails_due', 'mails', ['merchant_id', 'due_at'], unique=False, postgresql_where=sa.text("status IN ('queued', 'failed')"))
    op.create_table('webhook_endpoints',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('event_types', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('status', sa.Enum('active', 'disabled', 'archived', name='endpointstatus', native_enum=False, length=32), nullable=False),
    sa.Column('disabled_reason', sa.Enum('merchant', 'gone', 'failing', name='disabledreason', native_enum=False, length=32), nullable=True),
    sa.Column('secret', sa.Text(), nullable=False),
    sa.Column('previous_secret', sa.Text(), nullable=True),
    sa.Column('previous_secret_expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('active', 'disabled', 'archived')", name=op.f('ck_webhook_endpoints_status')),
    sa.CheckConstraint('(previous_secret IS NULL) = (previous_secret_expires_at IS NULL)', name=op.f('ck_webhook_endpoints_previous_secret')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_webhook_endpoints')),
    info={'scale': 'tenant'}
    )
    op.create_table('webhook_events',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('event_type', sa.Enum('invoice.created', 'invoice.paid', 'invoice.voided', 'invoice.refunded', 'payment.unapplied', 'payout.completed', name='eventtype', native_enum=False, length=32), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('payload', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_webhook_events')),
    sa.UniqueConstraint('merchant_id', 'event_type', 'reference', name='uq_webhook_events_reference'),
    info={'scale': 'tenant'}
    )
    op.create_table('webhook_deliveries',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('endpoint_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Enum('pending', 'delivered', 'failed', 'dead', name='deliverystatus', native_enum=False, length=32), nullable=False),
    sa.Column('attempts', sa.BigInteger(), nullable=False),
    sa.Column('failures', sa.BigInteger(), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('delivered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('pending', 'delivered', 'failed', 'dead')", name=op.f('ck_webhook_deliveries_status')),
    sa.ForeignKeyConstraint(['merchant_id', 'endpoint_id'], ['webhook_endpoints.merchant_id', 'webhook_endpoints.id'], name=op.f('fk_webhook_deliveries_webhook_endpoints')),
    sa.ForeignKeyConstraint(['merchant_id', 'event_id'], ['webhook_events.merchant_id', 'webhook_events.id'], name=op.f('fk_webhook_deliveries_webhook_events')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_webhook_deliveries')),
    sa.UniqueConstraint('merchant_id', 'event_id', 'endpoint_id', name='uq_webhook_deliveries_event'),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_webhook_deliveries_due', 'webhook_deliveries', ['merchant_id', 'endpoint_id', 'next_attempt_at'], unique=False, postgresql_where=sa.text('next_attempt_at IS NOT NULL'))
    op.create_index('ix_webhook_deliveries_endpoint', 'webhook_deliveries', ['merchant_id', 'endpoint_id', 'id'], unique=False)
    op.create_table('webhook_attempts',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('delivery_id', sa.BigInteger(), nullable=False),
    sa.Column('attempted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('http_status', sa.BigInteger(), nullable=True),
    sa.Column('error', sa.Enum('blocked', 'name_not_found', 'not_connected', 'tls_failed', 'timed_out', 'invalid_response', name='attempterror', native_enum=False, length=32), nullable=True),
    sa.Column('duration_ms', sa.BigInteger(), nullable=False),
    sa.Column('response_head', sa.Text(), nullable=False),
    sa.CheckConstraint('(http_status IS NULL) <> (error IS NULL)', name=op.f('ck_webhook_attempts_one_end')),
    sa.ForeignKeyConstraint(['merchant_id', 'delivery_id'], ['webhook_deliveries.merchant_id', 'webhook_deliveries.id'], name=op.f('fk_webhook_attempts_webhook_deliveries')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_webhook_attempts')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_webhook_attempts_delivery', 'webhook_attempts', ['merchant_id', 'delivery_id', 'id'], unique=False)
    for table in ("mails", "webhook_endpoints", "webhook_deliveries"):
        tenant(table)
    for table in ("documents", "webhook_events", "webhook_attempts"):
        tenant(table, grants="SELECT, INSERT")
