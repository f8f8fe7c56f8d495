"""The schema as its owner sees it: migrate, compare with the models, know where it stands.

`python -m app.schema upgrade | check | revision "what it does"` works on DATABASE_URL.
"""

import sys
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool

from app.audit import models as audit
from app.billing import coupon_models as coupons
from app.billing import credit_models as credit
from app.billing import fapiao_models as fapiao
from app.billing import handling_models as handling
from app.billing import models as billing
from app.billing import reminder_models as reminders
from app.billing import replay_models as replays
from app.billing import run_models as runs
from app.config import ROOT, Settings
from app.core import idempotency, outbox
from app.core.db import Base
from app.customers import models as customers
from app.documents import models as documents
from app.identity import models as identity
from app.ledger import models as ledger
from app.mail import models as mail
from app.metering import models as metering
from app.payments import models as payments
from app.payments import refund_models as refunds
from app.pricing import models as pricing
from app.risk import models as risk
from app.webhooks import models as webhooks

MODELS = (
    outbox,
    idempotency,
    audit,
    identity,
    mail,
    documents,
    ledger,
    webhooks,
    pricing,
    customers,
    metering,
    billing,
    coupons,
    credit,
    fapiao,
    handling,
    reminders,
    replays,
    runs,
    risk,
    payments,
    refunds,
)
"""Every module that declares tables: naming them here is what puts them into the metadata."""

MIGRATIONS = ROOT / "migrations"


def upgrade(owner_url: str) -> None:
    """Bring the database to the newest migration, one transaction each."""
    engine = create_engine(owner_url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        command.upgrade(_config(connection), "head")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Plans made on empty tables stay bad for as long as a pooled session lives.
        connection.exec_driver_sql("ANALYZE")


def is_at_head(owner_url: str) -> bool:
    """Return whether the database stands at the newest migration."""
    with create_engine(owner_url, poolclass=pool.NullPool).connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    return set(current) == set(ScriptDirectory(str(MIGRATIONS)).get_heads())


def differences(connection: Connection) -> list[Any]:
    """Return what the models and the migrated database disagree on; empty is right."""
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": False}
    )
    return list(compare_metadata(context, Base.metadata))


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = Base.metadata
    return config


def main(arguments: list[str]) -> int:
    """Run one of the commands named above on DATABASE_URL."""
    url = Settings.from_environ().database_url
    match arguments:
        case ["upgrade"]:
            upgrade(url)
        case ["check"]:
            with create_engine(url).connect() as connection:
                found = differences(connection)
            for difference in found:
                sys.stderr.write(f"{difference}\n")
            return 1 if found else 0
        case ["revision", message]:
            with create_engine(url).connect() as connection:
                made = command.revision(_config(connection), message, autogenerate=True)
            sys.stdout.write(f"{made}\n")
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
