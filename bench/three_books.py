"""Three books of one story: what the merchant was told, what the channels did, what we wrote.

Each comparison is of two multisets of facts: what is wanted and not found is lost, what is found
and not wanted is doubled. Nothing is taken from a unique key's word: money is counted where the
ledger has it, events where they arrived, mails where they lie.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from app.core.db import Transaction, run_sql
from app.core.ids import Prefix, show
from app.core.language import Language
from app.ledger.journals import Account
from app.ledger.queries import unbalanced
from bench.buyers import Acknowledged

Fact = tuple[str | int, ...]
Comparison = tuple[str, Iterable[Fact], Iterable[Fact]]
"""What is compared, what is wanted, what is found."""

_CLEARING = f"{Account.CHANNEL_CLEARING}/"
_INVOICES = "SELECT id, note, number IS NOT NULL, paid_at IS NOT NULL FROM invoices"
_ORDERS = "SELECT id, invoice_id, channel, out_trade_no, captured_minor FROM payment_orders"
_CASES = "SELECT payment_order_id FROM unallocated_payments"
_REFUNDS = """
SELECT id, payment_order_id, purpose, reason, out_refund_no, amount_minor, status FROM refunds
"""
_CLEARED = """
SELECT split_part(account.name, '/', 2), invoice_id, amount_minor
  FROM ledger_entries AS entry
  JOIN ledger_accounts AS account ON account.id = account_id
  JOIN ledger_transactions AS posted ON posted.id = transaction_id
 WHERE account.name LIKE %(clearing)s || '%%'
"""
_CUSTOMERS = "SELECT external_id FROM customers"
_EVENTS = "SELECT id FROM webhook_events"
_DOCUMENTS = "SELECT kind, subject_id, language, storage_key FROM documents"
_MAILS = "SELECT id, kind, reference FROM mails WHERE status = 'sent'"
_JOBS = "SELECT id, task, done_at IS NOT NULL FROM outbox_jobs"
_SLOWEST_CREDIT = "SELECT max(credited_at - captured_at) FROM payment_orders"


class Payment(NamedTuple):
    channel: str
    out_trade_no: str
    minor: int


class Return(NamedTuple):
    channel: str
    out_trade_no: str
    out_refund_no: str
    minor: int


class Invoice(NamedTuple):
    id: int
    note: str
    is_issued: bool
    is_paid: bool


class Order(NamedTuple):
    id: int
    invoice_id: int
    channel: str
    out_trade_no: str
    captured: int | None


class Refund(NamedTuple):
    id: int
    order_id: int
    purpose: str
    reason: str
    out_refund_no: str
    minor: int
    status: str

    @property
    def is_of_invoice(self) -> bool:
        """Whether somebody asked for it; else it is of money that paid nothing."""
        return self.purpose == "invoice"

    @property
    def has_succeeded(self) -> bool:
        return self.status == "succeeded"


class Cleared(NamedTuple):
    """Money that the ledger has come in at a channel, or below zero go out."""

    channel: str
    invoice_id: int
    minor: int


class Document(NamedTuple):
    kind: str
    subject_id: int
    language: str
    storage_key: str


class Mail(NamedTuple):
    """A mail that was sent. With a file, `reference` is the file's key."""

    id: int
    kind: str
    reference: str


@dataclass(frozen=True)
class ChannelsBook:
    """What the channels took from buyers, and gave back to them."""

    payments: Sequence[Payment]
    returns: Sequence[Return]

    @classmethod
    def read(cls, instance: Path) -> "ChannelsBook":
        """Read the simulator's own file."""
        path = instance / "simulator" / "book.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as book:
            paid = book.execute(
                "SELECT channel, out_trade_no, paid_minor FROM orders WHERE state = 'paid'"
            )
            gone = book.execute(
                "SELECT channel, out_trade_no, out_refund_no, amount_minor FROM refunds"
                " WHERE outcome = 'success'"
            )
            return cls([Payment(*row) for row in paid], [Return(*row) for row in gone])


