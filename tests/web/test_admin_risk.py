"""An admin sees who is near a limit, stops whom he has to, and decides on refunds that wait."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy import Engine, delete, select, update

from app.billing.models import Invoice
from app.core import clock
from app.core.db import begin
from app.core.ids import PLATFORM, Prefix, read, show, show_merchant
from app.core.outbox import OutboxJob
from app.identity.models import Merchant
from app.payments import refunds
from app.payments.refund_models import Refund, RefundStatus
from app.payments.refunds import RefundRequest
from app.risk import freezes, hits, limits, reserving
from app.risk.models import RiskHit, RiskLimit, Switch
from app.risk.refusals import Hit, RiskRefused
from app.risk.reserving import Attempt
from app.risk.rules import Rule
from tests.make import ADA, cny
from tests.payments.backing import WEI
from tests.web.books import paid
from tests.web.conftest import PARTIAL, Browser

HOSTILE = '<script>alert("hi")</script>'


def home(browser: Browser) -> str:
    return f"/admin/risk/merchants/{show_merchant(browser.merchant_id)}"


def use(engine: Engine, browser: Browser, minor: int, maximum: int) -> None:
    """Reserve so much of a daily limit; what is above it is refused, and that is kept."""
    with begin(engine, browser.merchant_id) as session:
        wanted = {Rule.DAILY_AMOUNT: maximum}
        limits.set_limits(session, wanted, actor=ADA, now=clock.now())
    opener = partial(begin, engine, browser.merchant_id)
    with suppress(RiskRefused), hits.kept(opener), opener() as session:
        attempt = Attempt(cny(minor), 101, "wechat", "203.0.113.7")
        reserving.reserve(session, 1, attempt, now=clock.now())


def call(engine: Engine, browser: Browser, name: str) -> None:
    with begin(engine, browser.merchant_id) as session:
        session.execute(update(Merchant).values(name=name))


def waiting(engine: Engine, browser: Browser, reason: str = "Late") -> str:
    """Have a refund of 100.00 CNY wait, which is a fen too much, and return its public id."""
    invoice = read(Prefix.INVOICE, paid(engine, browser))
    with begin(engine, browser.merchant_id) as session:
        session.execute(update(Invoice).values(paid_at=clock.now()))
        request = RefundRequest(reason, cny(10_000))
        limits.set_limits(session, {Rule.REFUND_AMOUNT: 9_999}, actor=ADA, now=clock.now())
        made = refunds.request_refund(session, invoice, request, actor=WEI, now=clock.now())
        return show(Prefix.REFUND, made.id)


def refund_of(engine: Engine, browser: Browser) -> Refund:
    with begin(engine, browser.merchant_id) as session:
        return session.scalars(select(Refund)).one()


def test_merchants_are_listed_with_what_is_used_today(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    use(engine, browser, 8_100, 10_000)

    found = operator.text(f"/admin/risk?q={show_merchant(browser.merchant_id)}")

    assert "81.00 CNY" in found
    assert "of 100.00 CNY" in found
    assert 'data-tone="warn"' in found


def test_a_hostile_name_is_text(operator: Browser, browser: Browser, engine: Engine) -> None:
    call(engine, browser, HOSTILE)

    for path in (f"/admin/risk?q={show_merchant(browser.merchant_id)}", home(browser)):
        found = operator.text(path)
        assert HOSTILE not in found
        assert "&lt;script&gt;alert" in found


def test_the_frozen_and_the_refused_have_tabs_of_their_own(
    operator: Browser, sign_up: Callable[..., Browser], engine: Engine
) -> None:
    frozen, refused = sign_up("Iceberg Ltd"), sign_up("Overdone Ltd")
    with begin(engine, frozen.merchant_id) as session:
        freezes.freeze(session, Switch.PAYOUTS, reason="papers", actor=ADA, now=clock.now())
    use(engine, refused, 2, 1)

    in_ice = operator.text("/admin/risk?state=frozen&q=Ltd")
    hit = operator.text("/admin/risk?state=hit&q=Ltd")

    assert ("Iceberg" in in_ice, "Overdone" in in_ice) == (True, False)
    assert ("Iceberg" in hit, "Overdone" in hit) == (False, True)


def test_the_list_is_a_file_too(operator: Browser, browser: Browser, engine: Engine) -> None:
    call(engine, browser, "=HYPERLINK(1)")
    use(engine, browser, 30, 100)
    merchant = show_merchant(browser.merchant_id)

    lines = operator.text(f"/admin/risk?q={merchant}&format=csv").splitlines()

    assert lines[1:] == [f"{merchant},'=HYPERLINK(1),sandbox,30,100,,0"]


def test_a_search_that_finds_nobody_says_so(operator: Browser) -> None:
    assert "No merchant matches" in operator.text("/admin/risk?q=nobody-of-this-name")
    assert operator.get("/admin/risk?state=odd").status_code == 422


def test_freezing_needs_a_reason_and_release_ends_it(operator: Browser, browser: Browser) -> None:
    refused = operator.post(f"{home(browser)}/checkout/freeze", {"reason": " "}).status_code
    bare = operator.text(home(browser))
    form = {"reason": "<b>stolen</b>"}
    frozen = operator.post(f"{home(browser)}/checkout/freeze", form, follow_redirects=True).text
    released = operator.post(f"{home(browser)}/checkout/unfreeze", {}, follow_redirects=True).text

    assert refused == 303
    assert 'data-open="freeze-checkout"' in bare
    assert "&lt;b&gt;stolen&lt;/b&gt;" in frozen
    assert 'data-open="freeze-checkout"' not in frozen
    assert 'data-open="freeze-checkout"' in released
    assert "Frozen by the platform" in browser.text("/merchant/settings/audit")


def test_an_unknown_switch_and_an_unknown_merchant_are_not_there(
    operator: Browser, browser: Browser
) -> None:
    assert operator.post(f"{home(browser)}/everything/freeze", {"reason": "x"}).status_code == 404
    assert operator.get("/admin/risk/merchants/nobody").status_code == 404


def test_limits_are_typed_in_yuan_and_taken_back_by_nothing(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    typed = {"daily_amount": "1,234.50", "payments_per_minute": "7"}
    shown = operator.post(home(browser), typed, follow_redirects=True).text

    with begin(engine, browser.merchant_id) as session:
        assert limits.were_set(session) == {
            Rule.DAILY_AMOUNT: 123_450,
            Rule.PAYMENTS_PER_MINUTE: 7,
        }
    assert 'value="1234.5"' in shown or 'value="1234.50"' in shown
    operator.post(home(browser), {"daily_amount": "", "payments_per_minute": ""})
    with begin(engine, browser.merchant_id) as session:
        assert limits.were_set(session) == {}


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("daily_amount", "-1"),
        ("daily_amount", "a lot"),
        ("daily_amount", "0.001"),
        ("payments_per_hour", "1.5"),
        ("payments_per_hour", "٣"),
        ("payments_per_hour", "9" * 16),
    ],
)
def test_what_is_no_limit_is_refused_at_its_field(
    operator: Browser, browser: Browser, field: str, typed: str
) -> None:
    answer = operator.post(home(browser), {field: typed})

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text


def test_channel_limits_hold_for_all(operator: Browser, browser: Browser, engine: Engine) -> None:
    try:
        operator.post("/admin/risk/channels", {"wechat_payment": "0.05"})
        shown = operator.text("/admin/risk/channels")
        with begin(engine, browser.merchant_id) as session:
            attempt = Attempt(cny(6), 101, "wechat")
            refusal = reserving.why_not(session, attempt, now=clock.now())
    finally:
        with begin(engine, PLATFORM) as session:
            session.execute(delete(RiskLimit).where(RiskLimit.for_merchant_id == PLATFORM))

    assert refusal is not None
    assert (refusal.code, refusal.hit.maximum) == ("channel_limit", 5)
    assert "One payment by WeChat Pay: as for everybody → 0.05 CNY" in shown


def test_what_was_refused_is_listed_and_filtered(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    use(engine, browser, 250, 200)
    merchant = show_merchant(browser.merchant_id)

    found = operator.text(f"/admin/risk/hits?merchant={merchant}&rule=daily_amount")
    other = operator.text(f"/admin/risk/hits?merchant={merchant}&rule=frozen")
    lines = operator.text(f"/admin/risk/hits?merchant={merchant}&format=csv").splitlines()

    assert "at most 2.00 CNY" in found
    assert "Nothing matches" in other
    assert len(lines) == 2
    assert lines[1].endswith(f"{merchant},Lumen AI,daily_amount,,250,200")


@pytest.mark.parametrize("bad", ["merchant=nobody", "rule=odd", "from=yesterday", "cursor=zz"])
def test_a_filter_that_makes_no_sense_is_said_in_the_list(operator: Browser, bad: str) -> None:
    answer = operator.get(f"/admin/risk/hits?{bad}")

    assert answer.status_code == 422
    assert "<table" not in answer.text


def test_hits_are_paged(operator: Browser, browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        for minor in range(1, 52):
            hits.record(session, Hit(Rule.FROZEN, "checkout", minor, None, clock.now()))
    merchant = show_merchant(browser.merchant_id)

    first = operator.text(f"/admin/risk/hits?merchant={merchant}", headers=PARTIAL)

    assert first.count("<tr>") == 51  # the head and fifty rows
    assert "cursor=" in first


def test_a_refund_that_waits_is_approved(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    refund = waiting(engine, browser, HOSTILE)
    listed = operator.text("/admin/refunds")
    url = f"/admin/refunds/{show_merchant(browser.merchant_id)}/{refund}/approve"

    answers = [operator.post(url, {}).status_code for _ in range(2)]

    assert refund in listed
    assert HOSTILE not in listed
    assert answers == [303, 303]
    assert refund_of(engine, browser).status is RefundStatus.SUBMITTED
    assert refund not in operator.text("/admin/refunds")
    with begin(engine, browser.merchant_id) as session:
        owed = select(OutboxJob).where(OutboxJob.task == "jobs.refunds.settle")
        assert len(session.scalars(owed).all()) == 1


def test_a_refund_that_waits_is_rejected_with_a_reason(
    operator: Browser, browser: Browser, engine: Engine
) -> None:
    refund = waiting(engine, browser)
    url = f"/admin/refunds/{show_merchant(browser.merchant_id)}/{refund}/reject"

    operator.post(url, {"reason": " "})
    still = refund_of(engine, browser).status
    operator.post(url, {"reason": "Ask the payer first"})

    assert still is RefundStatus.REQUESTED
    rejected = refund_of(engine, browser)
    assert (rejected.status, rejected.trouble) == (RefundStatus.REJECTED, "Ask the payer first")
    assert "Ask the payer first" in browser.text(f"/merchant/refunds/{refund}")


def test_a_merchant_does_not_approve_his_own_refund(browser: Browser, engine: Engine) -> None:
    refund = waiting(engine, browser)
    url = f"/admin/refunds/{show_merchant(browser.merchant_id)}/{refund}/approve"

    assert browser.post(url, {}).status_code == 404
    assert refund_of(engine, browser).status is RefundStatus.REQUESTED


def test_what_was_refused_can_not_be_unwritten(browser: Browser, engine: Engine) -> None:
    use(engine, browser, 2, 1)

    with begin(engine, browser.merchant_id) as session:
        assert session.scalars(select(RiskHit.amount_minor)).all() == [2]
