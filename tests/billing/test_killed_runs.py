"""A run that is killed leaves nothing half done, and nothing that the next one does twice."""

from functools import partial

from sqlalchemy import Engine, text

from app.core.db import begin
from bench.crashes import crash, differences, invoice_all
from bench.due import open_shop
from tests.make import Make


def test_two_kills_come_to_what_an_undisturbed_run_does(engine: Engine) -> None:
    outcome = crash(engine, contracts=140, kills=(1 / 3, 1 / 2))

    assert outcome.differences == []
    assert (outcome.missing, outcome.doubled, outcome.gaps, outcome.unbalanced) == (0, 0, 0, 0)
    assert outcome.invoices == 160  # every seventh contract is due for two months


def test_one_row_that_is_not_the_same_is_seen(engine: Engine) -> None:
    """The twin: what is compared differs as soon as anything else was written."""
    one, other = (partial(begin, engine, Make.new_merchant_id()) for _ in range(2))
    for transaction in (one, other):
        open_shop(transaction, contracts=2)
        invoice_all(transaction)
    assert list(differences(one, other)) == []

    with other() as session:
        session.execute(text("UPDATE invoice_lines SET events = 3 WHERE position = 1"))

    before, after = differences(one, other)
    assert before.startswith("1 x only the first wrote: ")
    assert after == before.replace("first", "second").replace('"events": 2', '"events": 3')