@dataclass(frozen=True)
class OurBooks:
    """What is in our database, and which mails lie in the outbox."""

    customers: Sequence[str]
    invoices: Sequence[Invoice]
    orders: Sequence[Order]
    cases: Sequence[int]
    """The orders whose money paid nothing."""
    refunds: Sequence[Refund]
    cleared: Sequence[Cleared]
    unbalanced: Sequence[str]
    events: Sequence[int]
    documents: Sequence[Document]
    mails: Sequence[Mail]
    files: Sequence[str]
    """What lies in the outbox, each named after its mail."""
    jobs: Sequence[tuple[int, str, bool]]

    @classmethod
    def read(cls, transaction: Transaction, instance: Path) -> "OurBooks":
        with transaction() as session:

            def rows(statement: str, **known: str) -> list[Any]:
                return [tuple(row) for row in run_sql(session, statement, known)]

            return cls(
                customers=[external_id for (external_id,) in rows(_CUSTOMERS)],
                invoices=[Invoice(*row) for row in rows(_INVOICES)],
                orders=[Order(*row) for row in rows(_ORDERS)],
                cases=[order_id for (order_id,) in rows(_CASES)],
                refunds=[Refund(*row) for row in rows(_REFUNDS)],
                cleared=[Cleared(*row) for row in rows(_CLEARED, clearing=_CLEARING)],
                unbalanced=unbalanced(session),
                events=[event_id for (event_id,) in rows(_EVENTS)],
                documents=[Document(*row) for row in rows(_DOCUMENTS)],
                mails=[Mail(*row) for row in rows(_MAILS)],
                files=[path.stem for path in (instance / "outbox").glob("*.eml")],
                jobs=rows(_JOBS),
            )


@dataclass(frozen=True)
class Verdict:
    """What is missing, and what is there that nobody wants or wants once."""

    lost: Sequence[str]
    doubled: Sequence[str]


def slowest_credit_s(transaction: Transaction) -> float:
    """Return the longest time between a channel's word that it has money and our books."""
    with transaction() as session:
        ((longest,),) = run_sql(session, _SLOWEST_CREDIT, {})
    return float(longest.total_seconds()) if longest else 0.0


def compare(
    told: Acknowledged,
    channels: ChannelsBook,
    ours: OurBooks,
    *,
    messages: Mapping[str, Mapping[str, Any]],
) -> Verdict:
    """Say what one book has and another has not. `messages` are the webhooks, by their ids."""
    lost, doubled = list(ours.unbalanced), []
    for name, wanted, found in (
        *_acknowledged(told, ours),
        *_money(channels, ours),
        *_told_outside(ours, messages),
        *_on_paper(ours),
    ):
        want, have = Counter(wanted), Counter(found)
        lost += [f"{name}: {tuple(fact)}" for fact in (want - have).elements()]
        doubled += [f"{name}: {tuple(fact)}" for fact in (have - want).elements()]
    return Verdict(lost, doubled)


def _acknowledged(told: Acknowledged, ours: OurBooks) -> Iterator[Comparison]:
    """Yield what the merchant was told is done, and what is done."""
    orders = {show(Prefix.PAYMENT_ORDER, order.id) for order in ours.orders}
    asked = set(told.orders)  # one that is open already is handed out again
    yield "customer", _alone(told.customers), _alone(ours.customers)
    issued = [invoice.note for invoice in ours.invoices if invoice.is_issued]
    yield "invoice issued", _alone(told.invoices), _alone(issued)
    yield "payment order", _alone(asked), _alone(asked & orders)
    refunds = [refund.reason for refund in ours.refunds if refund.is_of_invoice]
    yield "refund", _alone(told.refunds), _alone(refunds)


def _money(channels: ChannelsBook, ours: OurBooks) -> Iterator[Comparison]:
    """Yield what the channels did with money, and what our rows and our ledger say of it."""
    invoice_of = {(order.channel, order.out_trade_no): order.invoice_id for order in ours.orders}
    paid = [(invoice_of.get(payment[:2], 0), payment) for payment in channels.payments]
    gone = [(invoice_of.get(back[:2], 0), back) for back in channels.returns]
    captured = [order for order in ours.orders if order.captured is not None]
    yield (
        "captured",
        channels.payments,
        [Payment(order.channel, order.out_trade_no, order.captured or 0) for order in captured],
    )
    yield (
        "money in the ledger",
        [(payment.channel, invoice_id, payment.minor) for invoice_id, payment in paid],
        [entry for entry in ours.cleared if entry.minor > 0],
    )
    yield (
        "money back in the ledger",
        [(back.channel, invoice_id, -back.minor) for invoice_id, back in gone],
        [entry for entry in ours.cleared if entry.minor < 0],
    )
    yield (
        "invoice paid",
        {(invoice_id,) for invoice_id, _ in paid},
        [(invoice.id,) for invoice in ours.invoices if invoice.is_paid],
    )
    yield (
        "money that paid nothing, sent back",
        [(order.id, order.captured or 0) for order in captured if order.id in ours.cases],
        [(refund.order_id, refund.minor) for refund in ours.refunds if not refund.is_of_invoice],
    )
    refunds = [(refund.out_refund_no, refund.minor) for refund in ours.refunds]
    returned = [(back.out_refund_no, back.minor) for back in channels.returns]
    succeeded = [
        (refund.out_refund_no, refund.minor) for refund in ours.refunds if refund.has_succeeded
    ]
    yield "refund at the channel", refunds, returned
    yield "refund that succeeded", returned, succeeded


