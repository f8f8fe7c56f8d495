"""Risk over all merchants: how each stands today, and every payment that a rule did not let in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Invalid, NotFound
from app.core.ids import show_merchant
from app.core.money import Currency, Money
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.extensions import reading
from app.risk import hits, queries
from app.risk.hits import HitFilter
from app.risk.models import RiskHit, Switch
from app.risk.queries import Standing, State
from app.risk.rules import SHANGHAI, Rule
from app.web import csv, listing, risk_words
from app.web.admin import merchant_names
from app.web.admin_filters import chosen_merchant
from app.web.day_filters import chosen_span
from app.web.page import page
from app.web.refusals import say

_HIT_HEADER = (
    "at",
    "merchant_id",
    "merchant",
    "rule",
    "subject",
    "amount_cny_minor",
    "maximum",
)
_STANDING_HEADER = (
    "merchant_id",
    "merchant",
    "mode",
    "used_today_cny_minor",
    "daily_limit_cny_minor",
    "frozen",
    "refused_today",
)
_HIT_FILTERS = ("merchant", "rule", "from", "to")
_MANY = 80  # of a hundred: what is nearly used up
_ALL = 100


@dataclass(frozen=True)
class HitRow:
    """A hit, whose it is, and what the rule and its maximum are called.

    `frozen` is what of the merchant was, where that is why.
    """

    hit: RiskHit
    merchant: str
    merchant_url: str
    rule: str
    maximum: str
    frozen: str


@dataclass(frozen=True)
class StandingRow:
    """A merchant, and how much of the day's limit is used, as words and as a colour."""

    standing: Standing
    id: str
    used: Money
    maximum: Money
    frozen: Sequence[str]

    @property
    def tone(self) -> str:
        return tone_of(self.standing.used, self.standing.maximum)


def tone_of(used: int, maximum: int) -> str:
    """Return the colour of a bar: whether a limit is far, near or reached."""
    if used >= maximum:
        return "bad"
    return "warn" if _ALL * used >= _MANY * maximum else "accent"


def admin_risk() -> Response:
    """Show one page of merchants with what is used today, or all of them as a file."""
    state, q = listing.chosen(State, "state"), request.args.get("q", "").strip()
    if listing.wants_csv():
        return csv.answer("risk", _STANDING_HEADER, _standing_rows(q, state))
    now = clock.now()
    with reading() as session:
        found = queries.list_standings(session, q=q, state=state, cursor=listing.cursor(), now=now)
        counted = queries.count_states(session, q=q, now=now)
    names = [
        ("", _("All"), counted[None]),
        (State.FROZEN.value, _("Frozen"), counted[State.FROZEN]),
        (State.HIT.value, _("Refused today"), counted[State.HIT]),
    ]
    switches = risk_words.switches()
    return page(
        "admin/risk.html",
        fragment="rows",
        nav="risk",
        rows=[
            StandingRow(
                each,
                show_merchant(each.merchant.merchant_id),
                Money(each.used, Currency.CNY),
                Money(each.maximum, Currency.CNY),
                [switches[switch][0] for switch in each.frozen],
            )
            for each in found.rows
        ],
        pager=listing.pager(found.next_cursor),
        tabs=listing.tabs("state", names),
        values={"q": q, "state": state.value if state else ""},
        is_filtered=bool(q or state),
        csv_url=listing.csv_url(),
    )


def admin_risk_hits() -> Response:
    """Show one page of what rules did not let through, or all that is filtered as a file."""
    try:
        wanted = _wanted()
        if listing.wants_csv():
            return csv.answer("risk-hits", _HIT_HEADER, _hit_rows(wanted))
        with reading() as session:
            found = _find(session, wanted, listing.cursor())
    except (Invalid, NotFound) as refusal:
        return _hits(Page([], None), status=422, error=say(refusal))
    return _hits(found)


def hit_rows(session: Session, found: Sequence[RiskHit]) -> list[HitRow]:
    """Return hits as lists show them."""
    named = merchant_names(session, (hit.merchant_id for hit in found))
    rules, switches = risk_words.rules(), risk_words.switches()
    return [
        HitRow(
            hit,
            named[hit.merchant_id],
            url_for("web.admin_risk_of", merchant=show_merchant(hit.merchant_id)),
            rules[hit.rule],
            risk_words.measured(hit.rule, hit.maximum),
            switches[Switch(hit.subject)][0] if hit.rule is Rule.FROZEN else "",
        )
        for hit in found
    ]


def _hits(found: Page[HitRow], *, status: int = 200, error: str = "") -> Response:
    values = {name: request.args.get(name, "") for name in _HIT_FILTERS}
    return page(
        "admin/risk_hits.html",
        fragment="rows",
        status=status,
        nav="risk",
        rows=found.rows,
        error=error,
        pager=listing.pager(found.next_cursor),
        values=values,
        rules=[("", _("Every rule")), *((r.value, name) for r, name in risk_words.rules().items())],
        is_filtered=any(values.values()),
        csv_url=listing.csv_url(),
    )


def _wanted() -> HitFilter:
    """Read the filter from the address. Raises Invalid and NotFound."""
    from_at, until_at = chosen_span(SHANGHAI)
    return HitFilter(
        merchant_id=chosen_merchant(),
        rule=listing.chosen(Rule, "rule"),
        from_at=from_at,
        until_at=until_at,
    )


def _find(
    session: Session, wanted: HitFilter, cursor: str | None, *, limit: int = DEFAULT_LIMIT
) -> Page[HitRow]:
    found = hits.list_all(session, wanted, cursor=cursor, limit=limit)
    return Page(hit_rows(session, found.rows), found.next_cursor)


def _hit_rows(wanted: HitFilter) -> Iterator[tuple[object, ...]]:
    """Yield a line for each hit; amounts are fen, and so are maxima of amounts."""

    def read_page(cursor: str | None) -> Page[HitRow]:
        with reading() as session:
            return _find(session, wanted, cursor, limit=MAX_LIMIT)

    for row in csv.all_rows(read_page):
        hit = row.hit
        at, id_ = csv.moment(hit.at), show_merchant(hit.merchant_id)
        yield at, id_, row.merchant, hit.rule, hit.subject, hit.amount_minor, hit.maximum


def _standing_rows(q: str, state: State | None) -> Iterator[tuple[object, ...]]:
    now = clock.now()

    def read_page(cursor: str | None) -> Page[Standing]:
        with reading() as session:
            return queries.list_standings(
                session, q=q, state=state, cursor=cursor, limit=MAX_LIMIT, now=now
            )

    for each in csv.all_rows(read_page):
        merchant = each.merchant
        id_, frozen = show_merchant(merchant.merchant_id), " ".join(each.frozen)
        yield id_, merchant.name, merchant.mode, each.used, each.maximum, frozen, each.hits
