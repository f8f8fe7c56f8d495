"""What has served its time goes within the hour, of every merchant."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, select

from app.core import clock
from app.core.db import begin
from app.risk import counting, hits
from app.risk.counting import Key
from app.risk.models import RiskCounter, RiskHit
from app.risk.refusals import Hit
from app.risk.rules import Rule
from jobs import housekeeping
from tests.make import Make

pytestmark = pytest.mark.usefixtures("app")

ADDRESS = "203.0.113.7"


def test_nobody_keeps_the_addresses_of_payers(engine: Engine) -> None:
    merchant_id = Make.new_merchant_id()
    of_merchant = partial(begin, engine, merchant_id)
    long_ago = clock.now() - timedelta(days=91)
    with of_merchant() as session:
        Make(session).merchant()
        hits.record(session, Hit(Rule.PAYER_PER_HOUR, ADDRESS, 100, 20, long_ago))
        counting.lock(session, [Key(Rule.PAYER_PER_HOUR, ADDRESS, long_ago)])

    housekeeping.purge()

    with of_merchant() as session:
        assert session.scalars(select(RiskHit.subject)).all() == [""]
        assert session.scalars(select(RiskCounter)).all() == []
