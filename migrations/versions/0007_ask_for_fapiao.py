"""Ask for fapiao: requests, and the files of what was issued."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.guards import tenant

revision: str = '0007'
down_revision: str | None = '0006'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)
_LIVE = "status IN ('requested', 'issued', 'red_letter_requested')"


def upgrade() -> None:
    add_requests()
    add_files()
    tenant("fapiao_requests")
    tenant("fapiao_files", grants="SELECT, INSERT")


def add_requests() -> None:
    op.create_table('fapiao_requests',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Enum('requested', 'issued', 'rejected', 'withdrawn', 'red_letter_requested', 'red_lettered', name='fapiaostatus', native_enum=False, length=32), nullable=False),
    sa.Column('revision', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Enum('general', 'special', name='fapiaokind', native_enum=False, length=32), nullable=False),
    sa.Column('title_type', sa.Enum('company', 'personal', name='titletype', native_enum=False, length=32), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('tax_id', sa.Text(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('phone', sa.Text(), nullable=False),
    sa.Column('bank', sa.Text(), nullable=False),
    sa.Column('account', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('tax_minor', sa.BigInteger(), nullable=False),
    sa.Column('tax_rows', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('requested_at', _TIME, nullable=False),
    sa.Column('changed_at', _TIME, nullable=True),
    sa.Column('withdrawn_at', _TIME, nullable=True),
    sa.Column('issued_at', _TIME, nullable=True),
    sa.Column('number', sa.Text(), nullable=True),
    sa.Column('code', sa.Text(), nullable=True),
    sa.Column('issued_on', sa.Date(), nullable=True),
    sa.Column('rejected_at', _TIME, nullable=True),
    sa.Column('reject_reason', sa.Text(), nullable=True),
    sa.Column('red_letter_requested_at', _TIME, nullable=True),
    sa.Column('red_letter_reason', sa.Text(), nullable=True),
    sa.Column('red_lettered_at', _TIME, nullable=True),
    sa.Column('red_number', sa.Text(), nullable=True),
    sa.Column('red_issued_on', sa.Date(), nullable=True),
    sa.CheckConstraint("status IN ('requested', 'issued', 'rejected', 'withdrawn', 'red_letter_requested', 'red_lettered')", name=op.f('ck_fapiao_requests_status')),
    sa.CheckConstraint("kind IN ('general', 'special')", name=op.f('ck_fapiao_requests_kind')),
    sa.CheckConstraint("title_type IN ('company', 'personal')", name=op.f('ck_fapiao_requests_title_type')),
    sa.CheckConstraint("title_type = 'personal' OR tax_id <> ''", name=op.f('ck_fapiao_requests_tax_id')),
    sa.CheckConstraint("title_type = 'company' OR kind = 'general'", name=op.f('ck_fapiao_requests_special')),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_fapiao_requests_amount')),
    sa.CheckConstraint("num_nonnulls(number, issued_on, issued_at) = CASE WHEN status IN ('issued', 'red_letter_requested', 'red_lettered') THEN 3 ELSE 0 END", name=op.f('ck_fapiao_requests_issued')),
    sa.CheckConstraint("num_nonnulls(reject_reason, rejected_at) = CASE status WHEN 'rejected' THEN 2 ELSE 0 END", name=op.f('ck_fapiao_requests_rejected')),
    sa.CheckConstraint("(status = 'withdrawn') = (withdrawn_at IS NOT NULL)", name=op.f('ck_fapiao_requests_withdrawn')),
    sa.CheckConstraint("num_nonnulls(red_number, red_issued_on, red_lettered_at) = CASE status WHEN 'red_lettered' THEN 3 ELSE 0 END", name=op.f('ck_fapiao_requests_red_lettered')),
    sa.ForeignKeyConstraint(['merchant_id', 'customer_id'], ['customers.merchant_id', 'customers.id'], name=op.f('fk_fapiao_requests_customers')),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_fapiao_requests_invoices')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_fapiao_requests')),
    info={'scale': 'tenant'}
    )
    op.create_index('uq_fapiao_requests_live', 'fapiao_requests', ['merchant_id', 'invoice_id'], unique=True, postgresql_where=sa.text(_LIVE))
    op.create_index('ix_fapiao_requests_invoice_id', 'fapiao_requests', ['merchant_id', 'invoice_id', 'id'])
    op.create_index('ix_fapiao_requests_status', 'fapiao_requests', ['merchant_id', 'status', 'id'])


def add_files() -> None:
    op.create_table('fapiao_files',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('request_id', sa.BigInteger(), nullable=False),
    sa.Column('part', sa.Enum('fapiao', 'red_letter', name='fapiaopart', native_enum=False, length=32), nullable=False),
    sa.Column('format', sa.Enum('pdf', 'ofd', 'xml', name='fapiaoformat', native_enum=False, length=32), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('storage_key', sa.Text(), nullable=False),
    sa.Column('uploaded_at', _TIME, nullable=False),
    sa.CheckConstraint("part IN ('fapiao', 'red_letter')", name=op.f('ck_fapiao_files_part')),
    sa.CheckConstraint("format IN ('pdf', 'ofd', 'xml')", name=op.f('ck_fapiao_files_format')),
    sa.ForeignKeyConstraint(['merchant_id', 'request_id'], ['fapiao_requests.merchant_id', 'fapiao_requests.id'], name=op.f('fk_fapiao_files_fapiao_requests')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_fapiao_files')),
    sa.UniqueConstraint('merchant_id', 'request_id', 'part', name='uq_fapiao_files_part'),
    info={'scale': 'tenant'}
    )
