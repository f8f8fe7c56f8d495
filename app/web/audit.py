"""The audit trail: who changed what of a merchant's prices, taxes, bills and words, and when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app.audit import queries
from app.audit.models import AuditEntry
from app.core.ids import Prefix
from app.core.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from app.extensions import transaction
from app.web import audit_words, csv, listing
from app.web.page import page

_HEADER = ("at", "actor_kind", "actor", "action", "subject", "field", "before", "after")
_PAGES: Mapping[str, tuple[str, str]] = {
    Prefix.CONTRACT: ("web.contract", "contract_id"),
    Prefix.COUPON: ("web.coupon", "coupon_id"),
    Prefix.CUSTOMER: ("web.customer", "customer_id"),
    Prefix.DISPUTE: ("web.dispute", "dispute_id"),
    Prefix.FAPIAO_REQUEST: ("web.fapiao_request", "fapiao_request_id"),
    Prefix.INVOICE: ("web.invoice", "invoice_id"),
    Prefix.PRODUCT: ("web.product", "product_id"),
    Prefix.RATE_CARD: ("web.rate_card", "rate_card_id"),
    Prefix.REFUND: ("web.refund", "refund_id"),
    Prefix.USAGE_EVENT: ("web.usage_event", "event_id"),
}


@dataclass(frozen=True)
class Difference:
    """One field that changed, as texts; empty is what was not there."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Row:
    """One deed in words; `href` leads to what it was done to, where that has a page."""

    entry: AuditEntry
    deed: str
    actor: str
    href: str
    differences: Sequence[Difference]


def audit_trail() -> Response:
    """Show one page of deeds, newest first, or all that are filtered as a file."""
    if listing.wants_csv():
        return csv.answer("audit", _HEADER, _csv_rows(g.merchant_id))
    with transaction(g.merchant_id) as session:
        found = _find(session, listing.cursor())
    return page(
        "settings/audit.html",
        fragment="rows",
        nav="settings",
        rows=[_row(entry) for entry in found.rows],
        pager=listing.pager(found.next_cursor),
        deeds=[("", _("Every deed")), *audit_words.deeds().items()],
        action=request.args.get("action", ""),
        subject=request.args.get("subject", ""),
        csv_url=listing.csv_url(),
    )


def _find(session: Session, cursor: str | None, *, limit: int = DEFAULT_LIMIT) -> Page[AuditEntry]:
    return queries.list_entries(
        session,
        subject=request.args.get("subject", "").strip() or None,
        action=request.args.get("action") or None,
        cursor=cursor,
        limit=limit,
    )


def _row(entry: AuditEntry) -> Row:
    return Row(
        entry,
        audit_words.deed(entry.action),
        entry.actor_name,
        _href(entry.subject),
        differences(entry.before, entry.after),
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what differs, field by field, in the order the deed told it."""
    return [
        Difference(
            audit_words.field(name),
            audit_words.value(before.get(name)),
            audit_words.value(after.get(name)),
        )
        for name in _changed(before, after)
    ]


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


def _href(subject: str) -> str:
    prefix = subject.partition("_")[0]
    endpoint, name = _PAGES.get(prefix, ("", ""))
    values: dict[str, Any] = {name: subject}
    return url_for(endpoint, **values) if endpoint else ""


def _csv_rows(merchant_id: int) -> Iterator[tuple[object, ...]]:
    """Yield a line for each field that changed."""

    def read_page(cursor: str | None) -> Page[AuditEntry]:
        with transaction(merchant_id) as session:
            return _find(session, cursor, limit=MAX_LIMIT)

    for entry in csv.all_rows(read_page):
        for name in _changed(entry.before, entry.after):
            yield (
                entry.at.isoformat(timespec="seconds"),
                entry.actor_kind,
                entry.actor_name,
                entry.action,
                entry.subject,
                name,
                audit_words.exact(entry.before.get(name)),
                audit_words.exact(entry.after.get(name)),
            )
