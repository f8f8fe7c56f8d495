"""The books hold whatever payers, merchants and channels do, in whatever order they do it.

A small model beside the product knows who holds which money. After every step each account is
what the model says, and no step that is refused has moved anything.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.billing import collection
from app.billing.credit_models import CreditReason
from app.billing.credit_notes import CreditRequest
from app.billing.models import WAS_PAID, InvoiceStatus
from app.channels.base import ChannelName, RefundState, Trade
from app.core.db import MERCHANT, MerchantSession
from app.core.errors import Refusal
from app.ledger.queries import balances, unbalanced
from app.payments import cases, closing, disputes, queries, refund_moves, refund_queries
from app.payments.capture import Outcome, record_capture
from app.payments.disputes import Complaint
from app.payments.models import (
    PAYMENT,
    CaseReason,
    CaseStatus,
    PaymentEvent,
    PaymentStatus,
)
from app.payments.opening import METHODS
from app.payments.refund_models import (
    UNDER_WAY,
    DisputeStatus,
    RefundStatus,
)
from tests.make import NOON, Make, cny
from tests.payments.backing import WEI, answer, ask_back
from tests.payments.builders import order_for, paid
from tests.payments.money_model import (
    PAYABLE,
    Attempt,
    Back,
    Bill,
    Case,
    Claim,
    Model,
    comparable,
    why_aside,
)
from tests.payments.test_closing import billed

EXAMPLES, STEPS, MOST_BILLS = 40, 50, 4
AMOUNTS = st.sampled_from([1, 30_000, 60_000, 90_533])


class Books(RuleBasedStateMachine):
    """What may happen to invoices and their money. Each rule does it, and tells the model."""

    bills = Bundle("bills")
    attempts = Bundle("attempts")

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.connection = engine.connect()
        self.outer = self.connection.begin()
        self.session: Session = MerchantSession(
            self.connection, join_transaction_mode="create_savepoint"
        )
        self.session.info[MERCHANT] = Make.new_merchant_id()
        Make(self.session).merchant()
        self.model = Model()

    def teardown(self) -> None:
        try:
            self._check_who_paid()
        finally:
            self.session.close()
            self.outer.rollback()
            self.connection.close()

    @initialize(target=bills)
    def sell_the_first(self) -> Bill:
        return self._sell()

    @precondition(lambda self: len(self.model.issued) < MOST_BILLS)
    @rule(target=bills)
    def sell(self) -> Bill:
        """Issue a bill that is paid as most are."""
        return self._sell()

    @precondition(lambda self: len(self.model.issued) < MOST_BILLS)
    @rule(target=bills)
    def issue_a_bill(self) -> Bill:
        return self._issue()

    @rule(target=attempts, bill=bills, channel=st.sampled_from(ChannelName))
    def open_an_order(self, bill: Bill, channel: ChannelName) -> Attempt:
        return self._open(bill, channel)

    @rule(attempt=attempts)
    def close_an_order(self, attempt: Attempt) -> None:
        if PAYMENT.allows(attempt.order.status, PaymentEvent.CLOSE):
            attempt.order.status = PaymentStatus.CLOSED
        attempt.is_open = False

    @rule(attempt=attempts)
    def pay(self, attempt: Attempt) -> None:
        self._pay(attempt)

    @rule(attempt=attempts, amount=AMOUNTS)
    def pay_some_other_amount(self, attempt: Attempt, amount: int) -> None:
        self._capture(attempt, paid(attempt.order, cny(amount)))

    @rule(attempt=attempts, serial=st.integers(1, 2))
    def pay_again(self, attempt: Attempt, serial: int) -> None:
        txn = f"again-{attempt.order.id}-{serial}"
        self._capture(attempt, paid(attempt.order, txn=txn))

    @rule(attempt=attempts)
    def resend_every_notice(self, attempt: Attempt) -> None:
        for trade in attempt.trades:
            assert self._record(attempt, trade) is Outcome.REPEATED

    @rule(bill=bills, amount=st.none() | AMOUNTS)
    def ask_for_a_refund(self, bill: Bill, amount: int | None) -> None:
        self._refund(bill, amount)

    @rule(data=st.data(), state=st.sampled_from(RefundState))
    def hear_of_a_refund(self, data: st.DataObject, state: RefundState) -> None:
        back = self._one_of(data, self.model.back)
        if back is None or state is RefundState.NOT_FOUND:
            return
        is_late = back.status is RefundStatus.FAILED and state is RefundState.SUCCEEDED
        if is_late and back.amount > self.model.rest(back.attempt):
            return  # no channel pays back more than it was paid
        refund_moves.record(self.session, back.row.id, answer(back.row, state), now=NOON)
        if back.status in UNDER_WAY or is_late:
            back.status = {
                RefundState.SUCCEEDED: RefundStatus.SUCCEEDED,
                RefundState.FAILED: RefundStatus.FAILED,
                RefundState.ABNORMAL: RefundStatus.ABNORMAL,
            }.get(state, back.status)
        if back.status is RefundStatus.SUCCEEDED:
            self.model.arrive(back)

    @rule(data=st.data())
    def send_back_again(self, data: st.DataObject) -> None:
        case = self._one_of(data, self.model.aside)
        if case is None:
            return
        refund = self._try(
            partial(cases.send_back_again, self.session, case.id, actor=WEI, now=NOON)
        )

        assert (refund is not None) == self.model.can_go_back(case)
        if refund is not None:
            self.model.back.append(Back(case.attempt, refund, case.amount, case))

    @rule(data=st.data())
    def keep(self, data: st.DataObject) -> None:
        case = self._one_of(data, self.model.aside)
        if case is None:
            return
        is_free = case.status is CaseStatus.OPEN and not self.model.is_under_way(case)
        kept = partial(cases.keep, self.session, case.id, note="invoiced", actor=WEI, now=NOON)

        assert (self._try(kept) is not None) == is_free
        if is_free:
            case.status = CaseStatus.KEPT

    @rule(bill=bills)
    def void(self, bill: Bill) -> None:
        was_done = self._try_move(partial(collection.void, reason="a mistake"), bill)

        assert was_done == (bill.status in PAYABLE)
        if was_done:
            bill.status = InvoiceStatus.VOID

    @rule(bill=bills)
    def give_up(self, bill: Bill) -> None:
        was_done = self._try_move(collection.give_up, bill)

        assert was_done == (bill.status is InvoiceStatus.OPEN)
        if was_done:
            bill.status = InvoiceStatus.UNCOLLECTIBLE

    @rule(bill=bills, cents=st.sampled_from([1_264, 6_000, 12_641]))
    def credit(self, bill: Bill, cents: int) -> None:
        request = CreditRequest(CreditReason.CORRECTION, total_minor=cents)
        left = self.model.left(bill)
        issued = partial(
            closing.issue_credit_note, self.session, bill.invoice.id, request, actor=WEI, now=NOON
        )
        note = self._try(issued)
        if note is None:
            return
        assert bill.status in {InvoiceStatus.OPEN, InvoiceStatus.PAID}
        bill.balance += note.balance_minor
        bill.due -= note.amount_minor - note.balance_minor
        if bill.applied:
            assert note.balance_minor <= left
        if bill.status is InvoiceStatus.OPEN:
            assert not any(each.is_open for each in self.model.tried if each.bill is bill)
            bill.status = InvoiceStatus.OPEN if bill.due else InvoiceStatus.PAID

    @rule(bill=bills, amount=AMOUNTS)
    def dispute(self, bill: Bill, amount: int) -> None:
        complaint = Complaint(f"case-{len(self.model.claims)}", cny(amount), "not as described")
        opened = partial(
            disputes.open_dispute, self.session, bill.invoice.id, complaint, actor=WEI, now=NOON
        )
        dispute = self._try(opened)

        assert (dispute is not None) == (amount <= self.model.left(bill))
        if dispute is not None and bill.applied:
            self.model.claims.append(Claim(bill.applied, dispute.id, amount, dispute.fee_minor))

    @rule(data=st.data(), is_won=st.booleans())
    def decide(self, data: st.DataObject, *, is_won: bool) -> None:
        claim = self._one_of(data, self.model.claims)
        if claim is None:
            return
        decided = DisputeStatus.WON if is_won else DisputeStatus.LOST
        closed = partial(
            disputes.close_dispute, self.session, claim.id, is_won=is_won, actor=WEI, now=NOON
        )

        assert (self._try(closed) is not None) == (claim.status in {DisputeStatus.OPEN, decided})
        if claim.status is DisputeStatus.OPEN:
            claim.status = decided

    @rule(bill=consumes(bills))
    def give_all_of_it_back(self, bill: Bill) -> None:
        """End a bill: all that is left goes back, and all that is under way arrives."""
        self._refund(bill, None)
        for back in self.model.back:
            if back.attempt is bill.applied and back.status in UNDER_WAY:
                refund_moves.record(self.session, back.row.id, answer(back.row), now=NOON)
                back.status = RefundStatus.SUCCEEDED
                self.model.arrive(back)

    @invariant()
    def every_book_is_zero_in_sum(self) -> None:
        self.session.flush()
        assert unbalanced(self.session) == []

    @invariant()
    def every_account_is_what_the_model_says(self) -> None:
        assert comparable(balances(self.session)) == self.model.expected()

    @invariant()
    def a_bill_is_paid_exactly_when_one_payment_of_its_due_was_applied(self) -> None:
        for bill in self.model.issued:
            assert bill.invoice.status is bill.status
            assert bill.invoice.due_minor == bill.due
            assert (bill.status in WAS_PAID) == (bill.applied is not None or bill.due == 0)
            if bill.applied:
                assert bill.applied.order.captured_minor == bill.due

    @invariant()
    def nothing_goes_back_twice(self) -> None:
        for attempt in self.model.tried:
            order, captured = attempt.order, sum(self.model.first(attempt))
            assert order.refunded_minor == sum(
                back.amount
                for back in self.model.back
                if back.attempt is attempt and self.model.counts(back)
            )
            assert order.disputed_minor == sum(
                claim.amount for claim in self.model.claims if self.model.holds(claim, attempt)
            )
            assert order.refunded_minor + order.disputed_minor <= captured
        for bill in self.model.issued:
            assert bill.invoice.refunded_minor == sum(
                back.amount
                for back in self.model.back
                if self.model.is_of(back, bill) and back.status is RefundStatus.SUCCEEDED
            )
            paying = bill.applied.order if bill.applied else None
            taken = paying.refunded_minor + paying.disputed_minor if paying else 0
            assert bill.invoice.claimed_minor == taken

    def _check_who_paid(self) -> None:
        """Compare the one payment that paid each bill; and what went back whole left nothing."""
        for bill in self.model.issued:
            paying = queries.find_paying(self.session, bill.invoice.id)
            assert paying is (bill.applied.order if bill.applied else None)
            if paying is not None and bill.status is InvoiceStatus.REFUNDED:
                parts = refund_queries.given_parts(self.session, paying.id)
                assert sum(part.fee.minor for part in parts) == bill.invoice.platform_fee_minor
                given = sum(part.settlement.minor for part in parts)
                assert given == bill.invoice.settlement_minor

    def _issue(self) -> Bill:
        bill = Bill(billed(self.session))
        self.model.issued.append(bill)
        return bill

    def _sell(self) -> Bill:
        bill = self._issue()
        self._pay(self._open(bill, ChannelName.WECHAT))
        return bill

    def _open(self, bill: Bill, channel: ChannelName) -> Attempt:
        """Open an order, unless one is open there or nothing is due."""
        known = [each for each in self.model.tried if each.bill is bill]
        for each in known:
            if (each.is_open and each.order.channel is channel) or bill.due == 0:
                return each
        order = order_for(
            self.session,
            bill.invoice,
            channel=channel,
            method=METHODS[channel][0],
            amount_minor=bill.due or 1,
        )
        attempt = Attempt(bill, order, order.amount_minor)
        self.model.tried.append(attempt)
        return attempt

    def _pay(self, attempt: Attempt) -> None:
        self._capture(attempt, paid(attempt.order))

    def _refund(self, bill: Bill, amount: int | None) -> None:
        wanted = self.model.left(bill) if amount is None else amount
        asked = None if amount is None else cny(amount)
        refund = self._try(partial(ask_back, self.session, bill.invoice, asked, now=NOON))

        assert (refund is not None) == (0 < wanted <= self.model.left(bill))
        if refund is not None and bill.applied:
            self.model.back.append(Back(bill.applied, refund, wanted, None))

    def _capture(self, attempt: Attempt, trade: Trade) -> None:
        """Let money come, and tell the model what of it became of the bill."""
        assert trade.paid is not None
        bill, is_copy = (
            attempt.bill,
            trade.channel_txn_id in {known.channel_txn_id for known in attempt.trades},
        )
        reason = None if is_copy else why_aside(attempt, trade.paid.minor)
        outcome = self._record(attempt, trade)
        if is_copy:
            assert outcome is Outcome.REPEATED
            return
        attempt.trades.append(trade)
        attempt.is_open = False
        if reason is None:
            assert outcome is Outcome.APPLIED
            bill.status, bill.applied = InvoiceStatus.PAID, attempt
            return
        assert outcome is Outcome.UNALLOCATED
        row = queries.list_unallocated(self.session)[-1]
        case = Case(attempt, row.id, trade.paid.minor, reason)
        assert (row.reason, row.amount_minor) == (reason, case.amount)
        self.model.aside.append(case)
        sent = refund_queries.list_of_case(self.session, row.id)
        assert bool(sent) == (reason is CaseReason.INVOICE_NOT_PAYABLE)
        self.model.back += [Back(attempt, refund, case.amount, case) for refund in sent]

    def _record(self, attempt: Attempt, trade: Trade) -> Outcome:
        return record_capture(self.session, trade, channel=attempt.order.channel, now=NOON)

    def _try(self, action: Callable[[], Any]) -> Any:
        """Do something, or have it refused: then nothing may have moved."""
        try:
            with self.session.begin_nested():
                return action()
        except Refusal:
            return None

    def _try_move(self, move: Callable[..., None], bill: Bill) -> bool:
        moved = partial(move, self.session, bill.invoice, actor=WEI, now=NOON)
        return self._try(lambda: moved() or True) is True

    @staticmethod
    def _one_of(data: st.DataObject, known: list[Any]) -> Any:
        return data.draw(st.sampled_from(known)) if known else None


def test_the_books_hold_whatever_happens(engine: Engine) -> None:
    run_state_machine_as_test(
        partial(Books, engine),  # type: ignore[arg-type]  # any maker of machines will do
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=True
        ),
    )
