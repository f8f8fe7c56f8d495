"""An operator's lists are narrowed by merchant and channel, and their file is what is listed."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from app.billing import failures
from app.billing.lines import LineTooLarge
from app.billing.models import Invoice
from app.billing.run_models import InvoiceRun, RunTrigger
from app.channels.base import ChannelName, RefundState
from app.core import clock, outbox
from app.core.db import begin
from app.core.ids import Prefix, show, show_merchant
from app.core.money import Currency, Money
from app.core.paging import encode_cursor
from app.payments import disputes, quarantine, refund_moves, refunds
from app.payments.capture import record_capture
from app.payments.disputes import Complaint
from app.payments.models import ChannelCallback, UnallocatedPayment
from app.payments.platform_filter import PlatformFilter
from app.payments.refunds import RefundRequest
from app.risk import limits
from app.risk.rules import Rule
from tests.make import ADA, NOON, cny
from tests.payments.backing import WEI, answer
from tests.payments.builders import order_for
from tests.payments.builders import paid as paid_trade
from tests.web.books import issued, paid
from tests.web.conftest import PARTIAL, Browser

LISTS = [
    "/admin/cases?view=calls",
    "/admin/cases?view=cases",
    "/admin/cases?view=refunds",
    "/admin/disputes?",
    "/admin/failures?",
    "/admin/outbox?",
    "/admin/refunds?",
    "/admin/runs?",
]


def file_of(operator: Browser, path: str) -> list[dict[str, str]]:
    """Return the lines of a list's file by their columns."""
    text = operator.text(f"{path}&format=csv")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def of(browser: Browser) -> str:
    """Return the filter that has a merchant's rows only."""
    return f"merchant={show_merchant(browser.merchant_id)}"


@pytest.fixture
def nimbus(sign_up: Callable[..., Browser]) -> Browser:
    """Return another merchant, who has nothing."""
    return sign_up("Nimbus")


@pytest.mark.parametrize("path", LISTS)
def test_a_list_of_a_merchant_with_nothing(operator: Browser, browser: Browser, path: str) -> None:
    narrowed = f"{path}&{of(browser)}"

    assert "Clear the filters" in operator.text(narrowed)
    assert file_of(operator, narrowed) == []


@pytest.mark.parametrize("path", LISTS)
def test_a_merchant_there_can_not_be_is_said_in_the_list(operator: Browser, path: str) -> None:
    for headers in ({}, PARTIAL):
        answer = operator.get(f"{path}&merchant=nobody", headers=headers)
        assert answer.status_code == 422
        assert "there is no merchant of this id" in answer.text
        assert "<table" not in answer.text
    assert operator.get(f"{path}&merchant=nobody&format=csv").status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "/admin/cases?view=calls&cursor=zz",
        "/admin/cases?channel=paypal",
        "/admin/disputes?status=odd",
        "/admin/outbox?q=%00",
        "/admin/refunds?channel=paypal",
        "/admin/runs?trigger=odd",
    ],
)
def test_a_filter_that_makes_no_sense_is_said_in_the_list(operator: Browser, path: str) -> None:
    answer = operator.get(path, headers=PARTIAL)

    assert answer.status_code == 422
    assert 'data-tone="bad"' in answer.text


