"""Brand the documents, and print more kinds of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from migrations.guards import tenant

revision: str = '0006'
down_revision: str | None = '0005'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table('brandings',
    sa.Column('merchant_id', sa.BigInteger(), nullable=False),
    sa.Column('legal_name', sa.Text(), server_default='', nullable=False),
    sa.Column('legal_address', sa.Text(), server_default='', nullable=False),
    sa.Column('tax_id', sa.Text(), server_default='', nullable=False),
    sa.Column('color', sa.Text(), server_default='', nullable=False),
    sa.Column('footer', sa.Text(), server_default='', nullable=False),
    sa.Column('logo', sa.LargeBinary(), nullable=True),
    sa.Column('logo_sha256', sa.Text(), nullable=True),
    sa.Column('updated_at', _TIME, nullable=False),
    sa.CheckConstraint("color = '' OR color ~ '^#[0-9a-f]{6}$'", name=op.f('ck_brandings_color')),
    sa.CheckConstraint('(logo IS NULL) = (logo_sha256 IS NULL)', name=op.f('ck_brandings_logo')),
    sa.PrimaryKeyConstraint('merchant_id', name=op.f('pk_brandings')),
    info={'scale': 'tenant'}
    )
    tenant("brandings")
    op.drop_constraint('ck_documents_kind', 'documents')
    op.create_check_constraint(op.f('ck_documents_kind'), 'documents', "kind IN ('invoice_pdf', 'receipt_pdf', 'void_pdf', 'credit_note_pdf')")
