"""The books as pages: transactions with their entries, and the trial balance derived from all."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from flask import g, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.core.ids import Prefix, show
from app.core.money import Currency, Money
from app.core.paging import MAX_LIMIT, Page
from app.extensions import transaction
from app.ledger import queries
from app.ledger.journals import Account, Kind
from app.ledger.queries import Balance, EntryView, TransactionView
from app.web import csv, listing
from app.web.page import page

CODES = {
    Kind.INVOICE_FINALIZED: "T1",
    Kind.PAYMENT_CAPTURED: "T2",
    Kind.PLATFORM_FEE: "T3",
    Kind.FX_CONVERSION: "T4",
    Kind.INVOICE_VOIDED: "V1",
    Kind.INVOICE_UNCOLLECTIBLE: "V2",
    Kind.INVOICE_RECOVERED: "V3",
    Kind.CREDIT_NOTE_ISSUED: "N1",
    Kind.BALANCE_USED: "N2",
    Kind.BALANCE_ADJUSTED: "N3",
    Kind.PAYMENT_UNALLOCATED: "U1",
    Kind.PAYMENT_RETURNED: "U2",
    Kind.REFUND_SUBMITTED: "F1",
    Kind.REFUND_SUCCEEDED: "F2",
    Kind.REFUND_FAILED: "F1",
    Kind.REFUND_RECOVERED: "F1",
    Kind.DISPUTE_OPENED: "D1",
    Kind.DISPUTE_LOST: "D2",
    Kind.DISPUTE_WON: "D3",
    Kind.DISPUTE_FEE: "D4",
}
"""The templates of `docs/ledger.md` by what they record."""

_TRANSACTIONS = 20  # each with its entries: a screenful or two
_HEADER = (
    "transaction",
    "kind",
    "reference",
    "invoice",
    "occurred_at",
    "posted_at",
    "book",
    "account",
    "currency",
    "debit_minor",
    "credit_minor",
)


@dataclass(frozen=True)
class Entry:
    """One leg in its column: either a debit or a credit."""

    book: str
    account: str
    debit: Money | None
    credit: Money | None


@dataclass(frozen=True)
class Group:
    """One transaction with its entries."""

    row: TransactionView
    code: str
    title: str
    entries: Sequence[Entry]

    @property
    def public_id(self) -> str:
        return show(Prefix.LEDGER_TRANSACTION, self.row.id)

    @property
    def invoice_url(self) -> str | None:
        if self.row.invoice_id is None:
            return None
        return url_for("web.invoice", invoice_id=show(Prefix.INVOICE, self.row.invoice_id))


@dataclass(frozen=True)
class TrialBalance:
    """One book in one currency: every account, and both sums, which are equal."""

    book: str
    currency: str
    accounts: Sequence[Entry]
    debit: Money
    credit: Money

    @property
    def is_balanced(self) -> bool:
        return self.debit == self.credit


def ledger() -> Response:
    """Show one page of transactions and the trial balance, or all entries as a file."""
    kind = listing.chosen(Kind, "kind")
    if listing.wants_csv():
        return csv.answer("ledger", _HEADER, _csv_rows(g.merchant_id, kind))
    with transaction(g.merchant_id) as session:
        found = queries.list_transactions(
            session, kind=kind, cursor=listing.cursor(), limit=_TRANSACTIONS
        )
        balances = queries.balances(session)
    return page(
        "ledger/index.html",
        fragment="rows",
        nav="ledger",
        groups=groups_of(found.rows),
        trials=trial_balances(balances),
        kinds=[("", _("Every kind")), *kind_titles().items()],
        kind=request.args.get("kind", ""),
        pager=listing.pager(found.next_cursor),
        csv_url=listing.csv_url(),
    )


def kind_titles() -> dict[str, str]:
    """Return what each kind of transaction is called."""
    return {
        Kind.INVOICE_FINALIZED.value: _("Invoice finalized"),
        Kind.PAYMENT_CAPTURED.value: _("Payment captured"),
        Kind.PLATFORM_FEE.value: _("Platform fee"),
        Kind.FX_CONVERSION.value: _("FX conversion at the locked rate"),
        Kind.INVOICE_VOIDED.value: _("Invoice voided"),
        Kind.INVOICE_UNCOLLECTIBLE.value: _("Invoice given up"),
        Kind.INVOICE_RECOVERED.value: _("Loss recovered"),
        Kind.CREDIT_NOTE_ISSUED.value: _("Credit note issued"),
        Kind.BALANCE_USED.value: _("Customer balance used"),
        Kind.BALANCE_ADJUSTED.value: _("Customer balance adjusted"),
        Kind.PAYMENT_UNALLOCATED.value: _("Payment put aside"),
        Kind.PAYMENT_RETURNED.value: _("Payment sent back"),
        Kind.REFUND_SUBMITTED.value: _("Refund set aside"),
        Kind.REFUND_SUCCEEDED.value: _("Refund paid by the channel"),
        Kind.REFUND_FAILED.value: _("Refund failed: what was set aside is back"),
        Kind.REFUND_RECOVERED.value: _("Refund paid after all: set aside again"),
        Kind.DISPUTE_OPENED.value: _("Dispute opened"),
        Kind.DISPUTE_LOST.value: _("Dispute lost"),
        Kind.DISPUTE_WON.value: _("Dispute won"),
        Kind.DISPUTE_FEE.value: _("Charge of a dispute"),
    }


def groups_of(transactions: Iterable[TransactionView]) -> list[Group]:
    """Return transactions as the pages group their entries."""
    titles = kind_titles()
    return [
        Group(
            row,
            CODES[Kind(row.kind)],
            titles[row.kind],
            [_entry(entry) for entry in row.entries],
        )
        for row in transactions
    ]


def trial_balances(balances: Iterable[Balance]) -> list[TrialBalance]:
    """Return the balances by book and currency, each with the sums of its two columns.

    Those of customers are one line: each customer's page shows his own.
    """
    books: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for balance in _folded(balances):
        books[balance.book, balance.currency].append(_entry(balance))
    return [
        TrialBalance(
            book,
            currency,
            accounts,
            _total(currency, (entry.debit for entry in accounts)),
            _total(currency, (entry.credit for entry in accounts)),
        )
        for (book, currency), accounts in books.items()
    ]


def _folded(balances: Iterable[Balance]) -> Iterator[Balance]:
    of_customers: dict[str, Balance] = {}
    for balance in balances:
        if not balance.account.startswith(f"{Account.CUSTOMER_BALANCE}/"):
            yield balance
            continue
        before = of_customers.get(balance.currency)
        minor = balance.amount_minor + (before.amount_minor if before else 0)
        of_customers[balance.currency] = replace(
            balance, account=Account.CUSTOMER_BALANCE, amount_minor=minor
        )
    yield from of_customers.values()


def _entry(leg: EntryView | Balance) -> Entry:
    currency = Currency(leg.currency)
    debit = Money(leg.amount_minor, currency) if leg.amount_minor >= 0 else None
    credit = Money(-leg.amount_minor, currency) if leg.amount_minor < 0 else None
    return Entry(leg.book, leg.account, debit, credit)


def _total(currency: str, amounts: Iterable[Money | None]) -> Money:
    return sum((amount for amount in amounts if amount), Money.zero(Currency(currency)))


def _csv_rows(merchant_id: int, kind: Kind | None) -> Iterator[tuple[object, ...]]:
    def read_page(cursor: str | None) -> Page[TransactionView]:
        with transaction(merchant_id) as session:
            return queries.list_transactions(session, kind=kind, cursor=cursor, limit=MAX_LIMIT)

    for group in map(_group, csv.all_rows(read_page)):
        row = group.row
        for entry in group.entries:
            yield (
                group.public_id,
                row.kind,
                row.reference,
                show(Prefix.INVOICE, row.invoice_id) if row.invoice_id is not None else "",
                row.occurred_at.isoformat(timespec="seconds"),
                row.posted_at.isoformat(timespec="seconds"),
                entry.book,
                entry.account,
                (entry.debit or entry.credit or Money.zero(Currency.CNY)).currency,
                entry.debit.minor if entry.debit else "",
                entry.credit.minor if entry.credit else "",
            )


def _group(row: TransactionView) -> Group:
    return groups_of([row])[0]
