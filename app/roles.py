"""Database roles: the product never connects as the owner of its tables, nor as a superuser.

`bm_app` (the doors) and `bm_worker` (the jobs) see one merchant at a time through Row-Level
Security; `bm_ops_ro` reads all merchants and writes nothing. Where the owner may not create
roles, an operator runs the statements of `docs/operators.md` and sets the three URLs.
"""

import json
import secrets
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from app.embedded import locked

LOGINS = {
    "APP_DATABASE_URL": "bm_app",
    "WORKER_DATABASE_URL": "bm_worker",
    "READER_DATABASE_URL": "bm_ops_ro",
}
_LIMITS = {
    "bm_app": {"statement_timeout": "5s", "lock_timeout": "3s"},
    "bm_worker": {"statement_timeout": "60s", "lock_timeout": "3s"},
    "bm_ops_ro": {"statement_timeout": "60s", "default_transaction_read_only": "on"},
}
_IDLE = {"idle_in_transaction_session_timeout": "30s"}


class UnsafeDatabase(RuntimeError):
    """The product was given a database or a login that could break its promises."""


def ensure_roles(owner_url: str, passwords: Path) -> dict[str, str]:
    """Make the three logins if they are missing and return their URLs by setting name.

    Running it twice changes nothing: passwords are kept in the file `passwords` (mode 0600),
    per cluster, and set again only where a login no longer works.
    """
    with locked(passwords.with_suffix(".lock")), psycopg.connect(_dsn(owner_url)) as connection:
        found = connection.execute("SELECT system_identifier::text FROM pg_control_system()")
        (cluster,) = found.fetchone() or ("",)
        kept = json.loads(passwords.read_text()) if passwords.exists() else {}
        known = kept.setdefault(cluster, {})
        urls = {}
        for setting, role in LOGINS.items():
            known.setdefault(role, secrets.token_urlsafe(24))
            urls[setting] = _login_url(owner_url, role, known[role])
            _ensure_role(connection, role)
            if not _can_log_in(urls[setting]):
                _set_password(connection, role, known[role])
        passwords.touch(0o600)
        passwords.write_text(json.dumps(kept))
    return urls


def check_durable(owner_url: str) -> None:
    """Raise UnsafeDatabase when the server may lose what it has acknowledged."""
    wanted = {"fsync": "on", "full_page_writes": "on"}
    with psycopg.connect(_dsn(owner_url)) as connection:
        for setting, value in wanted.items():
            row = connection.execute("SELECT current_setting(%s)", [setting]).fetchone()
            if row != (value,):
                raise UnsafeDatabase(f"the database runs with {setting} off: it could lose money")


def check_login(url: str) -> None:
    """Raise UnsafeDatabase when the login is a superuser, bypasses row security or owns a table."""
    with psycopg.connect(_dsn(url)) as connection:
        row = connection.execute(
            "SELECT rolsuper OR rolbypassrls OR EXISTS"
            " (SELECT 1 FROM pg_class WHERE relowner = r.oid AND relkind IN ('r', 'p'))"
            " FROM pg_roles r WHERE rolname = current_user"
        ).fetchone()
    if row is None or row[0]:
        raise UnsafeDatabase("the product's database login must own nothing and obey row security")


def _ensure_role(connection: psycopg.Connection[Any], role: str) -> None:
    name = sql.Identifier(role)
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE").format(
                name
            )
        )
    for setting, value in (_LIMITS[role] | _IDLE).items():
        statement = sql.SQL("ALTER ROLE {} SET {} = {}")
        connection.execute(statement.format(name, sql.Identifier(setting), sql.Literal(value)))
    connection.commit()


def _set_password(connection: psycopg.Connection[Any], role: str, password: str) -> None:
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
    connection.commit()


def _can_log_in(url: str) -> bool:
    try:
        with psycopg.connect(_dsn(url), connect_timeout=3):
            return True
    except psycopg.OperationalError:
        return False


def _login_url(owner_url: str, role: str, password: str) -> str:
    url = make_url(owner_url).set(username=role, password=password)
    return url.render_as_string(hide_password=False)


def _dsn(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
