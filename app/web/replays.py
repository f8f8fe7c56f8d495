"""Replays: what last month's usage comes to at a draft's prices, contract by contract."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from flask import g, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.billing import replay
from app.billing.replay_models import PriceReplay, PriceReplayRow, ReplayStatus
from app.core.errors import NotFound
from app.core.ids import Prefix, read, show
from app.core.paging import MAX_LIMIT, Page
from app.customers import queries as customers
from app.customers.models import Customer
from app.extensions import transaction
from app.pricing import drafts, queries
from app.pricing.price_sets import content_sha256
from app.web import access, csv, listing
from app.web.page import page
from app.web.public_ids import PUBLIC_IDS

_HEADER = (
    "contract_id",
    "customer_external_id",
    "customer_name",
    "currency",
    "now_minor",
    "draft_minor",
    "difference_minor",
    "events",
    "crossings",
    "problem",
)
_BARS = 100


@dataclass(frozen=True)
class Row:
    """One contract of a replay with its customer; `width` draws its change, in percent of most."""

    row: PriceReplayRow
    customer: Customer
    width: int

    @property
    def percent(self) -> float | None:
        """By how much it changes; None when it costs nothing now."""
        if not self.row.current_minor:
            return None
        return 100 * self.row.delta.minor / self.row.current_minor


def start_replay(rate_card_id: str) -> Response:
    """Begin to replay last month at the draft as it was saved."""
    with transaction(g.merchant_id) as session:
        card_id = read(Prefix.RATE_CARD, rate_card_id)
        draft = drafts.find_draft(session, card_id)
        if draft is None:
            raise NotFound("this rate card has no draft")
        begun = replay.start(
            session, card_id, content=draft.content, actor=access.actor(), now=access.now()
        )
    return redirect(url_for("web.replay", replay_id=show(Prefix.PRICE_REPLAY, begun.id)), 303)


def show_replay(replay_id: str) -> Response:
    number = read(Prefix.PRICE_REPLAY, replay_id)
    if listing.wants_csv():
        return csv.answer("replay", _HEADER, _csv_rows(number))
    with transaction(g.merchant_id) as session:
        found = replay.get_replay(session, number)
        rows = replay.list_rows(session, number, cursor=listing.cursor())
        next_url, prev_url = listing.pager(rows.next_cursor)
        draft = drafts.find_draft(session, found.rate_card_id)
        return page(
            "rate_cards/replay.html",
            fragment="result",
            nav="products",
            replay=found,
            last_day=found.period_to - timedelta(days=1),
            is_running=found.status in {ReplayStatus.QUEUED, ReplayStatus.RUNNING},
            card=queries.get_rate_card(session, found.rate_card_id),
            draft=draft,
            is_current=draft is not None and content_sha256(draft.content) == found.sha256,
            version=_published(session, found),
            totals=replay.totals(session, number),
            rows=_rows(session, rows.rows, _greatest(session, number)),
            problems=_problems(),
            next_url=next_url,
            prev_url=prev_url,
            csv_url=listing.csv_url(),
            here=request.full_path.rstrip("?"),
            **PUBLIC_IDS,
        )


def _published(session: Session, found: PriceReplay) -> int | None:
    """Return the number of the version that has the prices of the replay, if one does."""
    versions = queries.list_versions(session, found.rate_card_id, limit=MAX_LIMIT).rows
    return next((each.number for each in versions if each.sha256 == found.sha256), None)


def _rows(
    session: Session, rows: Sequence[PriceReplayRow], greatest: Mapping[str, int]
) -> list[Row]:
    known = customers.customers_by_id(session, {row.customer_id for row in rows})
    return [
        Row(
            row,
            known[row.customer_id],
            abs(row.delta.minor) * _BARS // (greatest.get(row.currency.value) or 1),
        )
        for row in rows
    ]


def _greatest(session: Session, number: int) -> dict[str, int]:
    """Return by currency the greatest change, which the bars are drawn against."""
    greatest: dict[str, int] = {}
    for row in replay.list_rows(session, number, limit=MAX_LIMIT).rows:
        change = abs(row.delta.minor)
        greatest[row.currency.value] = max(change, greatest.get(row.currency.value, 0))
    return greatest


def _problems() -> dict[str, str]:
    return {
        "currency_not_priced": _("The draft has no prices in this currency."),
        "line_too_large": _("A line comes to more than we bill."),
    }


def _csv_rows(number: int) -> Iterator[tuple[object, ...]]:
    def read_page(cursor: str | None) -> Page[Row]:
        with transaction(g.merchant_id) as session:
            replay.get_replay(session, number)
            found = replay.list_rows(session, number, cursor=cursor, limit=MAX_LIMIT)
            return Page(_rows(session, found.rows, {}), found.next_cursor)

    for each in csv.all_rows(read_page):
        row = each.row
        yield (
            show(Prefix.CONTRACT, row.contract_id),
            each.customer.external_id,
            each.customer.name,
            row.currency,
            row.current_minor,
            row.draft_minor,
            row.delta.minor,
            row.events,
            "; ".join(f"{c['part']}: {c['before']} → {c['after']}" for c in row.crossings),
            row.problem or "",
        )
