"""Numbers have no gap, whoever bills by himself, in whatever order, and whoever fails."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from sqlalchemy import select

from app.billing import credit_notes, invoicing
from app.billing.credit_models import CreditNote, CreditReason
from app.billing.credit_notes import CreditRequest
from app.billing.models import Invoice, InvoiceStatus
from app.core.db import Transaction
from app.core.ids import new_id
from app.customers.models import Contract
from app.ledger.queries import unbalanced
from tests.billing.make import RATES, billed, sold, use
from tests.make import ADA, NOON, Make

CONTRACTS, SCHEDULERS = 40, 4
COPIED = [column.key for column in Contract.__mapper__.column_attrs if column.key != "id"]


def test_every_contract_gets_one_invoice_and_no_number_is_missing(
    transaction: Transaction,
) -> None:
    with transaction() as session:
        first = sold(Make(session), {"model": "standard", "unit_price": "1", "minimum_amount": "9"})
        values = {name: getattr(first.contract, name) for name in COPIED}
        contract_ids = [new_id() for _ in range(CONTRACTS - 1)]
        session.add_all(Contract(id=number, **values) for number in contract_ids)
        contract_ids.append(first.contract.id)

    def bill_half(scheduler: int) -> None:
        """Draft and finalise half of the contracts, in another order than who has them too."""
        mine = [
            contract_id
            for index, contract_id in enumerate(contract_ids)
            if scheduler in {index % SCHEDULERS, (index + 1) % SCHEDULERS}
        ]
        for contract_id in mine if scheduler % 2 else reversed(mine):
            with transaction() as session:
                drafted = invoicing.draft(session, contract_id, now=NOON)
                if drafted is not None:
                    invoicing.finalize(session, drafted.id, rates=RATES, now=NOON)

    with ThreadPoolExecutor(SCHEDULERS) as pool:
        list(pool.map(bill_half, range(SCHEDULERS)))

    with transaction() as session:
        rows = session.execute(select(Invoice.contract_id, Invoice.number, Invoice.status)).all()
        assert {contract_id for contract_id, _, _ in rows} == set(contract_ids)
        assert sorted(number or "" for _, number, _ in rows) == [
            f"LUM-2026-{number:06d}" for number in range(1, CONTRACTS + 1)
        ]
        assert {status for _, _, status in rows} == {InvoiceStatus.OPEN}
        assert unbalanced(session) == []


def test_a_credit_note_that_fails_leaves_no_gap(transaction: Transaction) -> None:
    with transaction() as session:
        sale = sold(Make(session))
        use(session, sale, "12641")
        invoice_id = billed(session, sale).id

    def credit(runner: int) -> None:
        """Credit a cent; every second one is undone after it has its number."""
        with suppress(Undone), transaction() as session:
            request = CreditRequest(CreditReason.OTHER, total_minor=1)
            credit_notes.issue(session, invoice_id, request, actor=ADA, now=NOON)
            if runner % 2:
                raise Undone

    with ThreadPoolExecutor(SCHEDULERS) as pool:
        list(pool.map(credit, range(20)))

    with transaction() as session:
        numbers = session.scalars(select(CreditNote.number).order_by(CreditNote.number)).all()
        assert numbers == [f"LUM-CN-2026-{number:06d}" for number in range(1, 11)]


class Undone(Exception):
    """Somebody's transaction failed after all."""