def test_cases_are_narrowed(
    engine: Engine, operator: Browser, browser: Browser, nimbus: Browser
) -> None:
    issued(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        order = order_for(session, session.scalars(select(Invoice)).one())
        trade = paid_trade(order, cny(100))
        record_capture(session, trade, channel=ChannelName.WECHAT, now=clock.now())
        case = show(Prefix.CASE, session.scalars(select(UnallocatedPayment.id)).one())

    path = f"/admin/cases?{of(browser)}"
    [line] = file_of(operator, path)
    assert (line["id"], line["merchant"], line["amount_minor"]) == (case, "Lumen AI", "100")
    assert (line["reason"], line["last_try"]) == ("amount_mismatch", "")
    assert case in operator.text(f"{path}&channel=wechat")
    assert "Paid nothing<small>0</small>" in operator.text(f"{path}&channel=alipay")
    assert case not in operator.text(f"/admin/cases?{of(nimbus)}")


def test_stuck_refunds_are_narrowed(engine: Engine, operator: Browser, browser: Browser) -> None:
    paid(engine, browser)
    soon = NOON + timedelta(hours=1)
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        request = RefundRequest("Late", cny(100))
        refund = refunds.request_refund(session, invoice.id, request, actor=WEI, now=soon)
        refund_moves.record(session, refund.id, answer(refund, RefundState.ABNORMAL), now=soon)
        public_id = show(Prefix.REFUND, refund.id)

    path = f"/admin/cases?view=refunds&{of(browser)}"
    [line] = file_of(operator, path)
    assert (line["id"], line["status"], line["amount_cny_minor"]) == (public_id, "abnormal", "100")
    assert public_id in operator.text(f"{path}&channel=wechat")
    assert "Stuck refunds<small>0</small>" in operator.text(f"{path}&channel=alipay")


def test_unknown_calls_are_narrowed_and_paged(
    engine: Engine, operator: Browser, browser: Browser
) -> None:
    now = clock.now()
    names = [f"EV-{browser.merchant_id}-{number}" for number in range(3)]
    with begin(engine, None) as session:
        for hours, name in enumerate(names, start=25):
            session.add(
                ChannelCallback(
                    channel=ChannelName.WECHAT,
                    notice_id=name,
                    merchant_id=browser.merchant_id,
                    headers={},
                    body=b"{}",
                    received_at=now - timedelta(hours=hours),
                )
            )

    path = f"/admin/cases?view=calls&{of(browser)}"
    assert [line["notice"] for line in file_of(operator, path)] == names[::-1]
    assert file_of(operator, f"{path}&channel=alipay") == []
    wanted = PlatformFilter(merchant_id=browser.merchant_id)
    with begin(engine, None) as session:
        first = quarantine.list_quarantined(session, wanted, now=now, limit=2)
        second = quarantine.list_quarantined(
            session, wanted, now=now, cursor=first.next_cursor, limit=2
        )
        assert [call.notice_id for call in (*first.rows, *second.rows)] == names[::-1]
        assert second.next_cursor is None


def test_disputes_are_narrowed(engine: Engine, operator: Browser, browser: Browser) -> None:
    paid(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        complaint = Complaint("CASE-1", cny(20_000), "Late", Money(1_500, Currency.USD))
        made = disputes.open_dispute(session, invoice.id, complaint, actor=WEI, now=clock.now())
        dispute, number = show(Prefix.DISPUTE, made.id), invoice.number

    path = f"/admin/disputes?{of(browser)}"
    [line] = file_of(operator, f"{path}&q={number}&channel=wechat&status=open")
    assert (line["id"], line["merchant"], line["opened_by"]) == (dispute, "Lumen AI", WEI.name)
    assert (line["amount_cny_minor"], line["charge_minor"]) == ("20000", "1500")
    for query in ("q=CASE", "channel=alipay", "status=lost"):
        assert "No dispute matches" in operator.text(f"{path}&{query}")
    assert "Being decided<small>1</small>" in operator.text(f"{path}&status=lost")


def test_refunds_to_approve_are_narrowed(
    engine: Engine, operator: Browser, browser: Browser
) -> None:
    paid(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        limits.set_limits(session, {Rule.REFUND_AMOUNT: 1}, actor=ADA, now=NOON)
        request = RefundRequest("=late()", cny(100))
        refund = refunds.request_refund(session, invoice.id, request, actor=WEI, now=NOON)
        public_id = show(Prefix.REFUND, refund.id)

    path = f"/admin/refunds?{of(browser)}"
    [line] = file_of(operator, f"{path}&channel=wechat")
    assert (line["id"], line["amount_cny_minor"]) == (public_id, "100")
    assert (line["reason"], line["created_by"]) == ("'=late()", WEI.name)
    assert public_id in operator.text(path)
    assert "No refund matches" in operator.text(f"{path}&channel=alipay")


def test_the_outbox_is_narrowed(engine: Engine, operator: Browser, browser: Browser) -> None:
    with begin(engine, browser.merchant_id) as session:
        for task in ("jobs.refunds.settle", "jobs.documents.print_invoice"):
            outbox.owe(session, task, now=clock.now(), invoice="inv_1")

    path = f"/admin/outbox?{of(browser)}"
    assert [line["task"] for line in file_of(operator, path)] == [
        "jobs.documents.print_invoice",
        "jobs.refunds.settle",
    ]
    [line] = file_of(operator, f"{path}&q=REFUNDS")
    assert (line["task"], line["arguments"]) == ("jobs.refunds.settle", "invoice=inv_1")
    assert "Waiting<small>1</small>" in operator.text(f"{path}&q=print_invoice")
    assert file_of(operator, f"{path}&state=done") == []


def test_runs_are_narrowed(engine: Engine, operator: Browser, browser: Browser) -> None:
    with begin(engine, browser.merchant_id) as session:
        for trigger, failed in ((RunTrigger.ADMIN, 0), (RunTrigger.SCHEDULE, 2)):
            session.add(
                InvoiceRun(
                    merchant_id=browser.merchant_id,
                    trigger=trigger,
                    as_of=NOON,
                    ended_at=NOON,
                    failed=failed,
                )
            )
            session.flush()  # the ids are in the order of the runs

    path = f"/admin/runs?{of(browser)}"
    assert [(line["trigger"], line["status"]) for line in file_of(operator, path)] == [
        ("schedule", "failed"),
        ("admin", "done"),
    ]
    [line] = file_of(operator, f"{path}&trigger=admin")
    assert (line["merchant"], line["failed"], line["trigger"]) == ("Lumen AI", "0", "admin")
    assert "No run matches" in operator.text(f"{path}&trigger=merchant")


def test_failures_are_narrowed(
    engine: Engine, operator: Browser, browser: Browser, nimbus: Browser
) -> None:
    with begin(engine, browser.merchant_id) as session:
        failures.note(session, "ctr_1", LineTooLarge("=too much"), retry_at=NOON)

    [line] = file_of(operator, f"/admin/failures?{of(browser)}")
    assert (line["subject"], line["code"]) == ("ctr_1", LineTooLarge.code)
    assert (line["message"], line["attempts"]) == ("'=too much", "1")
    assert "Nothing matches" in operator.text(f"/admin/failures?{of(nimbus)}")


@pytest.mark.parametrize(
    "keys",
    [
        ("yesterday", "wechat", "EV"),
        ("2026-05-31", "paypal", "EV"),
        ("2026-05-31T08:00:00+00:00", "wechat", "\0"),
    ],
)
def test_a_position_among_calls_that_is_none_is_said(
    operator: Browser, keys: tuple[str, str, str]
) -> None:
    answer = operator.get(f"/admin/cases?view=calls&cursor={encode_cursor(*keys)}")

    assert answer.status_code == 422
