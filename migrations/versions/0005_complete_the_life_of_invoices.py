"""Complete the life of invoices: credit notes, customer balances, invoices made by hand."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.guards import tenant

revision: str = '0005'
down_revision: str | None = '0004'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_TIME = sa.DateTime(timezone=True)
_CURRENCY = sa.Enum('CNY', 'USD', 'EUR', 'GBP', 'SGD', 'AUD', 'NZD', 'HKD', 'THB', 'JPY', 'KRW', 'VND', 'CLP', name='currency', native_enum=False, length=32)


def upgrade() -> None:
    add_states()
    add_invoices_by_hand()
    add_issues()
    add_credit_notes()
    add_balances()
    close_the_tables()


def add_states() -> None:
    op.add_column('invoices', sa.Column('uncollectible_at', _TIME, nullable=True))
    op.add_column('invoices', sa.Column('credited_minor', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('invoices', sa.Column('refunded_minor', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    recheck('invoices', 'status', "status IN ('draft', 'open', 'paid', 'void', 'uncollectible', 'partially_refunded', 'refunded')")
    recheck('invoices', 'paid_at', "(status IN ('paid', 'partially_refunded', 'refunded')) = (paid_at IS NOT NULL)")
    op.create_check_constraint(op.f('ck_invoices_uncollectible_at'), 'invoices', "status <> 'uncollectible' OR uncollectible_at IS NOT NULL")
    op.create_check_constraint(op.f('ck_invoices_credited_minor'), 'invoices', 'credited_minor BETWEEN 0 AND collection_minor')
    op.create_check_constraint(
        op.f('ck_invoices_refunded_minor'),
        'invoices',
        "CASE status WHEN 'partially_refunded' THEN refunded_minor > 0 AND refunded_minor < due_minor WHEN 'refunded' THEN refunded_minor > 0 AND refunded_minor = due_minor ELSE refunded_minor = 0 END",
    )
    recheck('invoices', 'due', 'due_minor BETWEEN greatest(0, collection_minor - balance_minor - credited_minor) AND collection_minor - balance_minor')
    op.create_index('ix_invoices_due_at', 'invoices', ['merchant_id', 'due_at'], postgresql_where=sa.text("status = 'open'"))


def add_invoices_by_hand() -> None:
    op.add_column('invoices', sa.Column('note', sa.Text(), server_default='', nullable=False))
    for column in ('contract_id', 'rate_card_version_id', 'rate_card', 'rate_card_sha256', 'finalize_at'):
        op.alter_column('invoices', column, nullable=True)
    recheck('invoices', 'kind', "kind IN ('usage', 'late', 'one_off')")
    op.create_check_constraint(op.f('ck_invoices_contract_id'), 'invoices', "(kind = 'one_off') = (contract_id IS NULL)")
    op.create_check_constraint(op.f('ck_invoices_finalize_at'), 'invoices', "(kind = 'one_off') = (finalize_at IS NULL)")
    op.create_check_constraint(op.f('ck_invoices_rate_card'), 'invoices', "num_nulls(rate_card_version_id, rate_card, rate_card_sha256) = CASE kind WHEN 'one_off' THEN 3 ELSE 0 END")
    recheck('invoice_lines', 'kind', "kind IN ('usage', 'late', 'commitment', 'item')")
    recheck('invoice_lines', 'metric_id', "(kind IN ('commitment', 'item')) = (metric_id IS NULL)")


def add_issues() -> None:
    op.add_column('invoices', sa.Column('issue', sa.SmallInteger(), server_default=sa.text('1'), nullable=False))
    op.add_column('invoices', sa.Column('reissue_of_id', sa.BigInteger(), nullable=True))
    op.drop_constraint('uq_invoices_period', 'invoices')
    op.create_unique_constraint('uq_invoices_period', 'invoices', ['merchant_id', 'contract_id', 'period_start_at', 'kind', 'issue'])
    op.create_unique_constraint(op.f('uq_invoices_merchant_id_reissue_of_id'), 'invoices', ['merchant_id', 'reissue_of_id'])
    op.create_foreign_key(op.f('fk_invoices_invoices'), 'invoices', 'invoices', ['merchant_id', 'reissue_of_id'], ['merchant_id', 'id'])
    op.create_check_constraint(op.f('ck_invoices_issue'), 'invoices', '(issue = 1) = (reissue_of_id IS NULL)')


def add_credit_notes() -> None:
    op.create_table('credit_notes',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Enum('correction', 'goodwill', 'service_failure', 'returned', 'late_usage', 'other', name='creditreason', native_enum=False, length=32), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('currency', _CURRENCY, nullable=False),
    sa.Column('pricing_minor', sa.BigInteger(), nullable=False),
    sa.Column('discount_minor', sa.BigInteger(), nullable=False),
    sa.Column('tax_minor', sa.BigInteger(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('balance_minor', sa.BigInteger(), nullable=False),
    sa.Column('disposition', sa.Enum('invoice', 'balance', name='disposition', native_enum=False, length=32), nullable=False),
    sa.Column('lines', _JSON, nullable=False),
    sa.Column('created_at', _TIME, nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.CheckConstraint('pricing_minor > 0', name=op.f('ck_credit_notes_pricing_minor')),
    sa.CheckConstraint('balance_minor BETWEEN 0 AND amount_minor', name=op.f('ck_credit_notes_balance_minor')),
    sa.CheckConstraint("disposition IN ('invoice', 'balance')", name=op.f('ck_credit_notes_disposition')),
    sa.CheckConstraint("reason IN ('correction', 'goodwill', 'service_failure', 'returned', 'late_usage', 'other')", name=op.f('ck_credit_notes_reason')),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name=op.f('fk_credit_notes_invoices')),
    sa.ForeignKeyConstraint(['merchant_id', 'customer_id'], ['customers.merchant_id', 'customers.id'], name=op.f('fk_credit_notes_customers')),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_credit_notes')),
    sa.UniqueConstraint('merchant_id', 'number', name=op.f('uq_credit_notes_merchant_id_number')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_credit_notes_invoice_id', 'credit_notes', ['merchant_id', 'invoice_id', 'id'])
    op.create_index('ix_credit_notes_customer_id', 'credit_notes', ['merchant_id', 'customer_id', 'id'])


def add_balances() -> None:
    op.create_table('customer_balances',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('balance_minor', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('balance_minor >= 0', name=op.f('ck_customer_balances_balance_minor')),
    sa.ForeignKeyConstraint(['merchant_id', 'customer_id'], ['customers.merchant_id', 'customers.id'], name=op.f('fk_customer_balances_customers')),
    sa.PrimaryKeyConstraint('merchant_id', 'customer_id', name=op.f('pk_customer_balances')),
    info={'scale': 'tenant'}
    )
    op.create_table('customer_balance_entries',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Enum('credit_note', 'used', 'returned', 'adjustment', name='entrykind', native_enum=False, length=32), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('balance_minor', sa.BigInteger(), nullable=False),
    sa.Column('invoice_id', sa.BigInteger(), nullable=True),
    sa.Column('credit_note_id', sa.BigInteger(), nullable=True),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('created_at', _TIME, nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.CheckConstraint('amount_minor <> 0', name=op.f('ck_customer_balance_entries_amount_minor')),
    sa.CheckConstraint('balance_minor >= 0', name=op.f('ck_customer_balance_entries_balance_minor')),
    sa.CheckConstraint("(kind = 'adjustment') = (invoice_id IS NULL)", name=op.f('ck_customer_balance_entries_invoice_id')),
    sa.CheckConstraint("(kind = 'credit_note') = (credit_note_id IS NOT NULL)", name=op.f('ck_customer_balance_entries_credit_note')),
    sa.CheckConstraint("kind IN ('credit_note', 'used', 'returned', 'adjustment')", name=op.f('ck_customer_balance_entries_kind')),
    sa.ForeignKeyConstraint(['merchant_id', 'customer_id'], ['customer_balances.merchant_id', 'customer_balances.customer_id'], name='fk_balance_entries_balances'),
    sa.ForeignKeyConstraint(['merchant_id', 'invoice_id'], ['invoices.merchant_id', 'invoices.id'], name='fk_balance_entries_invoices'),
    sa.ForeignKeyConstraint(['merchant_id', 'credit_note_id'], ['credit_notes.merchant_id', 'credit_notes.id'], name='fk_balance_entries_credit_notes'),
    sa.PrimaryKeyConstraint('merchant_id', 'id', name=op.f('pk_customer_balance_entries')),
    info={'scale': 'tenant'}
    )
    op.create_index('ix_balance_entries_customer', 'customer_balance_entries', ['merchant_id', 'customer_id', 'id'])


def close_the_tables() -> None:
    tenant('customer_balances')
    for table in ('credit_notes', 'customer_balance_entries'):
        tenant(table, grants='SELECT, INSERT')
        for trigger, moment, scope in (('closed', 'UPDATE OR DELETE', 'ROW'), ('kept', 'TRUNCATE', 'STATEMENT')):
            op.execute(
                f"CREATE TRIGGER {trigger} BEFORE {moment} ON {table} "
                f"FOR EACH {scope} EXECUTE FUNCTION refuse_change()"
            )
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
    # A draft made by hand may be thrown away; nothing else of an invoice ever is.
    op.execute('GRANT DELETE ON invoices TO bm_app, bm_worker')
    op.execute(
        """
        CREATE FUNCTION refuse_all_but_drafts_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF OLD.status <> 'draft' OR OLD.kind <> 'one_off' THEN
            RAISE EXCEPTION '% keeps what was issued', TG_TABLE_NAME USING ERRCODE = 'BM001';
          END IF;
          RETURN OLD;
        END $$
        """
    )
    op.execute(
        'CREATE TRIGGER kept BEFORE DELETE ON invoices '
        'FOR EACH ROW EXECUTE FUNCTION refuse_all_but_drafts_by_hand()'
    )
    op.execute('ALTER TABLE invoices ENABLE ALWAYS TRIGGER kept')


def recheck(table: str, name: str, condition: str) -> None:
    op.drop_constraint(f'ck_{table}_{name}', table)
    op.create_check_constraint(op.f(f'ck_{table}_{name}'), table, condition)
