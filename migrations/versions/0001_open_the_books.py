"""Open the books: the tables of the chain, and who may do what with them.

Row-Level Security on every tenant table, a ledger that only takes balanced INSERTs, rate-card
versions that nobody can change.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.guards import shared, tenant

revision: str = '0001'
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table('api_keys',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('prefix', sa.Text(), nullable=False),
    sa.Column('secret_hash', sa.LargeBinary(), nullable=False),
    sa.Column('scopes', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_api_keys')),
    sa.UniqueConstraint('merchant_id', 'prefix', name=op.f('uq_api_keys_merchant_id_prefix')),
    info={'scale': 'tenant'}
    )
    op.create_table('channel_callbacks',
    sa.Column('channel', sa.Enum('wechat', 'alipay', name='channelname', native_enum=False, length=32), nullable=False),
    sa.Column('notice_id', sa.Text(), nullable=False),
    sa.Column('merchant_id', sa.BigInteger(), nullable=True),
    sa.Column('headers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('channel', 'notice_id', name=op.f('pk_channel_callbacks')),
    info={'scale': 'global'}
    )
    op.create_table('companies',
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_companies')),
    info={'scale': 'global'}
    )
    op.create_table('customers',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('language', sa.Text(), nullable=False),
    sa.Column('status', sa.Enum('active', 'archived', name='customerstatus', native_enum=False, length=32), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('active', 'archived')", name=op.f('ck_customers_status')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_customers')),
    sa.UniqueConstraint('merchant_id', 'external_id', name=op.f('uq_customers_merchant_id_external_id')),
    info={'scale': 'tenant'}
    )
    op.create_table('directory',
    sa.Column('kind', sa.Enum('email', name='directorykind', native_enum=False, length=32), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('target_id', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('kind', 'key', name=op.f('pk_directory')),
    info={'scale': 'global'}
    )
    op.create_table('idempotency_records',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(collation='C'), nullable=False),
    sa.Column('fingerprint', sa.LargeBinary(), nullable=False),
    sa.Column('status', sa.BigInteger(), nullable=True),
    sa.Column('content_type', sa.Text(), nullable=True),
    sa.Column('body', sa.LargeBinary(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', 'key', name=op.f('pk_idempotency_records')),
    info={'scale': 'tenant'}
    )
    op.create_table('invoice_counters',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('series', sa.Text(), nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', 'series', name=op.f('pk_invoice_counters')),
    info={'scale': 'tenant'}
    )
    op.create_table('invoice_runs',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('trigger', sa.Enum('schedule', 'admin', 'merchant', name='runtrigger', native_enum=False, length=32), nullable=False),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('drafted', sa.BigInteger(), nullable=False),
    sa.Column('finalized', sa.BigInteger(), nullable=False),
    sa.Column('failed', sa.BigInteger(), nullable=False),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.CheckConstraint("trigger IN ('schedule', 'admin', 'merchant')", name=op.f('ck_invoice_runs_trigger')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_invoice_runs')),
    info={'scale': 'tenant'}
    )
    op.create_table('ledger_accounts',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('book', sa.Enum('P', 'C', 'R', name='book', native_enum=False, length=32), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.CheckConstraint("book IN ('P', 'C', 'R')", name=op.f('ck_ledger_accounts_book')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_ledger_accounts')),
    sa.UniqueConstraint('merchant_id', 'book', 'name', 'currency', name=op.f('uq_ledger_accounts_merchant_id_book_name_currency')),
    sa.UniqueConstraint('merchant_id', 'id', 'book', 'currency', name='uq_ledger_accounts_entry'),
    info={'scale': 'tenant'}
    )
    op.create_table('ledger_transactions',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('lines', sa.BigInteger(), nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('posted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=True),
    sa.CheckConstraint('lines >= 2', name=op.f('ck_ledger_transactions_lines')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_ledger_transactions')),
    sa.UniqueConstraint('merchant_id', 'id', 'lines', name=op.f('uq_ledger_transactions_merchant_id_id_lines')),
    sa.UniqueConstraint('merchant_id', 'kind', 'reference', name=op.f('uq_ledger_transactions_reference')),
    info={'scale': 'tenant'}
    )
    op.create_table('merchants',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('company_id', sa.BigInteger(), nullable=False),
    sa.Column('mode', sa.Enum('sandbox', 'live', name='mode', native_enum=False, length=32), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('time_zone', sa.Text(), nullable=False),
    sa.Column('settlement_currency', sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32), nullable=False),
    sa.Column('invoice_prefix', sa.Text(), nullable=False),
    sa.Column('late_window_days', sa.BigInteger(), nullable=False),
    sa.Column('grace_hours', sa.BigInteger(), nullable=False),
    sa.Column('clock_offset', sa.Interval(), nullable=False),
    sa.Column('first_invoice_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("mode = 'sandbox' OR clock_offset = interval '0'", name=op.f('ck_merchants_live_clock')),
    sa.CheckConstraint("mode IN ('sandbox', 'live')", name=op.f('ck_merchants_mode')),
    sa.CheckConstraint('grace_hours BETWEEN 0 AND 240', name=op.f('ck_merchants_grace_hours')),
    sa.CheckConstraint('late_window_days BETWEEN 0 AND 3660', name=op.f('ck_merchants_late_window_days')),
    sa.PrimaryKeyConstraint('merchant_id', name=op.f('pk_merchants')),
    info={'scale': 'tenant'}
    )
    op.create_table('metrics',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('unit', sa.Text(), nullable=False),
    sa.Column('aggregation', sa.Enum('sum', 'count', 'max', 'last', name='aggregation', native_enum=False, length=32), nullable=False),
    sa.Column('is_built_in', sa.Boolean(), nullable=False),
    sa.Column('status', sa.Enum('active', 'archived', name='catalogstatus', native_enum=False, length=32), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("aggregation IN ('sum', 'count', 'max', 'last')", name=op.f('ck_metrics_aggregation')),
    sa.CheckConstraint("status IN ('active', 'archived')", name=op.f('ck_metrics_status')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_metrics')),
    sa.UniqueConstraint('merchant_id', 'code', name=op.f('uq_metrics_merchant_id_code')),
    info={'scale': 'tenant'}
    )
    op.create_table('outbox_jobs',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('task', sa.Text(), nullable=False),
    sa.Column('arguments', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('attempts', sa.BigInteger(), nullable=False),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('dead_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_outbox_jobs')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_outbox_jobs_due', 'outbox_jobs', ['merchant_id', 'due_at'], unique=False, postgresql_where=sa.text('done_at IS NULL AND dead_at IS NULL'))
    op.create_table('platform_terms',
    sa.Column('for_merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('effective_from', sa.Date(), nullable=False),
    sa.Column('fee_bps', sa.BigInteger(), nullable=False),
    sa.Column('fee_fixed_minor', sa.BigInteger(), nullable=False),
    sa.Column('spread_bps', sa.BigInteger(), nullable=False),
    sa.Column('wire_fee_minor', sa.BigInteger(), nullable=False),
    sa.Column('wire_free_above_minor', sa.BigInteger(), nullable=False),
    sa.Column('minimum_payout_minor', sa.BigInteger(), nullable=False),
    sa.Column('grace_hours', sa.BigInteger(), nullable=False),
    sa.Column('late_window_days', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('for_merchant_id', 'effective_from', name=op.f('pk_platform_terms')),
    info={'scale': 'reference'}
    )
    op.create_table('products',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('status', sa.Enum('active', 'archived', name='catalogstatus', native_enum=False, length=32), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('active', 'archived')", name=op.f('ck_products_status')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_products')),
    sa.UniqueConstraint('merchant_id', 'code', name=op.f('uq_products_merchant_id_code')),
    info={'scale': 'tenant'}
    )
    op.create_table('usage_events',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('metric_id', sa.BigInteger(), nullable=False),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('idempotency_key', sa.Text(collation='C'), nullable=False),
    sa.Column('quantity', sa.Numeric(precision=38, scale=12), nullable=False),
    sa.Column('dimensions', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.CheckConstraint("quantity < 'Infinity' AND quantity > '-Infinity'", name=op.f('ck_usage_events_quantity')),
    sa.CheckConstraint('length(idempotency_key) BETWEEN 1 AND 200', name=op.f('ck_usage_events_idempotency_key')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_usage_events')),
    sa.UniqueConstraint('merchant_id', 'idempotency_key', name=op.f('uq_usage_events_merchant_id_idempotency_key')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_usage_events_customer_id', 'usage_events', ['merchant_id', 'customer_id', 'id'], unique=False)
    op.create_table('usage_rollups',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('metric_id', sa.BigInteger(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('quantity', sa.Numeric(precision=38, scale=12), nullable=False),
    sa.Column('events', sa.BigInteger(), nullable=False),
    sa.Column('maximum', sa.Numeric(precision=38, scale=12), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_id', sa.BigInteger(), nullable=False),
    sa.Column('last_quantity', sa.Numeric(precision=38, scale=12), nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', 'customer_id', 'metric_id', 'day', name=op.f('pk_usage_rollups')),
    info={'scale': 'tenant'},
    postgresql_with={'fillfactor': '80'}
    )
    op.create_table('user_merchants',
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('role', sa.Enum('owner', name='role', native_enum=False, length=32), nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'merchant_id', name=op.f('pk_user_merchants')),
    info={'scale': 'global'}
    )
    op.create_table('users',
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=False),
    sa.Column('is_operator', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_users')),
    info={'scale': 'global'}
    )
    op.create_table('web_sessions',
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('user_id', sa.BigInteger(), nullable=False),
    sa.Column('merchant_id', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('user_agent', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_web_sessions')),
    info={'scale': 'global'}
    )
    op.create_index('ix_web_sessions_user_id', 'web_sessions', ['user_id'], unique=False)
    op.create_table('ledger_entries',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('transaction_id', sa.BigInteger(), nullable=False),
    sa.Column('line', sa.BigInteger(), nullable=False),
    sa.Column('lines', sa.BigInteger(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('book', sa.Enum('P', 'C', 'R', name='book', native_enum=False, length=32), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('amount_minor <> 0', name=op.f('ck_ledger_entries_amount_minor')),
    sa.CheckConstraint('line BETWEEN 1 AND lines', name=op.f('ck_ledger_entries_line')),
    sa.ForeignKeyConstraint(['merchant_id', 'account_id', 'book', 'currency'], ['ledger_accounts.merchant_id', 'ledger_accounts.id', 'ledger_accounts.book', 'ledger_accounts.currency'], name=op.f('fk_ledger_entries_ledger_accounts')),
    sa.ForeignKeyConstraint(['merchant_id', 'transaction_id', 'lines'], ['ledger_transactions.merchant_id', 'ledger_transactions.id', 'ledger_transactions.lines'], name=op.f('fk_ledger_entries_ledger_transactions')),
    sa.PrimaryKeyConstraint('merchant_id', 'transaction_id', 'line', name=op.f('pk_ledger_entries')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_ledger_entries_account', 'ledger_entries', ['merchant_id', 'account_id', 'transaction_id'], unique=False)
    op.create_table('rate_cards',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('product_id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('status', sa.Enum('active', 'archived', name='catalogstatus', native_enum=False, length=32), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('active', 'archived')", name=op.f('ck_rate_cards_status')),
    sa.ForeignKeyConstraint(['merchant_id', 'product_id'], ['products.merchant_id', 'products.id'], name=op.f('fk_rate_cards_products')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_rate_cards')),
    sa.UniqueConstraint('merchant_id', 'code', name=op.f('uq_rate_cards_merchant_id_code')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_rate_cards_product_id', 'rate_cards', ['merchant_id', 'product_id'], unique=False)
    op.create_table('rate_card_versions',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('rate_card_id', sa.BigInteger(), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('content', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('number >= 1', name=op.f('ck_rate_card_versions_number')),
    sa.ForeignKeyConstraint(['merchant_id', 'rate_card_id'], ['rate_cards.merchant_id', 'rate_cards.id'], name=op.f('fk_rate_card_versions_rate_cards')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_rate_card_versions')),
    sa.UniqueConstraint('merchant_id', 'rate_card_id', 'number', name=op.f("uq_rate_card_versions_number")),
    info={'scale': 'tenant'}
    )
    op.create_table('contracts',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('rate_card_version_id', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32), nullable=False),
    sa.Column('cycle', sa.Enum('weekly_calendar', 'weekly_anniversary', 'monthly_calendar', 'monthly_anniversary', 'quarterly_calendar', 'quarterly_anniversary', 'semiannual_calendar', 'semiannual_anniversary', 'yearly_calendar', 'yearly_anniversary', name='cycle', native_enum=False, length=32), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=True),
    sa.Column('anchor_on', sa.Date(), nullable=False),
    sa.Column('next_period_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('retry_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('status', sa.Enum('active', 'ended', name='contractstatus', native_enum=False, length=32), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('active', 'ended')", name=op.f('ck_contracts_status')),
    sa.CheckConstraint('ends_on IS NULL OR ends_on >= starts_on', name=op.f('ck_contracts_dates')),
    sa.ForeignKeyConstraint(['merchant_id', 'customer_id'], ['customers.merchant_id', 'customers.id'], name=op.f('fk_contracts_customers')),
    sa.ForeignKeyConstraint(['merchant_id', 'rate_card_version_id'], ['rate_card_versions.merchant_id', 'rate_card_versions.id'], name=op.f('fk_contracts_rate_card_versions')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_contracts')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_contracts_customer_id', 'contracts', ['merchant_id', 'customer_id'], unique=False)
    op.create_index('ix_contracts_due_at', 'contracts', ['merchant_id', 'due_at'], unique=False)
    op.create_table('invoices',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Enum('usage', name='invoicekind', native_enum=False, length=32), nullable=False),
    sa.Column('status', sa.Enum('draft', 'open', 'paid', 'void', name='invoicestatus', native_enum=False, length=32), nullable=False),
    sa.Column('number', sa.Text(), nullable=True),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('contract_id', sa.BigInteger(), nullable=False),
    sa.Column('period_start_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('period_end_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('period_from', sa.Date(), nullable=False),
    sa.Column('period_to', sa.Date(), nullable=False),
    sa.Column('time_zone', sa.Text(), nullable=False),
    sa.Column('currency', sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32), nullable=False),
    sa.Column('subtotal_minor', sa.BigInteger(), nullable=False),
    sa.Column('collection_minor', sa.BigInteger(), nullable=False),
    sa.Column('platform_fee_minor', sa.BigInteger(), nullable=False),
    sa.Column('net_minor', sa.BigInteger(), nullable=False),
    sa.Column('settlement_currency', sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32), nullable=False),
    sa.Column('settlement_minor', sa.BigInteger(), nullable=False),
    sa.Column('fee_bps', sa.BigInteger(), nullable=False),
    sa.Column('fee_fixed_minor', sa.BigInteger(), nullable=False),
    sa.Column('fx_publisher', sa.Text(), nullable=True),
    sa.Column('fx_published_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('fx_spread_bps', sa.BigInteger(), nullable=True),
    sa.Column('fx_pricing_midpoint', sa.Numeric(), nullable=True),
    sa.Column('fx_pricing_rate', sa.Numeric(precision=20, scale=10), nullable=True),
    sa.Column('fx_settlement_midpoint', sa.Numeric(), nullable=True),
    sa.Column('fx_settlement_rate', sa.Numeric(precision=20, scale=10), nullable=True),
    sa.Column('rate_card_version_id', sa.BigInteger(), nullable=False),
    sa.Column('rate_card', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('rate_card_sha256', sa.Text(), nullable=False),
    sa.Column('link_secret', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('finalize_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('finalized_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('voided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('void_reason', sa.Text(), nullable=True),
    sa.CheckConstraint("(status = 'draft') = (number IS NULL)", name=op.f('ck_invoices_number')),
    sa.CheckConstraint("(status = 'draft') = (finalized_at IS NULL)", name=op.f('ck_invoices_finalized_at')),
    sa.CheckConstraint("(status = 'paid') = (paid_at IS NOT NULL)", name=op.f('ck_invoices_paid_at')),
    sa.CheckConstraint("(status = 'void') = (voided_at IS NOT NULL)", name=op.f('ck_invoices_voided_at')),
    sa.CheckConstraint("num_nulls(fx_publisher, fx_published_at, fx_spread_bps, fx_pricing_midpoint, fx_pricing_rate, fx_settlement_midpoint, fx_settlement_rate) = CASE status WHEN 'draft' THEN 7 ELSE 0 END", name=op.f('ck_invoices_fx')),
    sa.CheckConstraint("kind IN ('usage')", name=op.f('ck_invoices_kind')),
    sa.CheckConstraint("status IN ('draft', 'open', 'paid', 'void')", name=op.f('ck_invoices_status')),
    sa.CheckConstraint('period_end_at > period_start_at', name=op.f('ck_invoices_period')),
    sa.ForeignKeyConstraint(['merchant_id', 'contract_id'], ['contracts.merchant_id', 'contracts.id'], name=op.f('fk_invoices_contracts')),
    sa.ForeignKeyConstraint(['merchant_id', 'customer_id'], ['customers.merchant_id', 'customers.id'], name=op.f('fk_invoices_customers')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_invoices')),
    sa.UniqueConstraint('merchant_id', 'contract_id', 'period_start_at', 'kind', name=op.f('uq_invoices_period')),
    sa.UniqueConstraint('merchant_id', 'number', name=op.f('uq_invoices_merchant_id_number')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_invoices_customer_id', 'invoices', ['merchant_id', 'customer_id', 'id'], unique=False)
    op.create_index('ix_invoices_drafts', 'invoices', ['merchant_id', 'finalize_at'], unique=False, postgresql_where=sa.text("status = 'draft'"))
    op.create_index('ix_invoices_status', 'invoices', ['merchant_id', 'status', 'id'], unique=False)
    op.create_table('invoice_lines',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('metric_id', sa.BigInteger(), nullable=False),
    sa.Column('metric_code', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('unit', sa.Text(), nullable=False),
    sa.Column('quantity', sa.Numeric(precision=38, scale=12), nullable=False),
    sa.Column('events', sa.BigInteger(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('is_priced', sa.Boolean(), nullable=False),
    sa.Column('tiers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_invoice_lines_invoices')),
    sa.PrimaryKeyConstraint('merchant_id', 'invoice_id', 'position', name=op.f('pk_invoice_lines')),
    info={'scale': 'tenant'}
    )
    op.create_table('payment_orders',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('channel', sa.Enum('wechat', 'alipay', name='channelname', native_enum=False, length=32), nullable=False),
    sa.Column('method', sa.Enum('native', 'precreate', name='method', native_enum=False, length=32), nullable=False),
    sa.Column('out_trade_no', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Enum('created', 'pending', 'captured', 'closed', name='paymentstatus', native_enum=False, length=32), nullable=False),
    sa.Column('qr_payload', sa.Text(), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('channel_txn_id', sa.Text(), nullable=True),
    sa.Column('captured_minor', sa.BigInteger(), nullable=True),
    sa.Column('captured_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('queries', sa.BigInteger(), nullable=False),
    sa.Column('queried_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('next_query_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("(status = 'captured') = (captured_at IS NOT NULL)", name=op.f('ck_payment_orders_captured_at')),
    sa.CheckConstraint("channel IN ('wechat', 'alipay')", name=op.f('ck_payment_orders_channel')),
    sa.CheckConstraint("method IN ('native', 'precreate')", name=op.f('ck_payment_orders_method')),
    sa.CheckConstraint("status IN ('created', 'pending', 'captured', 'closed')", name=op.f('ck_payment_orders_status')),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_payment_orders_amount_minor')),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_payment_orders_invoices')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_payment_orders')),
    sa.UniqueConstraint('merchant_id', 'out_trade_no', name=op.f('uq_payment_orders_merchant_id_out_trade_no')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_payment_orders_invoice_id', 'payment_orders', ['merchant_id', 'invoice_id', 'id'], unique=False)
    op.create_index('ix_payment_orders_next_query_at', 'payment_orders', ['merchant_id', 'next_query_at'], unique=False, postgresql_where=sa.text('next_query_at IS NOT NULL'))
    op.create_table('unallocated_payments',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('payment_order_id', sa.BigInteger(), nullable=False),
    sa.Column('channel', sa.Enum('wechat', 'alipay', name='channelname', native_enum=False, length=32), nullable=False),
    sa.Column('channel_txn_id', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32), nullable=False),
    sa.Column('reason', sa.Enum('amount_mismatch', 'invoice_not_payable', 'second_transaction', name='casereason', native_enum=False, length=32), nullable=False),
    sa.Column('status', sa.Enum('open', 'closed', name='casestatus', native_enum=False, length=32), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("reason IN ('amount_mismatch', 'invoice_not_payable', 'second_transaction')", name=op.f('ck_unallocated_payments_reason')),
    sa.CheckConstraint("status IN ('open', 'closed')", name=op.f('ck_unallocated_payments_status')),
    sa.ForeignKeyConstraint(['merchant_id', 'payment_order_id'], ['payment_orders.merchant_id', 'payment_orders.id'], name=op.f('fk_unallocated_payments_payment_orders')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_unallocated_payments')),
    sa.UniqueConstraint('merchant_id', 'channel', 'channel_txn_id', name=op.f('uq_unallocated_payments_txn')),
    info={'scale': 'tenant'}
    )
    close_the_tables()
    close_the_ledger()
    seed_platform_terms()


def close_the_tables() -> None:
    for table in (
        "merchants",
        "api_keys",
        "products",
        "metrics",
        "rate_cards",
        "customers",
        "contracts",
        "invoices",
        "invoice_counters",
        "invoice_runs",
        "payment_orders",
        "unallocated_payments",
        "usage_rollups",
    ):
        tenant(table)
    for table in ("outbox_jobs", "idempotency_records", "invoice_lines"):
        tenant(table, grants="SELECT, INSERT, UPDATE, DELETE")
    for table in (
        "rate_card_versions",
        "usage_events",
        "ledger_accounts",
        "ledger_transactions",
        "ledger_entries",
    ):
        tenant(table, grants="SELECT, INSERT")
    for table in ("companies", "users", "directory", "user_merchants"):
        shared(table)
    shared("web_sessions", grants="SELECT, INSERT, UPDATE, DELETE")
    shared("channel_callbacks", grants="SELECT, INSERT")
    shared("platform_terms", grants="SELECT")


def close_the_ledger() -> None:
    """Refuse what does not balance, what comes in pieces, and any change afterwards.

    The trigger reads nothing but the rows of its own statement, so it is right on a cluster too:
    all entries of a transaction come in one INSERT. ENABLE ALWAYS: also for a replica role.
    """
    op.execute(
        """
        CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (SELECT 1 FROM new_rows GROUP BY merchant_id, transaction_id, book, currency
                     HAVING sum(amount_minor) <> 0) THEN
            RAISE EXCEPTION 'a ledger transaction does not balance' USING ERRCODE = 'BM002';
          END IF;
          IF EXISTS (SELECT 1 FROM new_rows GROUP BY merchant_id, transaction_id
                     HAVING count(*) <> max(lines)) THEN
            RAISE EXCEPTION 'a ledger transaction came in pieces' USING ERRCODE = 'BM004';
          END IF;
          RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER balanced AFTER INSERT ON ledger_entries REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced()"
    )
    op.execute("ALTER TABLE ledger_entries ENABLE ALWAYS TRIGGER balanced")
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'BM001';
        END $$
        """
    )
    for table in ("ledger_entries", "ledger_transactions", "rate_card_versions"):
        op.execute(
            f"CREATE TRIGGER closed BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER kept BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER closed")
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER kept")


def seed_platform_terms() -> None:
    op.execute(
        """
        INSERT INTO platform_terms
          (for_merchant_id, effective_from, fee_bps, fee_fixed_minor, spread_bps, wire_fee_minor,
           wire_free_above_minor, minimum_payout_minor, grace_hours, late_window_days)
        VALUES (0, '2000-01-01', 300, 0, 80, 1500, 500000, 5000, 24, 35)
        """
    )