def _told_outside(
    ours: OurBooks, messages: Mapping[str, Mapping[str, Any]]
) -> Iterator[Comparison]:
    """Yield which events are owed, and which arrived: each object's by distinct messages."""
    aside = set(ours.cases)
    captured = [order.id for order in ours.orders if order.captured is not None]
    ended = [refund.id for refund in ours.refunds if refund.has_succeeded]
    of_invoices = [refund.id for refund in ours.refunds if refund.is_of_invoice]
    once: Mapping[str, Iterable[str]] = {
        "invoice.created": _shown(Prefix.INVOICE, _ids(ours.invoices, is_paid=False)),
        "invoice.paid": _shown(Prefix.INVOICE, _ids(ours.invoices, is_paid=True)),
        "payment.succeeded": _shown(
            Prefix.PAYMENT_ORDER, (order for order in captured if order not in aside)
        ),
        "payment.unapplied": _shown(Prefix.PAYMENT_ORDER, ours.cases),
        "refund.created": _shown(Prefix.REFUND, of_invoices),
        "refund.succeeded": _shown(Prefix.REFUND, ended),
    }
    yield (
        "event that arrived",
        [(event, subject) for event, subjects in once.items() for subject in subjects],
        [(said["type"], said["objectId"]) for said in messages.values() if said["type"] in once],
    )
    yield "message", _alone(_shown(Prefix.WEBHOOK_EVENT, ours.events)), _alone(messages)


def _on_paper(ours: OurBooks) -> Iterator[Comparison]:
    """Yield which documents, mails and jobs are owed, and which are done."""
    issued, paid = _ids(ours.invoices, is_paid=False), _ids(ours.invoices, is_paid=True)
    prints = [
        *(("invoice_pdf", each) for each in issued),
        *(("receipt_pdf", each) for each in paid),
    ]
    yield (
        "document",
        [(*each, language) for each in prints for language in Language],
        [document[:3] for document in ours.documents],
    )
    of_file = {
        document.storage_key: show(Prefix.INVOICE, document.subject_id)
        for document in ours.documents
    }
    gone = [refund.id for refund in ours.refunds if refund.has_succeeded and refund.is_of_invoice]
    yield (
        "mail",
        [
            *(("invoice_issued", subject) for subject in _shown(Prefix.INVOICE, issued)),
            *(("invoice_paid", subject) for subject in _shown(Prefix.INVOICE, paid)),
            *(("invoice_refunded", subject) for subject in _shown(Prefix.REFUND, gone)),
        ],
        [(mail.kind, of_file.get(mail.reference, mail.reference)) for mail in ours.mails],
    )
    sent = _shown(Prefix.MAIL, (mail.id for mail in ours.mails))
    yield "mail that lies in the outbox", _alone(sent), _alone(ours.files)
    done = [(job_id, task) for job_id, task, is_done in ours.jobs if is_done]
    yield "job", [(job_id, task) for job_id, task, _ in ours.jobs], done


def _ids(invoices: Iterable[Invoice], *, is_paid: bool) -> list[int]:
    """Return the ids of those that were issued; with `is_paid`, of those that were also paid."""
    return [each.id for each in invoices if each.is_issued and (each.is_paid or not is_paid)]


def _shown(prefix: Prefix, row_ids: Iterable[int]) -> list[str]:
    return [show(prefix, row_id) for row_id in row_ids]


def _alone(words: Iterable[str]) -> list[Fact]:
    return [(word,) for word in words]
