"""Days of charts follow the usage, and the operator's commands tell and mend what is wrong."""

from datetime import UTC, datetime
from functools import partial

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import Engine, delete, select, update

from app.core.db import Transaction, begin
from app.core.ids import show_merchant
from app.metering.models import EVERY_SERIES, UsageDay, UsageRefresh, UsageRollup
from jobs.usage import refresh_days
from tests.make import Make
from tests.metering.stored import Shelf, may


@pytest.fixture
def merchant_id(engine: Engine) -> int:
    """Return a merchant with one event; it is gone from the charts at the end."""
    number = Make.new_merchant_id()
    with begin(engine, number) as session:
        make = Make(session)
        make.merchant()
        Shelf(session).add(make.metric(), "5", at=may(3), customer=make.customer())
    return number


@pytest.fixture
def shop(engine: Engine, merchant_id: int) -> Transaction:
    return partial(begin, engine, merchant_id)


def charted(shop: Transaction) -> list[int]:
    with shop() as session:
        wanted = select(UsageDay.quantity).where(UsageDay.series_id == EVERY_SERIES)
        return [int(quantity) for quantity in session.scalars(wanted)]


@pytest.mark.usefixtures("app")
def test_a_beat_adds_up_what_arrived(shop: Transaction) -> None:
    refresh_days()
    assert charted(shop) == [5]

    with shop() as session:
        make = Make(session)
        customer, metric = make.customer(external_id="second"), make.metric(code="other")
        Shelf(session).add(metric, "7", at=may(4), customer=customer)
    refresh_days()

    assert sorted(charted(shop)) == [5, 7]


@pytest.mark.usefixtures("app")
def test_the_very_first_beat_adds_up_what_there_is(
    engine: Engine, shop: Transaction, reader: Engine
) -> None:
    with begin(reader, None) as session:
        merchants = session.scalars(
            select(UsageRefresh.merchant_id).execution_options(platform=True)
        ).all()
    for number in merchants:
        with begin(engine, number) as session:
            session.execute(delete(UsageRefresh))

    refresh_days()

    assert charted(shop) == [5]


def test_a_check_tells_what_is_wrong_and_a_rebuild_mends_the_days(
    app: Flask, shop: Transaction, merchant_id: int
) -> None:
    usage, who = app.cli.commands["usage"], show_merchant(merchant_id)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)  # before any beat looked
    with shop() as session:
        make = Make(session)
        metric, customer = make.metric(code="old"), make.customer(external_id="old")
        Shelf(session).add(metric, "5", at=may(9), customer=customer, received_at=long_ago)

    def run(command: str) -> Result:
        return app.test_cli_runner().invoke(usage, [command, "--merchant", who])

    assert f"{who}: MetricDay(" in run("check").output  # it was never added up
    assert run("rebuild-days").exit_code == 0
    assert who not in run("check").output
    assert charted(shop) == [5, 5]

    with shop() as session:
        session.execute(update(UsageRollup).values(quantity=6))
    checked = run("check")

    assert checked.exit_code == 1
    assert f"{who}: RollupKey(" in checked.output
    with shop() as session:
        session.execute(update(UsageRollup).values(quantity=5))


def test_a_merchant_that_is_not_there_is_not_checked(app: Flask) -> None:
    asked = ["check", "--merchant", "000nobody00"]

    refused = app.test_cli_runner().invoke(app.cli.commands["usage"], asked)

    assert refused.exit_code == 2
    assert "there is no merchant of this id" in refused.output
