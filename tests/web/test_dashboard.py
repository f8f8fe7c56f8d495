"""The overview ticks its steps from what is there, and adds up what was paid and is owed."""

from decimal import Decimal

from sqlalchemy import Engine, select

from app.billing.models import Invoice
from app.core import clock
from app.core.crypto import Keyring
from app.core.db import begin
from app.customers.models import Customer
from app.identity import keys
from app.identity.models import Scope
from app.metering.models import UsageDay, UsageRollup
from app.payments import refund_moves
from app.webhooks import endpoints
from app.webhooks.catalogue import EventType
from tests.make import NOON, Make, cny
from tests.payments.backing import answer, ask_back
from tests.web.books import issued, paid, used
from tests.web.conftest import Browser


def test_a_newcomer_is_told_seven_steps(browser: Browser) -> None:
    page = browser.text("/merchant")

    assert "0 of 7" in page
    assert "Create an API key" in page
    assert '<li data-state="now">' in page


def test_a_key_ticks_the_first_step(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        keys.create_key(session, "server", scopes=[Scope.USAGE_WRITE], pepper=b"p" * 32, now=NOON)

    assert "1 of 7" in browser.text("/merchant")


def test_usage_invoice_and_payment_tick_theirs(browser: Browser, engine: Engine) -> None:
    used(engine, browser)
    paid(engine, browser)

    # product and card, customer and contract, usage, invoice, payment: key and webhook are left
    assert "5 of 7" in browser.text("/merchant")


def test_an_invoice_that_came_to_nothing_is_no_payment(browser: Browser, engine: Engine) -> None:
    invoice = issued(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        row = session.scalars(select(Invoice)).one()
        row.status, row.paid_at = row.status.PAID, NOON
        row.collection_minor = row.due_minor = 0

    assert invoice
    assert '<li data-state="now">' in browser.text("/merchant")
    assert "3 of 7" in browser.text("/merchant")


def test_the_steps_are_gone_when_all_are_done(browser: Browser, engine: Engine) -> None:
    used(engine, browser)
    paid(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        keys.create_key(session, "server", scopes=[Scope.USAGE_WRITE], pepper=b"p" * 32, now=NOON)
        endpoints.register(
            session,
            "https://api.example.com/hooks",
            [EventType.INVOICE_PAID],
            keyring=Keyring({1: b"k" * 32}),
            allow_loopback=False,
            now=NOON,
        )

    assert "of 7" not in browser.text("/merchant")


def test_what_we_owe_comes_from_the_ledger(browser: Browser, engine: Engine) -> None:
    paid(engine, browser)

    assert "$122.62" in browser.text("/merchant")


def test_what_was_paid_this_month_is_added_up(browser: Browser, engine: Engine) -> None:
    paid(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        session.scalars(select(Invoice)).one().paid_at = clock.now()

    page = browser.text("/merchant")
    assert page.count("¥905.33") >= 3  # this month, the days shown, the invoice


def test_what_went_back_is_taken_off_on_the_day_it_left(browser: Browser, engine: Engine) -> None:
    paid(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        invoice.paid_at = clock.now()
        refund = ask_back(session, invoice, cny(30_000), now=clock.now())
        refund_moves.record(session, refund.id, answer(refund), now=clock.now())
        refund.succeeded_at = clock.now()

    page = browser.text("/merchant")

    assert "¥605.33" in page
    assert "less ¥300.00 that went back" in page
    assert "¥300.00 went back in these days; that leaves ¥605.33." in page
    assert "$81.99" in page  # the settlement of 905.33 less that of 300.00


def test_only_what_a_channel_collects_is_owed_or_collected(
    browser: Browser, engine: Engine
) -> None:
    issued(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        invoice.balance_minor, invoice.due_minor = 10_000, 80_533

    assert "¥805.33" in browser.text("/merchant")
    with begin(engine, browser.merchant_id) as session:
        invoice = session.scalars(select(Invoice)).one()
        invoice.status, invoice.paid_at = invoice.status.PAID, clock.now()
    assert browser.text("/merchant").count("¥805.33") >= 2  # this month, and the days shown


def test_a_failing_webhook_needs_attention(browser: Browser, engine: Engine) -> None:
    with begin(engine, browser.merchant_id) as session:
        endpoint, _secret = endpoints.register(
            session,
            "https://api.example.com/hooks",
            [EventType.INVOICE_PAID],
            keyring=Keyring({1: b"k" * 32}),
            allow_loopback=False,
            now=NOON,
        )
        endpoint.failing_since = NOON

    assert "A webhook is failing" in browser.text("/merchant/attention")


def test_a_range_we_do_not_draw_is_refused(browser: Browser) -> None:
    assert browser.get("/merchant?range=365000").status_code == 422


def test_the_command_holds_the_merchants_own_customer_and_metric(
    browser: Browser, engine: Engine
) -> None:
    issued(engine, browser)
    with begin(engine, browser.merchant_id) as session:
        customer = session.scalars(select(Customer)).one()
        customer.external_id = "it's <b>me</b>"

    page = browser.text("/merchant")
    assert "$BUFFMONEY_API_KEY" in page
    assert "&#34;it&#39;\\&#39;&#39;s &lt;b&gt;me&lt;/b&gt;&#34;" in page


def test_usage_without_a_price_wants_attention(browser: Browser, engine: Engine) -> None:
    today = clock.now()
    with begin(engine, browser.merchant_id) as session:
        make = Make(session)
        contract = make.contract(make.priced_at(make.metric(), "1"))
        stray = make.metric(name="Voice minutes")
        day = today.date()
        session.add(
            UsageRollup(
                merchant_id=browser.merchant_id,
                customer_id=contract.customer_id,
                metric_id=stray.id,
                day=day,
                quantity=Decimal(9),
                events=1,
                maximum=Decimal(9),
                last_at=today,
                last_id=1,
                last_quantity=Decimal(9),
            )
        )
        session.add(
            UsageDay(
                merchant_id=browser.merchant_id,
                metric_id=stray.id,
                day=day,
                series_id=0,
                quantity=Decimal(9),
                events=1,
                customers=1,
            )
        )

    page = browser.text("/merchant/attention")

    assert "Voice minutes is used and has no price" in page
    assert "In the last 30 days 1 customer on Standard v1 used it in a way" in page
