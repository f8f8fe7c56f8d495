"""The database as the rooms see it: models, tenants, locks. No engine, no URL, no Flask.

A session carries one merchant in `session.info`. Every transaction it begins tells PostgreSQL
(`SET LOCAL`, for Row-Level Security), and every ORM statement on a tenant table gets the merchant
added, so that a query that forgot its WHERE still sees one merchant only, and a missing merchant
is an error here and no rows there.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar, cast

import psycopg
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Engine,
    Enum,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PoolProxiedConnection,
    SQLColumnExpression,
    Text,
    any_,
    event,
    inspect,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import (
    DeclarativeBase,
    LoaderCriteriaOption,
    Mapped,
    ORMExecuteState,
    QueryableAttribute,
    Session,
    SessionTransaction,
    defer,
    mapped_column,
    with_loader_criteria,
)

from app.core.errors import NotFound

Transaction = Callable[[], AbstractContextManager[Session]]
"""Opens one transaction of one merchant: commits at its end, rolls back on an exception."""

MERCHANT = "merchant_id"

ENUM = Enum(
    StrEnum,
    native_enum=False,
    create_constraint=False,
    length=32,
    values_callable=lambda kind: [member.value for member in kind],
)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy reads a plain dict
        StrEnum: ENUM,
        str: Text(),
        int: BigInteger(),
        bytes: LargeBinary(),
        date: Date(),
        datetime: DateTime(timezone=True),
        timedelta: Interval(),
        Decimal: Numeric(38, 12),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        list[str]: ARRAY(Text()),
    }


class Tenant:
    """A row of one merchant: `merchant_id` opens its primary key, every unique and foreign key."""

    __table_args__: Any = {"info": {"scale": "tenant"}}  # noqa: RUF012  # SQLAlchemy reads a dict

    merchant_id: Mapped[int] = mapped_column(primary_key=True, sort_order=-2)


M = TypeVar("M", bound=Tenant)


class NoMerchant(RuntimeError):
    """A tenant table was asked without a merchant: a fault in the program, never input."""


def one_of(column: str, kind: type[StrEnum]) -> CheckConstraint:
    """Return the CHECK that keeps a status column to the values of its enum."""
    values = ", ".join(f"'{member.value}'" for member in kind)
    return CheckConstraint(f"{column} IN ({values})", name=column)


@dataclass(frozen=True, slots=True)
class PlainTransaction:
    """One merchant's transaction without the ORM, for the paths whose speed is what counts."""

    merchant_id: int
    connection: "psycopg.Connection[tuple[Any, ...]]"

    def run(self, statement: str, parameters: Mapping[str, object]) -> Sequence[Any]:
        cursor = self.connection.execute(statement, parameters)
        answers = cursor.pgresult is not None and cursor.pgresult.nfields  # `description` is dear
        return cursor.fetchall() if answers else ()


Work = Session | PlainTransaction
"""What a step of plain SQL needs: it asks `merchant_of` and `run_sql`, and no model."""


class MerchantSession(Session):
    """A session whose statements all belong to the merchant in its `info`."""


