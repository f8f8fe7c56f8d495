"""The books: what was posted, and what the accounts stand at."""

from app.api.operations import Call
from app.api.v1.base import API, Listing, Moment, Out, PageQuery, utc
from app.core.ids import Prefix, read, show
from app.identity.models import Scope
from app.ledger import queries
from app.ledger.queries import Balance, TransactionView

TAG = "Ledger"


class LedgerTransactionQuery(PageQuery, kw_only=True):
    kind: str | None = None
    invoice_id: str | None = None


class LedgerEntryOut(Out):
    """One leg: a debit is above zero, a credit below. `currency` is credits' unit in book C."""

    book: str
    account: str
    amount_minor: int
    currency: str


class LedgerTransactionOut(Out):
    """One posted transaction: closed for ever, its legs add up to zero."""

    id: str
    kind: str
    invoice_id: str | None
    occurred_at: Moment
    posted_at: Moment
    entries: list[LedgerEntryOut]

    @classmethod
    def of(cls, posted: TransactionView) -> "LedgerTransactionOut":
        invoice_id = posted.invoice_id
        return cls(
            id=show(Prefix.LEDGER_TRANSACTION, posted.id),
            kind=posted.kind,
            invoice_id=None if invoice_id is None else show(Prefix.INVOICE, invoice_id),
            occurred_at=utc(posted.occurred_at),
            posted_at=utc(posted.posted_at),
            entries=[
                LedgerEntryOut(entry.book, entry.account, entry.amount_minor, entry.currency)
                for entry in posted.entries
            ],
        )


class LedgerTransactionList(Listing[LedgerTransactionOut]):
    """A page of transactions, newest first."""


class BalanceOut(Out):
    """What an account stands at: the sum of its entries."""

    book: str
    account: str
    amount_minor: int
    currency: str

    @classmethod
    def of(cls, balance: Balance) -> "BalanceOut":
        return cls(balance.book, balance.account, balance.amount_minor, balance.currency)


class BalanceList(Listing[BalanceOut]):
    """The balance of every account that has entries."""


@API.route(
    "GET",
    "/ledger-transactions",
    scope=Scope.LEDGER_READ,
    tag=TAG,
    query=LedgerTransactionQuery,
    returns=LedgerTransactionList,
    errors=(404,),
)
def list_ledger_transactions(
    call: Call, query: LedgerTransactionQuery
) -> Listing[LedgerTransactionOut]:
    """List posted transactions with their entries, of one invoice or of all."""
    invoice_id = read(Prefix.INVOICE, query.invoice_id) if query.invoice_id else None
    page = queries.list_transactions(
        call.session, kind=query.kind, invoice_id=invoice_id, **query.page
    )
    return LedgerTransactionList.of(page, LedgerTransactionOut.of)


@API.route(
    "GET",
    "/ledger-transactions/<ledger_transaction_id>",
    scope=Scope.LEDGER_READ,
    tag=TAG,
    returns=LedgerTransactionOut,
)
def get_ledger_transaction(call: Call, ledger_transaction_id: int) -> LedgerTransactionOut:
    """Return one posted transaction with its entries."""
    return LedgerTransactionOut.of(queries.get_transaction(call.session, ledger_transaction_id))


@API.route("GET", "/balances", scope=Scope.LEDGER_READ, tag=TAG, returns=BalanceList)
def list_balances(call: Call) -> Listing[BalanceOut]:
    """Return the balance of every account, by book, name and currency."""
    return BalanceList([BalanceOut.of(balance) for balance in queries.balances(call.session)])
