"""Operators record disputes and close cases; merchants see of it what is theirs, and only that."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update

from app.audit.models import AuditEntry
from app.billing.models import Invoice
from app.channels.base import ChannelName, RefundState
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, read, show, show_merchant
from app.core.money import Currency, Money
from app.payments import refund_moves, refunds
from app.payments.capture import record_capture
from app.payments.models import CaseStatus, ChannelCallback, UnallocatedPayment
from app.payments.refund_models import Dispute, DisputeStatus, Refund, RefundPurpose, RefundStatus
from app.payments.refunds import RefundRequest
from tests.make import NOON, cny
from tests.payments.backing import WEI, answer
from tests.payments.builders import order_for
from tests.payments.builders import paid as paid_trade
from tests.web.books import issued, paid
from tests.web.conftest import Browser


@pytest.fixture
def invoice(engine: Engine, browser: Browser) -> str:
    return paid(engine, browser)


def form(browser: Browser, engine: Engine, **changed: str) -> dict[str, str]:
    """Return what an operator types of a dispute about the merchant's invoice."""
    with begin(engine, browser.merchant_id) as session:
        number = session.scalars(select(Invoice.number)).one()
    typed = {
        "merchant": show_merchant(browser.merchant_id),
        "number": str(number),
        "amount": "200.00",
        "case_no": f"CASE-{browser.merchant_id}",
        "charge": "15.00",
        "reason": "<i>Not received</i>",
    }
    return typed | changed


def disputes(engine: Engine, browser: Browser) -> list[Dispute]:
    with begin(engine, browser.merchant_id) as session:
        return list(session.scalars(select(Dispute)))


def case_of(engine: Engine, browser: Browser) -> str:
    """Have 1 CNY come for an open invoice of 905.33, and return its case."""
    issued(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        order = order_for(session, session.scalars(select(Invoice)).one())
        trade = paid_trade(order, cny(100))
        record_capture(session, trade, channel=ChannelName.WECHAT, now=clock.now())
        return show(Prefix.CASE, session.scalars(select(UnallocatedPayment.id)).one())


def case(engine: Engine, browser: Browser) -> UnallocatedPayment:
    with begin(engine, browser.merchant_id) as session:
        return session.scalars(select(UnallocatedPayment)).one()


def test_a_dispute_is_recorded_and_shown_to_its_merchant(
    engine: Engine, browser: Browser, operator: Browser, invoice: str
) -> None:
    done = operator.post("/admin/disputes/new", form(browser, engine))

    assert done.status_code == 303
    [dispute] = disputes(engine, browser)
    assert (dispute.amount, dispute.charge) == (cny(20_000), Money(1_500, Currency.USD))
    public_id = show(Prefix.DISPUTE, dispute.id)
    assert public_id in browser.text("/merchant/disputes")
    shown = browser.text(f"/merchant/disputes/{public_id}")
    assert "&lt;i&gt;Not received&lt;/i&gt;" in shown
    assert "merchant_reserve" in shown
    assert f"/merchant/disputes/{public_id}" in browser.text(f"/merchant/invoices/{invoice}")
    assert "A payer disputes 200.00 CNY" in browser.text("/merchant/attention")
    assert dispute.channel_case_no in operator.text("/admin/disputes?status=open")


def test_a_dispute_is_found_by_the_number_of_the_channel(
    engine: Engine, browser: Browser, operator: Browser, invoice: str
) -> None:
    typed = form(browser, engine, number="4200001", charge="")

    assert operator.post("/admin/disputes/new", typed).status_code == 303

    [dispute] = disputes(engine, browser)
    assert (show(Prefix.INVOICE, dispute.invoice_id), dispute.charge_minor) == (invoice, 0)


@pytest.mark.usefixtures("invoice")
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"merchant": "nobody"}, "there is no merchant of this id"),
        ({"number": "LUM-1"}, "no invoice and no payment of this number"),
        ({"amount": "905.34"}, "more than is left"),
        ({"amount": "x"}, "Write an amount"),
        ({"charge": "1.001"}, "Write an amount"),
        ({"case_no": " "}, "must not be empty"),
        ({"reason": ""}, "must not be empty"),
    ],
)
def test_what_can_not_be_recorded_says_why_and_forgets_nothing(
    engine: Engine, browser: Browser, operator: Browser, changed: dict[str, str], words: str
) -> None:
    answer = operator.post("/admin/disputes/new", form(browser, engine, **changed))

    assert answer.status_code == 422
    assert words in answer.text
    assert f"CASE-{browser.merchant_id}" in answer.text or "case_no" in changed
    assert disputes(engine, browser) == []