@contextmanager
def begin(engine: Engine, merchant_id: int | None) -> Iterator[Session]:
    """Open one transaction of one merchant; commit at the end, roll back on an exception.

    With None the transaction belongs to no merchant and may use the tables without tenant only.
    Rows stay readable after the end: what they hold is what was committed.
    """
    info = {MERCHANT: merchant_id}
    with MerchantSession(engine, info=info, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def begin_plain(engine: Engine, merchant_id: int) -> Iterator[PlainTransaction]:
    """Open one transaction of one merchant for plain SQL: as `begin`, for a fraction of its cost.

    `engine` needs no ping: a connection that the server has closed fails when the transaction
    opens, before anything was done, and a new one is taken. Database errors are psycopg's.
    """
    pooled = _open(engine, merchant_id)
    try:
        yield PlainTransaction(merchant_id, _wire(pooled))
        _command(pooled, "COMMIT")
    finally:
        if _wire(pooled).closed:
            pooled.invalidate()  # cut off: there is nothing to roll back
        pooled.close()  # rolls back what is not committed


def _open(engine: Engine, merchant_id: int) -> PoolProxiedConnection:
    """Take a connection and tell it the merchant, in one round trip."""
    pooled = engine.raw_connection()
    try:
        _command(pooled, _begin_for(merchant_id))
    except psycopg.OperationalError:
        pooled.invalidate()
        engine.dispose()  # the server was away: whatever else the pool holds is as dead
        pooled = engine.raw_connection()
        _command(pooled, _begin_for(merchant_id))
    return pooled


def _begin_for(merchant_id: int) -> str:
    """Return what begins a merchant's transaction.

    A literal, not set_config(): it is what a cluster hands on to its workers.
    """
    return f"BEGIN; SET LOCAL app.merchant_id = '{int(merchant_id)}'"


def _command(pooled: PoolProxiedConnection, command: str) -> None:
    """Send what needs no parameters and answers no rows. Raises psycopg.OperationalError."""
    wire = _wire(pooled).pgconn
    if wire.exec_(command.encode()).status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise psycopg.OperationalError(wire.get_error_message())


def _wire(pooled: PoolProxiedConnection) -> "psycopg.Connection[tuple[Any, ...]]":
    return cast("psycopg.Connection[tuple[Any, ...]]", pooled.driver_connection)


@event.listens_for(MerchantSession, "after_begin")
def _tell_the_database(
    session: Session, transaction: SessionTransaction, connection: Connection
) -> None:
    """Begin and say whose transaction it is in one round trip, where two cost twice as much.

    The driver finds its transaction begun, and begins none of its own.
    """
    merchant = session.info.get(MERCHANT)
    if merchant is None or transaction.nested:
        return
    try:
        _command(connection.connection, _begin_for(merchant))
    except psycopg.OperationalError as error:
        connection.invalidate(error)
        raise OperationalError(_begin_for(merchant), None, error) from error


@event.listens_for(MerchantSession, "do_orm_execute")
def _stay_with_one_merchant(state: ORMExecuteState) -> None:
    if not (state.is_select or state.is_update or state.is_delete):
        return
    if state.is_column_load or state.is_relationship_load:
        return  # the criteria of the first statement go on by themselves
    merchant = state.session.info.get(MERCHANT)
    if state.execution_options.get("platform"):
        return  # asks across merchants, as the login whose policy allows only reading
    if merchant is None:
        if any(issubclass(mapper.class_, Tenant) for mapper in state.all_mappers):
            raise NoMerchant(f"{state.statement}")
        return
    state.statement = state.statement.options(of_merchant(merchant))


@lru_cache(maxsize=1024)
def of_merchant(merchant_id: int) -> LoaderCriteriaOption:
    """Return the option that adds the merchant to every tenant table of a statement.

    The bound value brings its type: SQLAlchemy would else take the type of the first value it
    ever sees here, and keep that of a small one for all merchants.
    """
    bound = literal(merchant_id, BigInteger)
    return with_loader_criteria(
        Tenant, lambda model: model.merchant_id == bound, include_aliases=True
    )


def merchant_of(session: Work) -> int:
    """Return the merchant the session works for. Raises NoMerchant."""
    if isinstance(session, PlainTransaction):
        return session.merchant_id
    merchant = session.info.get(MERCHANT)
    if merchant is None:
        raise NoMerchant("this session has no merchant")
    return int(merchant)


def run_sql(session: Work, statement: str, parameters: Mapping[str, object]) -> Sequence[Any]:
    """Run plain SQL in the session's transaction and return its rows, if it has any.

    For statements that have to be fast, or that no model can say. Nothing is added to them: the
    merchant stands in the statement itself, and Row-Level Security behind it.
    """
    if isinstance(session, PlainTransaction):
        return session.run(statement, parameters)
    result = session.connection().exec_driver_sql(statement, parameters)
    return result.all() if result.returns_rows else ()


def among(row_id: SQLColumnExpression[Any], row_ids: Collection[int]) -> ColumnElement[bool]:
    """Tell whether an id is one of these: one parameter, and one statement, however many they are.

    With `IN` each number of ids is a statement of its own, to be written, read and planned anew.
    """
    return row_id == any_(literal([*row_ids], ARRAY(BigInteger)))


def get(session: Session, model: type[M], row_id: int, *, noun: str) -> M:
    """Return the row of the session's merchant. Raises NotFound, also for another merchant's."""
    row = session.get(model, (merchant_of(session), row_id))
    if row is None:
        raise NotFound(f"there is no {noun} of this id")
    return row


def get_locked(session: Session, model: type[M], row_id: int, *, noun: str) -> M:
    """Lock the row until the transaction ends and return it as it is now. Raises NotFound.

    Reads again even what this session has already read: a plain `with_for_update` holds the
    lock and returns the stale values, which is a double spend. Locks are taken in chain order.
    """
    row = session.get(
        model, (merchant_of(session), row_id), with_for_update=True, populate_existing=True
    )
    if row is None:
        raise NotFound(f"there is no {noun} of this id")
    return row


def get_all_locked(
    session: Session,
    model: type[M],
    row_ids: Collection[int],
    *,
    skip_locked: bool = False,
    without: Sequence[QueryableAttribute[Any]] = (),
) -> list[M]:
    """Lock the rows as `get_locked` does one, in the order of their ids; return those there are.

    With `skip_locked`, rows that somebody else has locked are left out instead of waited for. The
    columns in `without` are read when they are asked for.
    """
    row_id = inspect(model).primary_key[-1]
    return list(
        session.scalars(
            select(model)
            .where(among(row_id, row_ids))
            .order_by(row_id)
            .with_for_update(skip_locked=skip_locked)
            .options(*(defer(column) for column in without))
            .execution_options(populate_existing=True)
        )
    )
