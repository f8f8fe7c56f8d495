"""A replay rates a past month at a draft, contract by contract, and writes no bill."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from app.audit.recording import SYSTEM
from app.billing import replay as replays
from app.billing.replay import Days, InvalidReplayDays
from app.billing.replay_models import PriceReplay, PriceReplayRow, ReplayStatus
from app.core.db import Transaction, begin
from app.core.money import Currency
from app.core.outbox import OutboxJob
from app.pricing.models import Metric
from tests.billing.make import Sold, billed, send, use
from tests.make import NOON, Make, usd

TIERED: dict[str, Any] = {
    "model": "graduated",
    "tiers": [
        {"up_to": "10", "unit_price": "10", "flat_fee": "0"},
        {"up_to": None, "unit_price": "5", "flat_fee": "0"},
    ],
}


def content_of(metric: Metric, price: dict[str, Any], currency: str = "USD") -> dict[str, Any]:
    return {"currencies": {currency: [{"metric": metric.code} | price]}}


def cents(unit_price: str) -> dict[str, Any]:
    return {"model": "standard", "unit_price": unit_price}


class Shop:
    """One rate card of one metric, and contracts on it."""

    def __init__(self, session: Session, price: dict[str, Any] | None = None) -> None:
        self.make = Make(session)
        self.session = session
        self.metric = self.make.metric()
        self.version = self.make.rate_card_version(content_of(self.metric, price or cents("1")))

    def sell(self, quantity: str = "", **columns: Any) -> Sold:
        sale = Sold(self.metric, self.make.contract(self.version, **columns))
        if quantity:
            use(self.session, sale, quantity)
        return sale

    def start(self, price: dict[str, Any], **keywords: Any) -> PriceReplay:
        return replays.start(
            self.session,
            self.version.rate_card_id,
            content=content_of(self.metric, price),
            actor=SYSTEM,
            now=NOON,
            **keywords,
        )


def rows_of(session: Session, replay: PriceReplay) -> list[tuple[int, int]]:
    rows = replays.list_rows(session, replay.id).rows
    return [(row.current_minor, row.draft_minor) for row in rows]


def finish(session: Session, replay: PriceReplay) -> None:
    while replays.rate_chunk(session, replay.id, now=NOON):
        session.flush()
    session.flush()


def test_the_last_calendar_month_is_replayed(session: Session) -> None:
    shop = Shop(session)
    sale = shop.sell("100")
    use(session, sale, "7", on=date(2026, 4, 30))
    use(session, sale, "7", on=date(2026, 6, 1))

    replay = shop.start(cents("3"))
    finish(session, replay)

    assert (replay.period_from, replay.period_to) == (date(2026, 5, 1), date(2026, 6, 1))
    assert (replay.status, replay.total, replay.done, replay.events) == (
        ReplayStatus.DONE,
        1,
        1,
        1,
    )
    assert rows_of(session, replay) == [(100, 300)]


def test_those_that_change_most_come_first(session: Session) -> None:
    shop = Shop(session, TIERED)
    for quantity in ("5", "30", "10"):
        shop.sell(quantity)

    replay = shop.start(cents("10"))
    finish(session, replay)

    # 30 units are 10 × 10 + 20 × 5 now, and 300 then.
    assert rows_of(session, replay) == [(200, 300), (100, 100), (50, 50)]
    first = replays.list_rows(session, replay.id, limit=1)
    second = replays.list_rows(session, replay.id, limit=1, cursor=first.next_cursor)
    third = replays.list_rows(session, replay.id, limit=1, cursor=second.next_cursor)
    assert third.next_cursor is None
    assert len({page.rows[0].contract_id for page in (first, second, third)}) == 3


def test_totals_add_up_by_currency(session: Session) -> None:
    shop = Shop(session)
    shop.sell("100")
    shop.sell("50")

    replay = shop.start(cents("3"))
    finish(session, replay)

    (total,) = replays.totals(session, replay.id)
    assert (total.contracts, total.problems) == (2, 0)
    assert (total.current, total.draft, total.delta) == (usd(150), usd(450), usd(300))


def test_a_currency_that_the_draft_does_not_price_is_a_problem(session: Session) -> None:
    shop = Shop(session)
    shop.version.content["currencies"]["EUR"] = shop.version.content["currencies"]["USD"]
    shop.sell("100", currency=Currency.EUR)
    shop.sell("100")

    replay = shop.start(cents("3"))
    finish(session, replay)

    rows = replays.list_rows(session, replay.id).rows
    assert [row.problem for row in rows] == [None, "currency_not_priced"]
    assert [
        (total.problems, total.delta.minor) for total in replays.totals(session, replay.id)
    ] == [
        (1, 0),
        (0, 200),
    ]


def test_who_ends_in_another_tier_is_named(session: Session) -> None:
    shop = Shop(session, TIERED)
    for quantity in ("5", "30"):
        shop.sell(quantity)
    wider = [TIERED["tiers"][0] | {"up_to": "50"}, TIERED["tiers"][1]]

    replay = shop.start(TIERED | {"tiers": wider})
    finish(session, replay)

    rows = replays.list_rows(session, replay.id).rows
    assert [row.crossings for row in rows] == [
        [{"metric": shop.metric.code, "part": "Agent runs", "before": 2, "after": 1}],
        [],
    ]
    assert replays.totals(session, replay.id)[0].crossing == 1


def test_only_days_that_a_contract_covers_are_rated(session: Session) -> None:
    shop = Shop(session)
    shop.sell("1", starts_on=date(2026, 6, 1), anchor_on=date(2026, 6, 1))
    half = shop.sell("10", ends_on=date(2026, 5, 10))
    use(session, half, "3", on=date(2026, 5, 3))

    replay = shop.start(cents("3"))
    finish(session, replay)

    assert replay.total == 1
    assert rows_of(session, replay) == [(3, 9)]


def test_a_line_beyond_all_measure_is_a_problem_of_its_contract(session: Session) -> None:
    shop = Shop(session)
    shop.sell("10000001")

    replay = shop.start(cents("1000000"))
    finish(session, replay)

    assert replay.status is ReplayStatus.DONE
    assert [row.problem for row in replays.list_rows(session, replay.id).rows] == ["line_too_large"]


def test_days_may_be_chosen_within_reason(session: Session) -> None:
    shop = Shop(session)

    replay = shop.start(cents("3"), days=Days(date(2026, 5, 10), date(2026, 5, 20)))
    with pytest.raises(InvalidReplayDays):
        shop.start(cents("3"), days=Days(date(2026, 5, 10), date(2026, 5, 10)))

    assert (replay.period_from, replay.period_to) == (date(2026, 5, 10), date(2026, 5, 20))


def test_a_killed_worker_leaves_whole_chunks(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "CHUNK", 2)
    with transaction() as session:
        shop = Shop(session)
        for _ in range(5):
            shop.sell("10")
        replay_id = shop.start(cents("3")).id
    with transaction() as session:
        assert replays.rate_chunk(session, replay_id, now=NOON)
    with pytest.raises(Killed):
        begin_and_die(transaction, replay_id)

    with transaction() as session:
        assert replays.get_replay(session, replay_id).done == 2
    replays.run(transaction, replay_id, now=NOON)
    replays.run(transaction, replay_id, now=NOON)

    with transaction() as session:
        replay = replays.get_replay(session, replay_id)
        assert (replay.status, replay.done, replay.events) == (ReplayStatus.DONE, 5, 5)
        assert session.scalar(select(func.count()).select_from(PriceReplayRow)) == 5


class Killed(BaseException):
    """What ends a process in the middle of its work."""


def begin_and_die(transaction: Transaction, replay_id: int) -> None:
    with transaction() as session:
        replays.rate_chunk(session, replay_id, now=NOON)
        raise Killed


def test_long_work_is_parted_into_jobs(
    transaction: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "CHUNK", 1)
    monkeypatch.setattr(replays, "CHUNKS_A_JOB", 2)
    with transaction() as session:
        shop = Shop(session)
        for _ in range(3):
            shop.sell("10")
        replay_id = shop.start(cents("3")).id

    replays.run(transaction, replay_id, now=NOON)

    with transaction() as session:
        assert replays.get_replay(session, replay_id).status is ReplayStatus.RUNNING
        owed = session.scalars(select(OutboxJob.task)).all()
    assert owed == ["jobs.billing.replay_prices"] * 2


MODELS = [
    cents("0.37"),
    TIERED | {"minimum_amount": "9", "free_units": "3"},
    {"model": "volume", "tiers": TIERED["tiers"]},
    {"model": "package", "package_size": "7", "package_price": "33"},
    {"model": "percentage", "rate": "1.3", "fixed_fee": "30", "free_events": 1},
]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    default=st.sampled_from(MODELS),
    filtered=st.sampled_from(MODELS),
    grouped=st.booleans(),
    commitment=st.sampled_from(["0", "500"]),
    usage=st.lists(
        st.tuples(st.integers(0, 30), st.decimals("0", "40", places=2), st.sampled_from("ab")),
        max_size=6,
    ),
)
def test_a_replayed_month_is_the_invoiced_month(
    engine: Engine,
    *,
    default: dict[str, Any],
    filtered: dict[str, Any],
    grouped: bool,
    commitment: str,
    usage: list[tuple[int, Any, str]],
) -> None:
    transaction = partial(begin, engine, Make.new_merchant_id())
    with transaction() as session:
        make = Make(session)
        make.merchant()
        metric = make.metric(dimensions={"model": None})
        price = default | {
            "filters": [{"match": {"model": ["a"]}} | filtered],
            "group_by": ["model"] if grouped else [],
        }
        content = content_of(metric, price) | {"commitments": {"USD": commitment}}
        version = make.rate_card_version(content)
        sale = Sold(metric, make.contract(version))
        for number, (day, quantity, model) in enumerate(usage):
            at = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=day, seconds=number)
            send(session, sale, f"{quantity:f}", at=at, model=model)

        invoice = billed(session, sale)
        replay = replays.start(
            session, version.rate_card_id, content=content, actor=SYSTEM, now=NOON
        )
        finish(session, replay)

        assert rows_of(session, replay) == [(invoice.subtotal_minor, invoice.subtotal_minor)]
