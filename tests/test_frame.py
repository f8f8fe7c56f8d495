"""The frame stands: a merchant sees its own rows only, and the login can do no harm."""

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import ProgrammingError

from app.core.db import NoMerchant, begin
from app.customers.models import Customer
from app.roles import check_login
from tests.conftest import Databases
from tests.make import Make


def test_the_login_of_the_doors_obeys_row_security(databases: Databases) -> None:
    check_login(databases.app)
    check_login(databases.worker)
    check_login(databases.reader)


def test_a_select_without_where_sees_one_merchant(engine: Engine) -> None:
    for name in ("mine", "theirs"):
        merchant_id = Make.new_merchant_id()
        with begin(engine, merchant_id) as session:
            Make(session).merchant()
            Make(session).customer(external_id=name)

    with begin(engine, merchant_id) as session:
        raw = session.execute(text("SELECT external_id FROM customers")).scalars().all()
        orm = session.scalars(select(Customer.external_id)).all()

    assert raw == orm == ["theirs"]


def test_a_statement_without_merchant_is_refused(engine: Engine) -> None:
    with begin(engine, None) as session, pytest.raises(NoMerchant):
        session.scalars(select(Customer)).all()


def test_without_merchant_the_database_shows_no_rows(engine: Engine) -> None:
    with begin(engine, Make.new_merchant_id()) as session:
        Make(session).merchant()
        Make(session).customer()

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM customers")).scalar() == 0


def test_the_reader_writes_nothing(reader: Engine) -> None:
    insert = text("INSERT INTO companies (id, name, created_at) VALUES (1, '', now())")
    with reader.connect() as connection:
        connection.execute(text("SET TRANSACTION READ WRITE"))

        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(insert)
