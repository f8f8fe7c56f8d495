"""Replays of a period at other prices: what is asked for, how far it is, each contract's row."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Tenant, one_of
from app.core.ids import new_id
from app.core.money import Currency, Money
from app.core.states import Machine


class ReplayStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ReplayEvent(StrEnum):
    START = "start"
    FINISH = "finish"
    FAIL = "fail"


REPLAY = Machine(
    "price replay",
    moves={
        (ReplayStatus.QUEUED, ReplayEvent.START): ReplayStatus.RUNNING,
        (ReplayStatus.RUNNING, ReplayEvent.FINISH): ReplayStatus.DONE,
        (ReplayStatus.QUEUED, ReplayEvent.FAIL): ReplayStatus.FAILED,
        (ReplayStatus.RUNNING, ReplayEvent.FAIL): ReplayStatus.FAILED,
    },
    repeats=frozenset(
        {
            (ReplayStatus.RUNNING, ReplayEvent.START),  # its worker died: another goes on
            (ReplayStatus.DONE, ReplayEvent.FINISH),
        }
    ),
)


class PriceReplay(Tenant, Base):
    """A period's real usage rated at prices that are not published yet, beside what it cost.

    `content` is a copy of the draft, and `sha256` its hash: a draft that changed since was not
    replayed. `done` of `total` contracts have their row.
    """

    __tablename__ = "price_replays"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "rate_card_id"], ["rate_cards.merchant_id", "rate_cards.id"]
        ),
        CheckConstraint("period_to > period_from", name="period"),
        one_of("status", ReplayStatus),
        Index("ix_price_replays_rate_card_id", "merchant_id", "rate_card_id", "id"),
        {"info": {"scale": "tenant"}},
    )

    id: Mapped[int] = mapped_column(primary_key=True, default=new_id)
    rate_card_id: Mapped[int]
    content: Mapped[dict[str, Any]]
    sha256: Mapped[str]
    period_from: Mapped[date]
    period_to: Mapped[date]
    status: Mapped[ReplayStatus] = mapped_column(default=ReplayStatus.QUEUED)
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    events: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class PriceReplayRow(Tenant, Base):
    """One contract of a replay: what it comes to at its own prices, and at the draft's.

    `crossings` names the metrics whose quantity ends in another tier: metric, tier before, tier
    after. `problem` says why a contract could not be rated at the draft, such as a currency that
    the draft has no prices in.
    """

    __tablename__ = "price_replay_rows"
    __table_args__ = (
        ForeignKeyConstraint(
            ["merchant_id", "replay_id"], ["price_replays.merchant_id", "price_replays.id"]
        ),
        {"info": {"scale": "tenant"}},
    )

    replay_id: Mapped[int] = mapped_column(primary_key=True)
    contract_id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int]
    currency: Mapped[Currency]
    current_minor: Mapped[int]
    draft_minor: Mapped[int]
    events: Mapped[int]
    crossings: Mapped[list[Any]]
    problem: Mapped[str | None]

    @property
    def current(self) -> Money:
        return Money(self.current_minor, self.currency)

    @property
    def draft(self) -> Money:
        return Money(self.draft_minor, self.currency)

    @property
    def delta(self) -> Money:
        return self.draft - self.current
