"""The schema would distribute, and no table is open by mistake (T2, scale rules 1–10).

Read from the catalogue of a migrated database, so that a hand-written migration can not slip by.
"""

from typing import Any

import pytest
from sqlalchemy import BigInteger, DateTime, Float, Numeric, text
from sqlalchemy.orm import Session

from app import schema
from app.core.db import Base

TABLES = {table.name: table for table in Base.metadata.sorted_tables}
TENANT = sorted(name for name, table in TABLES.items() if table.info.get("scale") == "tenant")
CLASSES = {"tenant", "global", "reference"}
WITHOUT_TENANT = {
    "channel_callbacks",
    "companies",
    "directory",
    "platform_terms",
    "risk_limits",
    "user_merchants",
    "users",
    "web_sessions",
}
LONGEST_NAME = 50


def rows(session: Session, statement: str, **values: Any) -> list[Any]:
    return list(session.execute(text(statement), values))


def test_every_table_says_how_it_is_distributed() -> None:
    assert schema.MODELS
    assert {table.info.get("scale") for table in TABLES.values()} <= CLASSES
    assert set(TABLES) - set(TENANT) == WITHOUT_TENANT


@pytest.mark.parametrize("name", TENANT)
def test_a_tenant_table_opens_every_key_with_the_merchant(session: Session, name: str) -> None:
    keys = rows(
        session,
        "SELECT i.indexrelid::regclass::text, a.attname FROM pg_index i"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " WHERE i.indrelid = cast(:name AS regclass) AND i.indisunique",
        name=name,
    )

    assert keys
    assert {column for _, column in keys} == {"merchant_id"}


@pytest.mark.parametrize("name", TENANT)
def test_a_tenant_table_is_closed_by_row_security(session: Session, name: str) -> None:
    ((enabled, forced),) = rows(
        session,
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = cast(:n AS regclass)",
        n=name,
    )
    policies = rows(
        session,
        "SELECT polname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)"
        " FROM pg_policy WHERE polrelid = cast(:name AS regclass) ORDER BY polname",
        name=name,
    )

    assert (enabled, forced) == (True, True)
    assert [policy for policy, _, _ in policies] == ["reader", "tenant"]
    assert policies[0][1] == "true"
    assert policies[1][1] == policies[1][2]
    assert "app.merchant_id" in policies[1][1]


def test_every_foreign_key_between_tenants_pairs_the_merchant(session: Session) -> None:
    keys = rows(
        session,
        "SELECT conname, conkey[1], confkey[1], confdeltype::text, confupdtype::text,"
        " condeferrable, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'",
    )

    assert keys
    for name, first, foreign_first, on_delete, on_update, deferrable, target in keys:
        assert (first, foreign_first) == (1, 1), name  # merchant_id is every table's first column
        assert on_delete in {"a", "r", "c"}, name
        assert on_update == "a", name
        assert not deferrable, name
        assert target in TENANT, name


def test_names_leave_room_for_the_shards(session: Session) -> None:
    names = rows(
        session,
        "SELECT conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
        " WHERE t.relnamespace = 'public'::regnamespace"
        " UNION SELECT relname FROM pg_class WHERE relkind = 'i'"
        " AND relnamespace = 'public'::regnamespace",
    )

    assert [name for (name,) in names if len(name) > LONGEST_NAME] == []


def test_triggers_name_no_table_and_are_never_deferred(session: Session) -> None:
    triggers = rows(
        session,
        "SELECT t.tgname, t.tgdeferrable, t.tgenabled::text, p.prosrc, p.prosecdef"
        " FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal",
    )

    assert triggers
    for name, deferrable, enabled, source, is_definer in triggers:
        assert not deferrable, name
        assert enabled == "A", f"{name} is not ENABLE ALWAYS"
        assert not is_definer, name
        assert not [table for table in TABLES if f" {table} " in source], name


def test_no_view_and_no_definer_function_goes_around_row_security(session: Session) -> None:
    loose = rows(
        session,
        "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm')"
        " AND relnamespace = 'public'::regnamespace"
        " UNION SELECT proname FROM pg_proc WHERE prosecdef"
        " AND pronamespace = 'public'::regnamespace",
    )

    assert loose == []


def test_no_login_of_the_product_owns_a_table(session: Session) -> None:
    owned = rows(
        session,
        "SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
        " WHERE r.rolname IN ('bm_app', 'bm_worker', 'bm_ops_ro')",
    )

    assert owned == []


def test_the_ledger_takes_inserts_only(session: Session) -> None:
    grants = rows(
        session,
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants"
        " WHERE grantee = 'bm_app' AND table_name LIKE 'ledger%'",
    )

    assert {privilege for _, privilege in grants} == {"SELECT", "INSERT"}


def test_money_is_an_integer_and_nothing_is_a_float() -> None:
    for table in TABLES.values():
        for column in table.columns:
            where = f"{table.name}.{column.name}"
            is_float = isinstance(column.type, Float) and not isinstance(column.type, Numeric)
            assert not is_float, where
            if column.name.endswith("_minor"):
                assert isinstance(column.type, BigInteger), where


def test_every_instant_has_a_zone() -> None:
    for table in TABLES.values():
        for column in table.columns:
            if isinstance(column.type, DateTime):
                assert column.type.timezone, f"{table.name}.{column.name}"


def test_the_models_are_what_the_migrations_make(session: Session) -> None:
    assert schema.differences(session.connection()) == []


@pytest.mark.parametrize("name", TENANT)
def test_a_look_up_by_key_uses_the_whole_primary_key(session: Session, name: str) -> None:
    keys = [column.name for column in TABLES[name].primary_key.columns]
    values = dict.fromkeys(keys, "1")
    for column in TABLES[name].primary_key.columns:
        if column.type.python_type is not int:
            return  # a text or date key is looked up the same way; literals would only clutter
    where = " AND ".join(f"{column} = {value}" for column, value in values.items())
    session.execute(text("SET LOCAL enable_seqscan = off"))

    plan = "\n".join(
        line for (line,) in rows(session, f"EXPLAIN SELECT * FROM {name} WHERE {where}")
    )

    assert "Index" in plan or "One-Time Filter" in plan, plan
