"""Know the language of who signs in: mails to him are in it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_LANGUAGE = sa.Enum("zh_Hans_CN", "en", name="language", native_enum=False, length=32)


def upgrade() -> None:
    op.add_column(
        "users",
        sa.Column("language", _LANGUAGE, server_default=sa.text("'zh_Hans_CN'"), nullable=False),
    )
