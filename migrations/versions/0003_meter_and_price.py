"""Meter and price: series and days of usage, dead events, drafts, replays, audit entries."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.guards import tenant, without_guard

revision: str = '0003'
down_revision: str | None = '0002'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_DECIMAL = sa.Numeric(precision=38, scale=12)
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    change_events()
    add_series()
    add_days()
    add_what_was_not_counted()
    change_catalogue()
    change_contracts()
    change_invoices()
    add_replays()
    add_audit()
    close_the_tables()


def change_events() -> None:
    op.add_column('usage_events', sa.Column('series_id', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('usage_events', sa.Column('corrects', sa.Text(), nullable=True))
    op.add_column('usage_events', sa.Column('is_late', sa.Boolean(), server_default=sa.text('false'), nullable=False))
    op.create_check_constraint(op.f('ck_usage_events_corrects'), 'usage_events', 'quantity >= 0 OR corrects IS NOT NULL')
    op.drop_constraint('pk_usage_events', 'usage_events')
    op.create_primary_key('pk_usage_events', 'usage_events', ['merchant_id', 'occurred_at', 'id'])
    op.drop_index('ix_usage_events_customer_id', 'usage_events')
    op.create_index('ix_usage_events_customer', 'usage_events', ['merchant_id', 'customer_id', 'occurred_at', 'id'])
    op.create_index('ix_usage_events_arrival', 'usage_events', ['id', 'received_at'], postgresql_using='brin', postgresql_with={'autosummarize': 'on', 'pages_per_range': '32'})
    op.create_index('ix_usage_events_corrects', 'usage_events', ['merchant_id', 'corrects'], postgresql_where=sa.text('corrects IS NOT NULL'))


def add_series() -> None:
    op.create_table('usage_series',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('metric_id', sa.BigInteger(), nullable=False),
    sa.Column('names', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('dimensions', _JSON, nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_usage_series')),
    sa.UniqueConstraint('merchant_id', 'metric_id', 'digest', name=op.f('uq_usage_series_merchant_id_metric_id_digest')),
    info={'scale': 'tenant'}
    )


def add_days() -> None:
    op.add_column('usage_rollups', sa.Column('series_id', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.drop_constraint('pk_usage_rollups', 'usage_rollups')
    op.create_primary_key('pk_usage_rollups', 'usage_rollups', ['merchant_id', 'customer_id', 'metric_id', 'day', 'series_id'])
    op.create_index('ix_usage_rollups_day', 'usage_rollups', ['merchant_id', 'day', 'metric_id'])
    op.create_table('usage_days',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('metric_id', sa.BigInteger(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('series_id', sa.BigInteger(), nullable=False),
    sa.Column('quantity', _DECIMAL, nullable=False),
    sa.Column('events', sa.BigInteger(), nullable=False),
    sa.Column('customers', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', 'metric_id', 'day', 'series_id', name=op.f('pk_usage_days')),
    info={'scale': 'tenant'},
    postgresql_with={'fillfactor': '80'}
    )
    op.create_table('usage_refreshes',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('refreshed_to', _TIME, nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', name=op.f('pk_usage_refreshes')),
    info={'scale': 'tenant'}
    )


def add_what_was_not_counted() -> None:
    op.create_table('usage_voids',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('occurred_at', _TIME, nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('metric_id', sa.BigInteger(), nullable=False),
    sa.Column('idempotency_key', sa.Text(collation='C'), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('voided_at', _TIME, nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', 'occurred_at', 'event_id', name=op.f('pk_usage_voids')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_usage_voids_customer', 'usage_voids', ['merchant_id', 'customer_id', 'occurred_at'])
    op.create_table('dead_events',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('reason', sa.Enum('unknown_customer', 'unknown_metric', 'no_contract', name='deadreason', native_enum=False, length=32), nullable=False),
    sa.Column('customer_external_id', sa.Text(), nullable=False),
    sa.Column('metric', sa.Text(), nullable=False),
    sa.Column('idempotency_key', sa.Text(collation='C'), nullable=False),
    sa.Column('occurred_at', _TIME, nullable=False),
    sa.Column('body', _JSON, nullable=False),
    sa.Column('status', sa.Enum('waiting', 'replayed', 'discarded', name='deadstatus', native_enum=False, length=32), server_default='waiting', nullable=False),
    sa.Column('seen', sa.BigInteger(), server_default=sa.text('1'), nullable=False),
    sa.Column('received_at', _TIME, server_default=sa.text('now()'), nullable=False),
    sa.Column('last_seen_at', _TIME, server_default=sa.text('now()'), nullable=False),
    sa.Column('resolved_at', _TIME, nullable=True),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.CheckConstraint("reason IN ('unknown_customer', 'unknown_metric', 'no_contract')", name=op.f('ck_dead_events_reason')),
    sa.CheckConstraint("status IN ('waiting', 'replayed', 'discarded')", name=op.f('ck_dead_events_status')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_dead_events')),
    sa.UniqueConstraint('merchant_id', 'digest', name=op.f('uq_dead_events_merchant_id_digest')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_dead_events_status', 'dead_events', ['merchant_id', 'status', 'id'])
    op.create_table('dead_replays',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Enum('unknown_customer', 'unknown_metric', 'no_contract', name='deadreason', native_enum=False, length=32), nullable=True),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('after_id', sa.BigInteger(), nullable=False),
    sa.Column('up_to_id', sa.BigInteger(), nullable=False),
    sa.Column('total', sa.BigInteger(), nullable=False),
    sa.Column('tried', sa.BigInteger(), nullable=False),
    sa.Column('taken', sa.BigInteger(), nullable=False),
    sa.Column('started_at', _TIME, nullable=False),
    sa.Column('ended_at', _TIME, nullable=True),
    sa.PrimaryKeyConstraint('merchant_id', name=op.f('pk_dead_replays')),
    info={'scale': 'tenant'}
    )
    op.create_table('ingest_tallies',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('received_at', _TIME, server_default=sa.text('now()'), nullable=False),
    sa.Column('duplicates', sa.BigInteger(), nullable=False),
    sa.Column('conflicts', sa.BigInteger(), nullable=False),
    sa.Column('late', sa.BigInteger(), nullable=False),
    sa.Column('unmatched', sa.BigInteger(), nullable=False),
    sa.Column('invalid', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('merchant_id', 'received_at', 'id', name=op.f('pk_ingest_tallies')),
    info={'scale': 'tenant'}
    )


def change_catalogue() -> None:
    op.add_column('metrics', sa.Column('dimensions', _JSON, server_default=sa.text("'{}'"), nullable=False))
    op.add_column('metrics', sa.Column('unique_by', sa.Text(), nullable=True))
    op.create_check_constraint(op.f('ck_metrics_unique_by'), 'metrics', "unique_by IS NULL OR aggregation = 'unique_count'")
    op.drop_constraint('ck_metrics_aggregation', 'metrics')
    op.create_check_constraint(op.f('ck_metrics_aggregation'), 'metrics', "aggregation IN ('sum', 'count', 'max', 'last', 'unique_count', 'weighted_sum')")
    without_guard('metrics', "UPDATE metrics SET dimensions = '{\"model\": null, \"region\": null, \"tier\": null}' WHERE is_built_in")
    op.create_table('rate_card_drafts',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('rate_card_id', sa.BigInteger(), nullable=False),
    sa.Column('content', _JSON, nullable=False),
    sa.Column('based_on', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', _TIME, nullable=False),
    sa.Column('updated_by', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['merchant_id', 'rate_card_id'], ['rate_cards.merchant_id', 'rate_cards.id'], name=op.f('fk_rate_card_drafts_rate_cards')),
    sa.PrimaryKeyConstraint('merchant_id', 'rate_card_id', name=op.f('pk_rate_card_drafts')),
    info={'scale': 'tenant'}
    )


def change_contracts() -> None:
    op.add_column('contracts', sa.Column('billed_to', _TIME, nullable=True))
    op.add_column('contracts', sa.Column('late_from', sa.Date(), nullable=True))
    op.add_column('contracts', sa.Column('next_version_id', sa.BigInteger(), nullable=True))
    op.add_column('contracts', sa.Column('next_version_on', sa.Date(), nullable=True))
    op.create_foreign_key('fk_contracts_next_version', 'contracts', 'rate_card_versions', ['merchant_id', 'next_version_id'], ['merchant_id', 'id'])
    op.create_check_constraint(op.f('ck_contracts_next_version'), 'contracts', '(next_version_id IS NULL) = (next_version_on IS NULL)')
    op.create_index('ix_contracts_rate_card_version', 'contracts', ['merchant_id', 'rate_card_version_id'])
    op.create_index('ix_contracts_late_from', 'contracts', ['merchant_id', 'late_from'], postgresql_where=sa.text('late_from IS NOT NULL'))
    without_guard(
        'contracts',
        """
        UPDATE contracts SET billed_to = billed.period_end_at
          FROM (SELECT merchant_id, contract_id, max(period_end_at) AS period_end_at
                  FROM invoices WHERE status <> 'draft' GROUP BY 1, 2) AS billed
         WHERE billed.merchant_id = contracts.merchant_id AND billed.contract_id = contracts.id
        """,
        'invoices',
    )


def change_invoices() -> None:
    op.add_column('invoices', sa.Column('drafted_at', _TIME, server_default=sa.text('now()'), nullable=False))
    op.drop_constraint('ck_invoices_kind', 'invoices')
    op.create_check_constraint(op.f('ck_invoices_kind'), 'invoices', "kind IN ('usage', 'late')")
    op.add_column('invoice_lines', sa.Column('kind', sa.Enum('usage', 'late', 'commitment', name='linekind', native_enum=False, length=32), server_default='usage', nullable=False))
    op.add_column('invoice_lines', sa.Column('part', _JSON, server_default=sa.text("'{}'"), nullable=False))
    op.add_column('invoice_lines', sa.Column('period_from', sa.Date(), nullable=True))
    op.add_column('invoice_lines', sa.Column('period_to', sa.Date(), nullable=True))
    without_guard(
        'invoice_lines',
        """
        UPDATE invoice_lines SET period_from = invoices.period_from, period_to = invoices.period_to
          FROM invoices
         WHERE invoices.merchant_id = invoice_lines.merchant_id
           AND invoices.id = invoice_lines.invoice_id
        """,
        'invoices',
    )
    op.alter_column('invoice_lines', 'period_from', nullable=False)
    op.alter_column('invoice_lines', 'period_to', nullable=False)
    op.alter_column('invoice_lines', 'metric_id', nullable=True)
    op.create_check_constraint(op.f('ck_invoice_lines_kind'), 'invoice_lines', "kind IN ('usage', 'late', 'commitment')")
    op.create_check_constraint(op.f('ck_invoice_lines_metric_id'), 'invoice_lines', "(kind = 'commitment') = (metric_id IS NULL)")


def add_replays() -> None:
    op.create_table('price_replays',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('rate_card_id', sa.BigInteger(), nullable=False),
    sa.Column('content', _JSON, nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('period_from', sa.Date(), nullable=False),
    sa.Column('period_to', sa.Date(), nullable=False),
    sa.Column('status', sa.Enum('queued', 'running', 'done', 'failed', name='replaystatus', native_enum=False, length=32), nullable=False),
    sa.Column('total', sa.BigInteger(), nullable=False),
    sa.Column('done', sa.BigInteger(), nullable=False),
    sa.Column('events', sa.BigInteger(), nullable=False),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', _TIME, nullable=False),
    sa.Column('ended_at', _TIME, nullable=True),
    sa.CheckConstraint('period_to > period_from', name=op.f('ck_price_replays_period')),
    sa.CheckConstraint("status IN ('queued', 'running', 'done', 'failed')", name=op.f('ck_price_replays_status')),
    sa.ForeignKeyConstraint(['merchant_id', 'rate_card_id'], ['rate_cards.merchant_id', 'rate_cards.id'], name=op.f('fk_price_replays_rate_cards')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_price_replays')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_price_replays_rate_card_id', 'price_replays', ['merchant_id', 'rate_card_id', 'id'])
    op.create_table('price_replay_rows',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('replay_id', sa.BigInteger(), nullable=False),
    sa.Column('contract_id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32), nullable=False),
    sa.Column('current_minor', sa.BigInteger(), nullable=False),
    sa.Column('draft_minor', sa.BigInteger(), nullable=False),
    sa.Column('events', sa.BigInteger(), nullable=False),
    sa.Column('crossings', _JSON, nullable=False),
    sa.Column('problem', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['merchant_id', 'replay_id'], ['price_replays.merchant_id', 'price_replays.id'], name=op.f('fk_price_replay_rows_price_replays')),
    sa.PrimaryKeyConstraint('merchant_id', 'replay_id', 'contract_id', name=op.f('pk_price_replay_rows')),
    info={'scale': 'tenant'}
    )


def add_audit() -> None:
    op.create_table('audit_entries',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('at', _TIME, nullable=False),
    sa.Column('actor_kind', sa.Enum('user', 'api_key', 'system', name='actorkind', native_enum=False, length=32), nullable=False),
    sa.Column('actor_id', sa.BigInteger(), nullable=True),
    sa.Column('actor_name', sa.Text(), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('before', _JSON, nullable=False),
    sa.Column('after', _JSON, nullable=False),
    sa.CheckConstraint("actor_kind IN ('user', 'api_key', 'system')", name=op.f('ck_audit_entries_actor_kind')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_audit_entries')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_audit_entries_subject', 'audit_entries', ['merchant_id', 'subject', 'id'])
    for trigger, moment, scope in (("closed", "UPDATE OR DELETE", "ROW"), ("kept", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {moment} ON audit_entries "
            f"FOR EACH {scope} EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER {trigger}")


def close_the_tables() -> None:
    for table in ("usage_days", "usage_refreshes", "rate_card_drafts", "price_replay_rows"):
        tenant(table, grants="SELECT, INSERT, UPDATE, DELETE")
    for table in ("dead_events", "dead_replays", "price_replays"):
        tenant(table)
    for table in ("usage_series", "usage_voids", "ingest_tallies", "audit_entries"):
        tenant(table, grants="SELECT, INSERT")
    # Voiding an event takes it out of its roll-up, which may leave nothing.
    op.execute("GRANT DELETE ON usage_rollups TO bm_app, bm_worker")
