"""Drafts and lines in SQL: those of a handful of invoices in one statement each.

Rows travel as one JSON text, which the server unpacks. No object of the ORM is made of a line.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from app.billing.bills import Bill
from app.billing.lines import Line
from app.billing.models import Invoice, LineKind
from app.billing.totals import LineTotal
from app.core.db import merchant_of, run_sql


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line as `invoice_lines` has it: see `InvoiceLine`, which it reads like."""

    invoice_id: int
    position: int
    kind: LineKind
    part: dict[str, Any]
    period_from: date
    period_to: date
    metric_id: int | None
    metric_code: str
    description: str
    unit: str
    quantity: Decimal
    events: int
    amount_minor: int
    discount_minor: int
    tax_percent: Decimal | None
    tax_is_inclusive: bool
    tax_minor: int
    is_priced: bool
    tiers: Sequence[dict[str, Any]]


_LINE = ", ".join(field.name for field in fields(LineRow))
_LINES = f"""
INSERT INTO invoice_lines (merchant_id, {_LINE})
SELECT %(merchant)s, {_LINE}
  FROM json_populate_recordset(NULL::invoice_lines, %(rows)s::json)
"""  # noqa: S608  # a constant of this module

_DRAFT_COLUMNS = (
    "id",
    "kind",
    "status",
    "customer_id",
    "contract_id",
    "period_start_at",
    "period_end_at",
    "period_from",
    "period_to",
    "time_zone",
    "currency",
    "discount_minor",
    "subtotal_minor",
    "tax_minor",
    "total_minor",
    "collection_minor",
    "platform_fee_minor",
    "net_minor",
    "settlement_currency",
    "settlement_minor",
    "fee_bps",
    "fee_fixed_minor",
    "rate_card_version_id",
    "link_secret",
    "created_at",
    "finalize_at",
)
_DRAFT = ", ".join(_DRAFT_COLUMNS)
# The prices are copied where they are: they are most of an invoice, and the same for many.
_DRAFTS = f"""
INSERT INTO invoices (merchant_id, {_DRAFT}, rate_card, rate_card_sha256)
SELECT %(merchant)s, {", ".join(f"draft.{column}" for column in _DRAFT_COLUMNS)},
       version.content, version.sha256
  FROM json_populate_recordset(NULL::invoices, %(rows)s::json) AS draft
  JOIN rate_card_versions AS version
    ON version.merchant_id = %(merchant)s AND version.id = draft.rate_card_version_id
 ORDER BY draft.id
ON CONFLICT (merchant_id, contract_id, period_start_at, kind, issue) DO NOTHING
RETURNING id
"""  # noqa: S608  # a constant of this module


def insert_drafts(session: Session, drafts: Iterable[Invoice]) -> set[int]:
    """Insert drafts of contracts' periods; return the ids of those that were not there yet."""
    rows = [{name: getattr(draft, name) for name in _DRAFT_COLUMNS} for draft in drafts]
    return {invoice_id for (invoice_id,) in _run(session, _DRAFTS, rows)}


def insert_lines(session: Session, rows: Collection[LineRow]) -> None:
    """Insert lines of invoices that have none of these positions."""
    _run(session, _LINES, rows)


def rows_of(invoice: Invoice, bill: Bill) -> list[LineRow]:
    """Return the lines of a bill as they are written, in the order they are printed."""
    totalled = zip(bill.lines, bill.totals.lines, strict=True)
    return [
        _row(invoice, position, line, total=total)
        for position, (line, total) in enumerate(totalled, start=1)
    ]


def _row(invoice: Invoice, position: int, line: Line, *, total: LineTotal) -> LineRow:
    metric = line.metric
    return LineRow(
        invoice_id=invoice.id,
        position=position,
        kind=line.kind,
        part=dict(line.part),
        period_from=line.first_day,
        period_to=line.end_day,
        metric_id=metric.id if metric else None,
        metric_code=metric.code if metric else "",
        description=line.description,
        unit=metric.unit if metric else "",
        quantity=line.usage.quantity,
        events=line.usage.events,
        amount_minor=line.amount.minor,
        discount_minor=total.discount.minor,
        tax_percent=total.tax_percent,
        tax_is_inclusive=total.is_inclusive,
        tax_minor=total.tax.minor,
        is_priced=line.is_priced,
        tiers=line.tiers,
    )


def _run(session: Session, statement: str, rows: Collection[object]) -> Sequence[Any]:
    if not rows:
        return ()
    parameters = {"merchant": merchant_of(session), "rows": msgspec.json.encode(rows).decode()}
    return run_sql(session, statement, parameters)
