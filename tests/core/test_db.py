"""Every statement of a session stays with its merchant, whoever came before."""

import subprocess
import sys

import pytest
from sqlalchemy import Engine, func, inspect, select, update
from sqlalchemy.orm import Session

from app.config import ROOT
from app.core import db
from app.core.errors import NotFound
from app.customers.models import Customer
from tests.make import Make

# In a process of its own: SQLAlchemy remembers what it first made of a criterion.
FIRST_A_SMALL_ONE = """
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import psycopg
from app.core.db import of_merchant
from app.customers.models import Customer

for merchant in (0, 7, 2**31, 2**52):
    statement = select(Customer).options(of_merchant(merchant))
    compiled = statement.compile(dialect=psycopg.dialect())
    assert "::BIGINT" in str(compiled), compiled
    assert list(compiled.params.values()) == [merchant], compiled.params
"""


def test_a_small_merchant_id_does_not_spoil_the_large_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_A_SMALL_ONE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_selects_counts_and_updates_stay_with_the_merchant(engine: Engine) -> None:
    ids = [7, Make.new_merchant_id(), Make.new_merchant_id()]
    for merchant_id in ids:
        with db.begin(engine, merchant_id) as session:
            Make(session).merchant()
            Make(session).customer(external_id="one", name=str(merchant_id))

    for merchant_id in ids:
        with db.begin(engine, merchant_id) as session:
            session.execute(update(Customer).values(email="new@example.cn"))
            assert session.scalar(select(func.count()).select_from(Customer)) == 1
            assert session.scalars(select(Customer.name)).all() == [str(merchant_id)]


def test_a_row_of_another_merchant_is_not_found(engine: Engine, session: Session) -> None:
    with db.begin(engine, Make.new_merchant_id()) as other:
        Make(other).merchant()
        theirs = Make(other).customer().id

    with pytest.raises(NotFound):
        db.get(session, Customer, theirs, noun="customer")
    with pytest.raises(NotFound):
        db.get_locked(session, Customer, theirs, noun="customer")


def test_a_lock_shows_the_row_as_it_is_now(engine: Engine) -> None:
    merchant_id = Make.new_merchant_id()
    with db.begin(engine, merchant_id) as session:
        Make(session).merchant()
        customer_id = Make(session).customer(name="before").id

    with db.begin(engine, merchant_id) as session:
        read = db.get(session, Customer, customer_id, noun="customer")
        with db.begin(engine, merchant_id) as other:
            db.get(other, Customer, customer_id, noun="customer").name = "after"
        locked = db.get_locked(session, Customer, customer_id, noun="customer")

    assert locked is read
    assert locked.name == "after"


def test_locked_rows_come_by_id_and_what_is_left_out_is_read_when_asked(
    session: Session, make: Make
) -> None:
    ids = sorted(make.customer().id for _ in range(3))
    session.expire_all()

    found = db.get_all_locked(session, Customer, [*reversed(ids), 1], without=[Customer.name])

    assert [customer.id for customer in found] == ids
    assert "name" in inspect(found[0]).unloaded
    assert found[0].name
