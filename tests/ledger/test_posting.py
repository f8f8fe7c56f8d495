"""Every posting balances per book and currency, once, and is closed for ever (L1, L2, L5)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.db import Transaction, merchant_of
from app.core.ids import Prefix, new_id, show
from app.ledger import journals, posting, queries
from app.ledger.journals import Journal, Kind, Leg, MoneyBack, Unbalanced
from app.ledger.models import Book
from tests.conftest import Databases
from tests.make import NOON, cny, usd

INVOICE, CUSTOMER, CREDIT_NOTE, ENTRY = 4711, 42, 5, 6


def post_paid_invoice(session: Session) -> None:
    """Post T1 to T4 of the worked example: 126.41 USD, 905.33 CNY, fee 27.16, 122.62 USD."""
    for journal in (
        journals.invoice_finalized(INVOICE, cny(90_533), due=cny(90_533)),
        journals.payment_captured(INVOICE, "wechat", cny(90_533)),
        journals.platform_fee(INVOICE, cny(2_716)),
        journals.fx_conversion(INVOICE, net=cny(87_817), settlement=usd(12_262)),
    ):
        assert posting.post(session, journal, now=NOON)


def balances(session: Session) -> dict[str, int]:
    return {
        f"{row.book}:{row.account} {row.currency}": row.amount_minor
        for row in queries.balances(session)
        if row.amount_minor
    }


def sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def test_a_paid_invoice_leaves_the_balances_of_the_worked_example(session: Session) -> None:
    post_paid_invoice(session)

    assert balances(session) == {
        "P:channel_clearing/wechat CNY": 90_533,
        "P:platform_fee_revenue CNY": -2_716,
        "P:fx_clearing CNY": -87_817,
        "P:fx_clearing USD": 12_262,
        "P:merchant_payable USD": -12_262,
        "R:sales_clearing CNY": 90_533,
        "R:revenue CNY": -90_533,
    }
    assert queries.unbalanced(session) == []


def test_a_void_takes_back_all_that_finalising_posted(session: Session) -> None:
    posting.post(session, journals.invoice_finalized(INVOICE, cny(500), due=cny(500)), now=NOON)
    posting.post(
        session, journals.invoice_voided(INVOICE, CUSTOMER, due=cny(500), returned=cny(0)), now=NOON
    )

    assert balances(session) == {}


def test_the_balance_pays_its_part_and_gets_it_back_from_a_void(session: Session) -> None:
    balance = f"R:customer_balance/{show(Prefix.CUSTOMER, CUSTOMER)} CNY"
    note = journals.credit_note_issued(
        CREDIT_NOTE, INVOICE, CUSTOMER, off_due=cny(0), to_balance=cny(300)
    )
    for journal in (
        note,
        journals.invoice_finalized(INVOICE, cny(1_000), due=cny(700)),
        journals.balance_used(INVOICE, CUSTOMER, cny(300)),
    ):
        posting.post(session, journal, now=NOON)
    assert balances(session) == {
        "P:receivable CNY": 700,
        "P:merchant_uncollected CNY": -700,
        "R:sales_clearing CNY": 700,
        "R:revenue CNY": -700,
    }

    posting.post(
        session,
        journals.invoice_voided(INVOICE, CUSTOMER, due=cny(700), returned=cny(300)),
        now=NOON,
    )

    assert balances(session) == {balance: -300, "R:revenue CNY": 300}


def test_a_loss_that_is_paid_after_all_is_none(session: Session) -> None:
    posting.post(session, journals.invoice_finalized(INVOICE, cny(500), due=cny(500)), now=NOON)
    owed = balances(session)

    posting.post(session, journals.invoice_uncollectible(INVOICE, cny(500)), now=NOON)
    lost = balances(session)
    posting.post(session, journals.invoice_recovered(INVOICE, cny(500)), now=NOON)

    assert lost == {"R:bad_debt CNY": 500, "R:revenue CNY": -500}
    assert balances(session) == owed


def test_the_same_event_posts_once(session: Session) -> None:
    journal = journals.invoice_finalized(INVOICE, cny(500), due=cny(500))

    assert [posting.post(session, journal, now=NOON) for _ in range(3)] == [True, False, False]
    assert len(queries.list_transactions(session).rows) == 1


def test_fifty_copies_at_once_post_once(transaction: Transaction) -> None:
    journal = journals.payment_captured(INVOICE, "wechat", cny(500))

    def once(_: int) -> bool:
        with transaction() as session:
            return posting.post(session, journal, now=NOON)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(once, range(50)))

    assert sorted(outcomes) == [False] * 49 + [True]


def test_many_journals_are_posted_as_each_alone(session: Session) -> None:
    issued = [
        journals.invoice_finalized(invoice, cny(amount), due=cny(amount))
        for invoice, amount in ((1, 500), (2, 0), (3, 700), (1, 500))
    ]

    assert posting.post_all(session, issued, now=NOON) == [True, False, True, False]
    assert posting.post_all(session, issued, now=NOON) == [False] * 4
    assert posting.post_all(session, [], now=NOON) == []

    assert balances(session)["R:revenue CNY"] == -1_200
    assert queries.unbalanced(session) == []
    assert len(queries.list_transactions(session).rows) == 2


def test_an_amount_of_zero_is_not_posted(session: Session) -> None:
    assert not posting.post(session, journals.platform_fee(INVOICE, cny(0)), now=NOON)
    assert queries.list_transactions(session).rows == []


def test_a_journal_that_does_not_balance_can_not_be_made() -> None:
    legs = [Leg(Book.PLATFORM, "bank", cny(5)), Leg(Book.REVENUE, "revenue", cny(-5))]

    with pytest.raises(Unbalanced):
        Journal(Kind.PLATFORM_FEE, "x", legs)


GIVING_BACK = (
    journals.refund_submitted,
    journals.refund_succeeded,
    journals.refund_failed,
    journals.refund_recovered,
    journals.dispute_opened,
    journals.dispute_lost,
    journals.dispute_won,
)


def given_back(gross: int, fee: int, settled: int) -> list[MoneyBack]:
    """Return as much given back by a merchant who settles in dollars, and by one who does not."""
    return [
        MoneyBack("rf", INVOICE, "alipay", cny(gross), cny(fee), settlement)
        for settlement in (usd(settled), cny(gross - fee))
    ]


@given(st.integers(1, 10**14), st.integers(0, 10**13), st.integers(1, 10**14))
def test_every_template_balances(gross: int, fee: int, settled: int) -> None:
    made = [
        journals.invoice_finalized(INVOICE, cny(gross), due=cny(gross)),
        journals.invoice_voided(INVOICE, CUSTOMER, due=cny(gross), returned=cny(0)),
        journals.payment_captured(INVOICE, "alipay", cny(gross)),
        journals.platform_fee(INVOICE, cny(fee)),
        journals.fx_conversion(INVOICE, net=cny(gross), settlement=usd(settled)),
        journals.payment_unallocated("po", "alipay", amount=cny(gross), invoice_id=INVOICE),
        journals.invoice_uncollectible(INVOICE, cny(gross)),
        journals.invoice_recovered(INVOICE, cny(gross)),
        journals.credit_note_issued(
            CREDIT_NOTE, INVOICE, CUSTOMER, off_due=cny(gross), to_balance=cny(fee)
        ),
        journals.balance_used(INVOICE, CUSTOMER, cny(gross)),
        journals.balance_adjusted(ENTRY, CUSTOMER, cny(-gross)),
        journals.payment_returned("rf", "alipay", amount=cny(gross), invoice_id=INVOICE),
        *(policy(back) for policy in GIVING_BACK for back in given_back(gross, fee, settled)),
        journals.dispute_fee("dp", INVOICE, usd(settled)),
    ]

    assert {journal.kind for journal in made} == set(Kind)


# The database refuses what our own code would never send.

INSERT = (
    "INSERT INTO ledger_entries (merchant_id, transaction_id, line, lines, account_id, book,"
    " currency, amount_minor) VALUES "
)


def a_header(session: Session, lines: int) -> tuple[int, int, int]:
    """Insert a transaction without entries and return its id and two accounts' ids."""
    posting.post(session, journals.platform_fee(INVOICE, cny(1)), now=NOON)
    accounts = session.execute(text("SELECT id FROM ledger_accounts ORDER BY id")).scalars().all()
    header = new_id()
    session.execute(
        text(
            "INSERT INTO ledger_transactions (merchant_id, id, kind, reference, lines,"
            " occurred_at, posted_at) VALUES (:m, :id, 'test', 'test', :lines, now(), now())"
        ),
        {"m": merchant_of(session), "id": header, "lines": lines},
    )
    return header, accounts[0], accounts[1]


