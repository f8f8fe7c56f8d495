"""Customer balances: what customers have to their credit, and what moved it."""

from app.api.operations import Call
from app.api.v1.base import API, Amount, In, Listing, Moment, Out, PageQuery, utc
from app.billing import balances
from app.billing.credit_models import BalanceEntry, EntryKind
from app.core.ids import Prefix, show
from app.core.money import Currency, Money
from app.customers import queries as customers
from app.identity.models import Scope

TAG = "Customers"


class CustomerBalanceOut(Out):
    """What a customer has to his credit, in CNY: his next invoice uses it by itself."""

    customer_id: str
    balance: Amount


class AdjustmentIn(In):
    """What to add to the balance, or below zero to take off it, in fen; and why."""

    amount_minor: int
    reason: str


class BalanceEntryOut(Out):
    """One movement of a balance, and what it stood at afterwards."""

    id: str
    kind: EntryKind
    amount: Amount
    balance: Amount
    invoice_id: str | None
    credit_note_id: str | None
    note: str
    created_at: Moment
    created_by: str

    @classmethod
    def of(cls, entry: BalanceEntry) -> "BalanceEntryOut":
        return cls(
            id=show(Prefix.BALANCE_ENTRY, entry.id),
            kind=entry.kind,
            amount=Amount.of(entry.amount),
            balance=Amount.of(entry.balance),
            invoice_id=show(Prefix.INVOICE, entry.invoice_id) if entry.invoice_id else None,
            credit_note_id=show(Prefix.CREDIT_NOTE, entry.credit_note_id)
            if entry.credit_note_id
            else None,
            note=entry.note,
            created_at=utc(entry.created_at),
            created_by=entry.created_by,
        )


class BalanceEntryList(Listing[BalanceEntryOut]):
    """A page of what moved a balance, newest first."""


@API.route(
    "GET",
    "/customers/<customer_id>/balance",
    scope=Scope.CUSTOMER_READ,
    tag=TAG,
    returns=CustomerBalanceOut,
)
def get_customer_balance(call: Call, customer_id: int) -> CustomerBalanceOut:
    """Return what the customer has to his credit."""
    balance = balances.balance_of(call.session, customer_id)
    return CustomerBalanceOut(show(Prefix.CUSTOMER, customer_id), Amount.of(balance))


@API.route(
    "GET",
    "/customers/<customer_id>/balance/entries",
    scope=Scope.CUSTOMER_READ,
    tag=TAG,
    query=PageQuery,
    returns=BalanceEntryList,
)
def list_balance_entries(
    call: Call, customer_id: int, query: PageQuery
) -> Listing[BalanceEntryOut]:
    """List what moved the customer's balance."""
    customers.get_customer(call.session, customer_id)
    page = balances.list_entries(call.session, customer_id, **query.page)
    return BalanceEntryList.of(page, BalanceEntryOut.of)


@API.route(
    "POST",
    "/customers/<customer_id>/balance/adjustments",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=AdjustmentIn,
    returns=BalanceEntryOut,
    status=201,
    example={"amountMinor": 10000, "reason": "Thanks for the bug report"},
)
def adjust_customer_balance(call: Call, customer_id: int, body: AdjustmentIn) -> BalanceEntryOut:
    """Give the customer credit, or take it back, by hand: it is kept who did it and why."""
    entry = balances.adjust(
        call.session,
        customer_id,
        Money(body.amount_minor, Currency.CNY),
        reason=body.reason,
        actor=call.actor,
        now=call.now,
    )
    return BalanceEntryOut.of(entry)