@pytest.mark.usefixtures("invoice")
@pytest.mark.parametrize(
    ("decided", "status"), [("won", DisputeStatus.WON), ("lost", DisputeStatus.LOST)]
)
def test_a_dispute_is_decided_once(
    engine: Engine, browser: Browser, operator: Browser, decided: str, status: DisputeStatus
) -> None:
    operator.post("/admin/disputes/new", form(browser, engine))
    [dispute] = disputes(engine, browser)
    public_id = show(Prefix.DISPUTE, dispute.id)
    path = f"/admin/disputes/{show_merchant(browser.merchant_id)}/{public_id}/close"

    operator.post(path, {"decided": decided})
    other = "lost" if decided == "won" else "won"
    operator.post(path, {"decided": other})

    assert [row.status for row in disputes(engine, browser)] == [status]
    assert "It was decided for" in browser.text(f"/merchant/disputes/{public_id}")
    assert "A payer disputes" not in browser.text("/merchant/attention")


def test_money_that_paid_nothing_is_sent_back_by_hand(
    engine: Engine, browser: Browser, operator: Browser
) -> None:
    case_id = case_of(engine, browser)
    merchant = show_merchant(browser.merchant_id)
    page = operator.text("/admin/cases")
    assert case_id in page
    assert "another amount than we asked for" in page

    path = f"/admin/cases/{merchant}/{case_id}"
    done = operator.post(f"{path}/send-back", follow_redirects=True)
    again = operator.post(f"{path}/send-back", follow_redirects=True)
    kept = operator.post(f"{path}/keep", {"note": "Agreed"}, follow_redirects=True)

    assert "It is on its way back." in done.text
    assert "No channel holds money" in again.text
    assert "on its way back already" in kept.text
    with begin(engine, browser.merchant_id) as session:
        [refund] = session.scalars(select(Refund))
        assert (refund.purpose, refund.amount) == (RefundPurpose.SEND_BACK, cny(100))
        refund_moves.record(session, refund.id, answer(refund), now=clock.now())
        assert "case.sent_back" in session.scalars(select(AuditEntry.action)).all()
    assert case(engine, browser).status is CaseStatus.RETURNED
    assert case_id not in operator.text("/admin/cases")


def test_a_case_is_kept_with_a_note(engine: Engine, browser: Browser, operator: Browser) -> None:
    case_id = case_of(engine, browser)
    path = f"/admin/cases/{show_merchant(browser.merchant_id)}/{case_id}/keep"

    silent = operator.post(path, {"note": ""}, follow_redirects=True)
    assert "must not be empty" in silent.text
    operator.post(path, {"note": "Deducted from the next invoice"})

    found = case(engine, browser)
    assert (found.status, found.note) == (CaseStatus.KEPT, "Deducted from the next invoice")
    assert "came that pays no invoice" not in browser.text("/merchant/attention")
    twice = operator.post(path, {"note": "Again"}, follow_redirects=True)
    assert "can not keep" in twice.text


@pytest.mark.usefixtures("invoice")
def test_a_stuck_refund_says_what_an_operator_does(
    engine: Engine, browser: Browser, operator: Browser
) -> None:
    with begin(engine, browser.merchant_id) as session:
        row = session.scalars(select(Invoice)).one()
        soon = NOON + timedelta(hours=1)
        request = RefundRequest("Late", cny(100))
        refund = refunds.request_refund(session, row.id, request, actor=WEI, now=soon)
        refund_moves.record(session, refund.id, answer(refund, RefundState.ABNORMAL), now=soon)
        public_id = show(Prefix.REFUND, refund.id)

    page = operator.text("/admin/cases?view=refunds")

    assert public_id in page
    assert "WeChat Pay’s merchant platform" in page
    with begin(engine, browser.merchant_id) as session:
        session.execute(
            update(Refund)
            .where(Refund.id == read(Prefix.REFUND, public_id))
            .values(status=RefundStatus.FAILED, next_query_at=None, ended_at=clock.now())
        )
    assert public_id not in operator.text("/admin/cases?view=refunds")


def test_a_call_that_nobody_knows_is_shown_to_operators_a_day_later(
    engine: Engine, operator: Browser
) -> None:
    with begin(engine, None) as session:
        for notice_id, hours in (("EV-forgotten", 25), ("EV-young", 1)):
            session.add(
                ChannelCallback(
                    channel=ChannelName.WECHAT,
                    notice_id=notice_id,
                    merchant_id=None,
                    headers={},
                    body=b"{}",
                    received_at=clock.now() - timedelta(hours=hours),
                )
            )

    shown = operator.get("/admin/cases?view=calls").text

    assert "EV-forgotten" in shown
    assert "EV-young" not in shown


def test_other_merchants_see_no_dispute(
    engine: Engine,
    browser: Browser,
    operator: Browser,
    sign_up: Callable[..., Browser],
    invoice: str,
) -> None:
    operator.post("/admin/disputes/new", form(browser, engine))
    public_id = show(Prefix.DISPUTE, disputes(engine, browser)[0].id)
    stranger = sign_up()

    assert stranger.get(f"/merchant/disputes/{public_id}").status_code == 404
    assert stranger.get(f"/merchant/invoices/{invoice}").status_code == 404
    assert "No payer has complained" in stranger.text("/merchant/disputes")
    assert stranger.get("/admin/disputes").status_code == 404