def rows(session: Session, header: int, legs: list[tuple[int, int, int, int]]) -> str:
    """Return the VALUES of legs given as (line, lines, account, amount)."""
    merchant = merchant_of(session)
    return INSERT + ", ".join(
        f"({merchant}, {header}, {line}, {lines}, {account}, 'P', 'CNY', {amount})"
        for line, lines, account, amount in legs
    )


Legs = Callable[[int, int], list[tuple[int, int, int, int]]]
REFUSED: dict[str, tuple[Legs, str]] = {
    "unbalanced": (lambda a, b: [(1, 2, a, 5), (2, 2, b, -4)], "BM002"),
    "in pieces": (lambda a, _: [(1, 2, a, 5)], "BM002"),
    "fewer than announced": (lambda a, b: [(1, 3, a, 5), (2, 3, b, -5)], "BM004"),
    "more lines than announced": (lambda a, b: [(1, 2, a, 5), (3, 2, b, -5)], "23514"),
    "a false count": (lambda a, b: [(1, 4, a, 5), (2, 4, b, -5)], "23503"),
    "line zero": (lambda a, b: [(0, 2, a, 5), (1, 2, b, -5)], "23514"),
    "an amount of zero": (lambda a, b: [(1, 2, a, 0), (2, 2, b, 0)], "23514"),
    "an unknown account": (lambda a, _: [(1, 2, a, 5), (2, 2, 1, -5)], "23503"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_L1_the_database_refuses(session: Session, case: str) -> None:  # noqa: N802
    legs, state = REFUSED[case]
    announced = 3 if case == "fewer than announced" else 2
    header, one, two = a_header(session, announced)

    with pytest.raises(DBAPIError) as refused:
        session.execute(text(rows(session, header, legs(one, two))))

    assert sqlstate(refused.value) == state


def test_L1_nothing_can_be_appended_to_a_posted_transaction(session: Session) -> None:  # noqa: N802
    header, one, two = a_header(session, 2)
    session.execute(text(rows(session, header, [(1, 2, one, 5), (2, 2, two, -5)])))

    with pytest.raises(DBAPIError) as refused:
        session.execute(text(rows(session, header, [(3, 4, one, 5), (4, 4, two, -5)])))

    assert sqlstate(refused.value) in {"23503", "BM004"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount_minor = 1",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "UPDATE ledger_transactions SET kind = 'other'",
        "DELETE FROM ledger_transactions",
        "TRUNCATE ledger_transactions CASCADE",
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
    ],
)
def test_L2_the_app_can_not_change_what_is_posted(session: Session, statement: str) -> None:  # noqa: N802
    post_paid_invoice(session)

    with pytest.raises(DBAPIError) as refused:
        session.execute(text(statement))

    assert sqlstate(refused.value) == "42501"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount_minor = 1",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "DELETE FROM ledger_transactions",
    ],
)
def test_L2_the_owner_is_refused_too(  # noqa: N802
    databases: Databases, transaction: Transaction, statement: str
) -> None:
    with transaction() as session:
        post_paid_invoice(session)

    owner = databases.owner.replace("+psycopg", "")
    with psycopg.connect(owner) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement)

    assert refused.value.sqlstate == "BM001"


def test_the_guard_is_what_refuses(databases: Databases) -> None:
    """The twin: with the trigger taken away, the unbalanced transaction goes in."""
    owner = databases.owner.replace("+psycopg", "")
    statements = f"""
        ALTER TABLE ledger_entries DISABLE TRIGGER balanced;
        INSERT INTO ledger_accounts (merchant_id, id, book, name, currency)
          VALUES (7, 1, 'P', 'bank', 'CNY');
        INSERT INTO ledger_transactions
          (merchant_id, id, kind, reference, lines, occurred_at, posted_at)
          VALUES (7, 1, 'test', 'twin', 2, now(), now());
        {INSERT} (7, 1, 1, 2, 1, 'P', 'CNY', 5), (7, 1, 2, 2, 1, 'P', 'CNY', -4);
    """
    with psycopg.connect(owner) as connection:
        connection.execute(statements)
        total = connection.execute(
            "SELECT sum(amount_minor) FROM ledger_entries WHERE merchant_id = 7"
        )
        assert total.fetchone() == (1,)
        connection.rollback()


def test_the_reference_is_the_invoice_in_its_public_form() -> None:
    assert journals.platform_fee(INVOICE, cny(1)).reference == show(Prefix.INVOICE, INVOICE)
