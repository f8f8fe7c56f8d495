"""Refunding by page: what was looked at goes back, once; every page says what is to be done."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, func, select, update

from app.audit.models import AuditEntry
from app.billing.models import Invoice, InvoiceStatus
from app.channels.base import Refund as Answer
from app.channels.base import RefundState
from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, read, show
from app.core.outbox import OutboxJob
from app.customers.models import Customer
from app.identity.models import Merchant
from app.payments import refund_moves, refunds
from app.payments.refund_models import Refund, RefundStatus
from app.payments.refunds import RefundRequest
from tests.make import cny
from tests.payments.backing import WEI, answer
from tests.web.books import issued, paid
from tests.web.conftest import PARTIAL, Browser

SEEN = re.compile(r'name="seen" value="([0-9/]+)"')


@pytest.fixture
def invoice(engine: Engine, browser: Browser) -> str:
    """Have the invoice of 905.33 CNY paid, just now."""
    public_id = paid(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        session.execute(update(Invoice).values(paid_at=clock.now()))
    return public_id


def ask(engine: Engine, browser: Browser, invoice: str, minor: int, reason: str = "Late") -> str:
    """Ask for a refund and return its public id."""
    with begin(engine, browser.merchant_id) as session:
        request = RefundRequest(reason, cny(minor))
        number = read(Prefix.INVOICE, invoice)
        made = refunds.request_refund(session, number, request, actor=WEI, now=clock.now())
        return show(Prefix.REFUND, made.id)


def tell(engine: Engine, browser: Browser, refund: str, state: RefundState) -> None:
    """Have the channel say what became of a refund."""
    with begin(engine, browser.merchant_id) as session:
        row = session.get_one(Refund, (browser.merchant_id, read(Prefix.REFUND, refund)))
        said: Answer = answer(row, state)
        refund_moves.record(session, row.id, said, now=clock.now())


def stored(engine: Engine, browser: Browser) -> list[Refund]:
    with begin(engine, browser.merchant_id) as session:
        return list(session.scalars(select(Refund).order_by(Refund.id)))


def seen(page: str) -> str:
    found = SEEN.search(page)
    assert found
    return found[1]


def test_all_that_is_left_stands_in_the_form(browser: Browser, invoice: str) -> None:
    page = browser.text(f"/merchant/invoices/{invoice}/refund")

    assert 'value="905.33"' in page
    assert "$122.62" in page  # of the settlement
    assert "¥27.16" in page  # the fee that comes back
    assert "7.16184" in page


def test_typing_shows_what_a_part_comes_to(engine: Engine, browser: Browser, invoice: str) -> None:
    form = {"amount": "300", "reason": ""}

    found = browser.post(f"/merchant/invoices/{invoice}/refund", form, headers=PARTIAL)

    assert found.status_code == 200
    assert "<html" not in found.text
    assert "$40.63" in found.text
    assert "¥605.33" in found.text
    assert stored(engine, browser) == []


def test_what_was_shown_is_refunded(engine: Engine, browser: Browser, invoice: str) -> None:
    path = f"/merchant/invoices/{invoice}/refund"
    form = {"amount": "300.00", "reason": "<b>Late</b>", "action": "preview"}
    preview = browser.post(path, form)

    done = browser.post(path, form | {"action": "refund", "seen": seen(preview.text)})

    assert done.status_code == 303
    [refund] = stored(engine, browser)
    assert (refund.amount, refund.status) == (cny(30_000), RefundStatus.SUBMITTED)
    shown = browser.text(done.location)
    assert "&lt;b&gt;Late&lt;/b&gt;" in shown
    assert "refund_in_transit" in shown
    assert refund.out_refund_no in shown


def test_what_was_not_shown_is_not_refunded(engine: Engine, browser: Browser, invoice: str) -> None:
    path = f"/merchant/invoices/{invoice}/refund"
    form = {"amount": "300.00", "reason": "Late", "action": "refund", "seen": "30000/90533"}
    assert browser.post(path, form).status_code == 303

    again = browser.post(path, form)  # a second click, of the same page
    other = browser.post(path, form | {"amount": "3000"})

    assert (again.status_code, other.status_code) == (422, 422)
    assert "Look at what it comes to now" in again.text
    assert seen(again.text) == "30000/60533"
    assert len(stored(engine, browser)) == 1


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"amount": "905.34"}, "more than is left"),
        ({"amount": "0"}, "more than zero"),
        ({"amount": "1.001"}, "Write an amount"),
        ({"amount": "x"}, "Write an amount"),
        ({"amount": "10", "line_1": "9"}, "1.00 CNY short of the amount"),
        ({"amount": "10", "line_1": "12.50"}, "2.50 CNY above the amount"),
    ],
)
def test_what_can_not_be_refunded_says_why(
    browser: Browser, invoice: str, form: dict[str, str], words: str
) -> None:
    path = f"/merchant/invoices/{invoice}/refund"

    for action in ("preview", "refund"):
        found = browser.post(path, {"reason": "Late", "action": action} | form)
        assert found.status_code == 422
        assert words in found.text
        assert f'value="{form["amount"]}"' in found.text


def test_a_refund_says_which_lines_it_is_about(
    engine: Engine, browser: Browser, invoice: str
) -> None:
    form = {"reason": "Late", "line_1": "12.00", "action": "refund", "seen": "1200/90533"}

    done = browser.post(f"/merchant/invoices/{invoice}/refund", form)

    [refund] = stored(engine, browser)
    assert refund.lines == [{"position": 1, "amount": 1_200}]
    assert "Agent runs" in browser.text(done.location)


def test_the_invoice_says_what_went_back(engine: Engine, browser: Browser, invoice: str) -> None:
    path = f"/merchant/invoices/{invoice}"
    assert f"{path}/refund" in browser.text(path)
    refund = ask(engine, browser, invoice, 90_533)

    tell(engine, browser, refund, RefundState.SUCCEEDED)

    page = browser.text(path)
    assert f"/merchant/refunds/{refund}" in page
    assert "All that was paid went back to the payer." in page
    assert "That is more than is left to refund." in page
    assert f"{path}/refund" not in page


def test_a_payment_too_old_says_so(engine: Engine, browser: Browser, invoice: str) -> None:
    with begin(engine, browser.merchant_id) as session:
        session.execute(update(Merchant).values(refund_window_days=0))

    page = browser.text(f"/merchant/invoices/{invoice}")

    assert "The time in which it can be refunded is over." in page
    assert browser.get(f"/merchant/invoices/{invoice}/refund").status_code == 422


def test_an_invoice_nobody_paid_shows_no_refunds(engine: Engine, browser: Browser) -> None:
    public_id = issued(engine, browser)

    assert "Refunds and disputes" not in browser.text(f"/merchant/invoices/{public_id}")
    assert browser.get(f"/merchant/invoices/{public_id}/refund").status_code == 422


def test_the_list_counts_and_narrows(engine: Engine, browser: Browser, invoice: str) -> None:
    first = ask(engine, browser, invoice, 1_000, "First")
    second = ask(engine, browser, invoice, 2_000, "Second")
    tell(engine, browser, second, RefundState.ABNORMAL)
    number = stored(engine, browser)[0].out_refund_no

    page = browser.text("/merchant/refunds")
    assert "First" in page and "Second" in page  # noqa: PT018  # one page, two rows
    assert "Needs action<small>1</small>" in page
    for query, wanted in (
        ("status=abnormal", second),
        (f"q={number}", first),
        (f"q={second}", second),
        ("channel=wechat&status=submitted", first),
    ):
        rows = browser.text(f"/merchant/refunds?{query}", headers=PARTIAL)
        assert re.findall(r"/merchant/refunds/(rf_\w+)", rows) == [wanted]
    for query in ("channel=alipay", "customer=nobody", "to=2026-01-01", "q=LUM"):
        assert "No refund matches" in browser.text(f"/merchant/refunds?{query}")


def test_the_file_has_exactly_what_is_listed(
    engine: Engine, browser: Browser, invoice: str
) -> None:
    ask(engine, browser, invoice, 1_000, "=1+1")
    refund = ask(engine, browser, invoice, 2_000)
    tell(engine, browser, refund, RefundState.SUCCEEDED)

    everything = browser.get("/merchant/refunds?format=csv").text.splitlines()
    paid_back = browser.get("/merchant/refunds?status=succeeded&format=csv").text.splitlines()

    assert len(everything) == 3
    assert "'=1+1" in everything[2]
    assert [line.split(",")[0] for line in paid_back[1:]] == [refund]


def test_a_bad_filter_is_told(browser: Browser) -> None:
    answer = browser.get("/merchant/refunds?from=soon")

    assert answer.status_code == 422
    assert "must be a day" in answer.text


def test_nothing_refunded_leads_to_paid_invoices(browser: Browser) -> None:
    page = browser.text("/merchant/refunds")

    assert "Nothing was refunded yet" in page
    assert "/merchant/invoices?status=paid" in page


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (None, "It is on its way"),
        (RefundState.ABNORMAL, "The channel can not complete it"),
        (RefundState.FAILED, "What was set aside is yours again."),
        (RefundState.SUCCEEDED, "Booked as paid"),
    ],
)
def test_each_state_says_what_to_do(
    engine: Engine, browser: Browser, invoice: str, state: RefundState | None, words: str
) -> None:
    refund = ask(engine, browser, invoice, 1_000)
    if state:
        tell(engine, browser, refund, state)

    assert words in browser.text(f"/merchant/refunds/{refund}")


def test_a_refund_that_does_not_arrive_wants_attention(
    engine: Engine, browser: Browser, invoice: str
) -> None:
    refund = ask(engine, browser, invoice, 1_000)
    tell(engine, browser, refund, RefundState.ABNORMAL)

    page = browser.text("/merchant/attention")

    assert "A refund of 10.00 CNY does not arrive" in page
    assert f"/merchant/refunds/{refund}" in page


def test_the_mail_goes_out_once_more_and_not_twice(
    engine: Engine, browser: Browser, invoice: str
) -> None:
    refund = ask(engine, browser, invoice, 1_000)
    path = f"/merchant/refunds/{refund}"
    too_early = browser.post(f"{path}/resend", follow_redirects=True)
    tell(engine, browser, refund, RefundState.SUCCEEDED)
    with begin(engine, browser.merchant_id) as session:
        session.execute(update(Customer).values(email="buyer@acme.example"))

    first = browser.post(f"{path}/resend", follow_redirects=True)
    second = browser.post(f"{path}/resend", follow_redirects=True)

    assert "The buyer is told once the channel has paid." in too_early.text
    assert "The mail is on its way." in first.text
    assert "within the last minute" in second.text
    with begin(engine, browser.merchant_id) as session:
        owed = session.scalars(select(OutboxJob).where(OutboxJob.task == "jobs.refunds.mail"))
        assert [job.arguments.get("again", "")[:4] for job in owed] == ["", "rsd_"]


def test_the_window_is_set_within_what_channels_allow(engine: Engine, browser: Browser) -> None:
    path = "/merchant/settings/refunds"
    assert 'value="180"' in browser.text(path)

    for bad in ("366", "-1", "", "x"):
        assert browser.post(path, {"window_days": bad}).status_code == 422
    assert browser.post(path, {"window_days": "365"}).status_code == 303

    assert 'value="365"' in browser.text(path)
    with begin(engine, browser.merchant_id) as session:
        [entry] = session.scalars(select(AuditEntry))
        assert (entry.before, entry.after) == ({"window_days": 180}, {"window_days": 365})


def test_other_merchants_see_nothing(
    engine: Engine, browser: Browser, sign_up: Callable[..., Browser], invoice: str
) -> None:
    refund = ask(engine, browser, invoice, 1_000)
    stranger = sign_up()

    assert stranger.get(f"/merchant/refunds/{refund}").status_code == 404
    assert stranger.get(f"/merchant/invoices/{invoice}/refund").status_code == 404
    assert refund not in stranger.text("/merchant/refunds")


def test_a_refunded_invoice_is_refunded(engine: Engine, browser: Browser, invoice: str) -> None:
    refund = ask(engine, browser, invoice, 30_000)
    tell(engine, browser, refund, RefundState.SUCCEEDED)

    with begin(engine, browser.merchant_id) as session:
        row = session.scalars(select(Invoice)).one()
        assert row.status is InvoiceStatus.PARTIALLY_REFUNDED
    assert "a part of it went back" in browser.text(f"/merchant/invoices/{invoice}")


def test_a_channel_that_tells_whole_seconds_paid_after_it_was_told(
    engine: Engine, browser: Browser, invoice: str
) -> None:
    refund = ask(engine, browser, invoice, 30_000)
    tell(engine, browser, refund, RefundState.SUCCEEDED)
    with begin(engine, browser.merchant_id) as session:
        in_seconds = func.date_trunc("second", Refund.submitted_at)
        session.execute(update(Refund).values(succeeded_at=in_seconds))

    page = browser.text(f"/merchant/refunds/{refund}")

    assert page.index("Paid to the payer") < page.index("Set aside; the channel is told")
