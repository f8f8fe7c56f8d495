"""The demo holds every state there is, made once, and its sign-ins stay the same."""

import json
import signal
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.demo.cast import COMPANIES
from app.demo.roles import Deed
from app.demo.seeding import STOP_DAYS
from bench.product import Product

pytestmark = [
    pytest.mark.xdist_group("supervised"),
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest.fixture(scope="module")
def demo() -> Iterator[Product]:
    product = Product("demo")
    try:
        start(product)
        yield product
    finally:
        product.end()


def start(product: Product) -> None:
    product.start()
    product.wait_until(lambda: "is up:" in product.log and "nimbus" in product.log, 240)


def ask(product: Product, question: str) -> list[tuple[Any, ...]]:
    record = json.loads((product.folder / "services.json").read_text())
    url = record["environment"]["READER_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        return connection.execute(question).fetchall()


def wait_for_channels(demo: Product) -> None:
    """Wait until the channels have said what becomes of the refunds they were told of."""
    under_way = "SELECT count(*) FROM refunds WHERE status = 'submitted'"
    demo.wait_until(lambda: ask(demo, under_way) == [(0,)], 90)


def test_it_holds_every_state_of_an_invoice(demo: Product) -> None:
    invoices = "SELECT DISTINCT status FROM invoices ORDER BY 1"
    assert [status for (status,) in ask(demo, invoices)] == [
        "draft",
        "open",
        "paid",
        "partially_refunded",
        "refunded",
        "uncollectible",
        "void",
    ]
    assert ask(demo, "SELECT DISTINCT channel FROM payment_orders ORDER BY 1") == [
        ("alipay",),
        ("wechat",),
    ]
    assert ask(demo, "SELECT sum(failed) FROM invoice_runs") == [(0,)]


def test_coupons_and_tax_are_on_invoices(demo: Product) -> None:
    redeemed = (
        "SELECT DISTINCT code FROM coupon_redemptions AS redemption JOIN coupons AS coupon"
        " ON coupon.id = redemption.coupon_id WHERE redemption.status = 'counted' ORDER BY 1"
    )
    assert ask(demo, redeemed) == [("PARTNER5",), ("SUMMIT50",), ("WELCOME20",)]
    taxed = (
        "SELECT DISTINCT tax_percent::text, tax_is_inclusive FROM invoice_lines"
        " WHERE tax_minor > 0 ORDER BY 2"
    )
    assert ask(demo, taxed) == [("6.0000", False), ("6.0000", True)]


def test_what_was_wrong_was_credited_or_issued_anew(demo: Product) -> None:
    credited = "SELECT disposition, count(*) FROM credit_notes GROUP BY 1 ORDER BY 1"
    assert ask(demo, credited) == [("balance", 2), ("invoice", 1)]
    lowered = (
        "SELECT status FROM invoices WHERE credited_minor > 0 AND due_minor < collection_minor"
    )
    assert ask(demo, lowered) == [("paid",)]
    assert ask(demo, "SELECT count(*) FROM invoices WHERE balance_minor > 0") == [(2,)]
    anew = "SELECT issue, status FROM invoices WHERE reissue_of_id IS NOT NULL"
    assert ask(demo, anew) == [(2, "paid")]
    by_hand = "SELECT status, count(*) FROM invoices WHERE kind = 'one_off' GROUP BY 1 ORDER BY 1"
    assert ask(demo, by_hand) == [("draft", 1), ("open", 2), ("paid", 2)]


def test_fapiao_stand_everywhere_they_can(demo: Product) -> None:
    requests = "SELECT status, count(*) FROM fapiao_requests GROUP BY 1 ORDER BY 1"
    assert ask(demo, requests) == [
        ("issued", 2),
        ("red_letter_requested", 1),
        ("red_lettered", 1),
        ("rejected", 1),
        ("requested", 3),
    ]
    assert ask(demo, "SELECT count(*) FROM fapiao_files") == [(5,)]


def test_money_went_back_goes_back_and_waits_to(demo: Product) -> None:
    wait_for_channels(demo)
    refunds = "SELECT purpose, status, count(*) FROM refunds GROUP BY 1, 2 ORDER BY 1, 2"
    assert ask(demo, refunds) == [
        ("invoice", "abnormal", 1),
        ("invoice", "requested", 1),
        ("invoice", "succeeded", 4),
        ("send_back", "succeeded", 1),
    ]
    cases = "SELECT reason, status FROM unallocated_payments ORDER BY 1"
    assert ask(demo, cases) == [("amount_mismatch", "open"), ("invoice_not_payable", "returned")]
    disputes = "SELECT status, count(*) FROM disputes GROUP BY 1 ORDER BY 1"
    assert ask(demo, disputes) == [("lost", 1), ("open", 1), ("won", 2)]


def test_the_risk_desk_has_something_to_look_at(demo: Product) -> None:
    hits = "SELECT rule, count(*) FROM risk_hits GROUP BY 1 ORDER BY 1"
    assert ask(demo, hits) == [("daily_amount", 2), ("refund_amount", 1)]
    share = (
        "SELECT max(used * 100 / maximum) BETWEEN 80 AND 100 FROM risk_counters AS counter"
        " JOIN risk_limits AS lim ON for_merchant_id = merchant_id AND lim.rule = counter.rule"
    )
    assert ask(demo, share) == [(True,)]
    paused = "SELECT switch, frozen_by FROM risk_freezes WHERE frozen_at IS NOT NULL"
    assert ask(demo, paused) == [("payouts", "ada@buffmoney.example")]


def test_one_webhook_endpoint_fails_and_another_one_now_and_then(demo: Product) -> None:
    ends = (
        "SELECT endpoint.description, count(DISTINCT http_status) FROM webhook_attempts AS attempt"
        " JOIN webhook_endpoints AS endpoint ON endpoint.id = attempt.endpoint_id"
        " WHERE attempt.merchant_id = (SELECT merchant_id FROM merchants WHERE name = 'Lumen AI')"
        " GROUP BY 1 ORDER BY 1"
    )
    assert ask(demo, ends) == [("Accounting", 2), ("Billing service", 1), ("Old CRM", 1)]


def test_its_books_balance(demo: Product) -> None:
    sums = (
        "SELECT book, currency FROM ledger_entries GROUP BY merchant_id, transaction_id, 1, 2"
        " HAVING sum(amount_minor) <> 0"
    )
    assert ask(demo, sums) == []


def test_a_turn_comes_when_its_invoice_is_out_and_paid_whatever_the_day() -> None:
    """An invoice is made on the 2nd of the next month; a buyer may take three days longer."""
    needs_money = {Deed.REFUND, Deed.DISPUTE, Deed.ISSUE_FAPIAO}
    buyers = [buyer for company in COMPANIES for buyer in company.buyers]
    turns = [(buyer, turn) for buyer in buyers for turn in buyer.turns]
    for buyer, turn in turns:
        is_paid_by = 2 + buyer.pays_after + 3 if turn.deed in needs_money else 2
        assert turn.day in STOP_DAYS, turn
        assert 1 <= turn.month < turn.period <= buyer.months, turn
        assert turn.month < turn.period - 1 or is_paid_by < turn.day, turn
        assert buyer.ended is None or turn.period > buyer.ended, turn


def test_its_usage_came_over_http_and_says_where_and_how(demo: Product) -> None:
    usage = "SELECT count(*) > 10000, count(*) FILTER (WHERE dimensions = '{}') FROM usage_events"
    assert ask(demo, usage) == [(True, 0)]
    keys = "SELECT DISTINCT name FROM api_keys WHERE last_used_at IS NOT NULL"
    assert ask(demo, keys) == [("Production server",)]


def test_every_way_to_charge_and_every_part_of_a_price_was_billed(demo: Product) -> None:
    kinds = "SELECT DISTINCT kind FROM invoice_lines ORDER BY 1"
    assert ask(demo, kinds) == [("commitment",), ("item",), ("late",), ("usage",)]
    parts = "SELECT DISTINCT jsonb_object_keys(part) FROM invoice_lines ORDER BY 1"
    assert ask(demo, parts) == [("filter",), ("group",)]
    models = (
        "SELECT DISTINCT price ->> 'model' FROM rate_card_versions,"
        " jsonb_path_query(content, '$.currencies.*[*]') AS price ORDER BY 1"
    )
    assert [model for (model,) in ask(demo, models)] == [
        "graduated",
        "graduated_percentage",
        "package",
        "percentage",
        "standard",
        "volume",
    ]
    billed = "SELECT DISTINCT currency FROM invoices ORDER BY 1"
    assert ask(demo, billed) == [("CNY",), ("EUR",), ("JPY",), ("USD",)]


def test_late_usage_is_on_the_next_invoice(demo: Product) -> None:
    late = (
        "SELECT line.period_from - invoice.period_from < 0, invoice.status FROM invoice_lines"
        " AS line JOIN invoices AS invoice ON invoice.id = line.invoice_id WHERE line.kind = 'late'"
    )
    assert ask(demo, late) == [(True, "paid")]
    assert ask(demo, "SELECT count(*) FROM usage_events WHERE is_late") == [(3,)]


def test_what_found_no_place_waits_was_replayed_or_was_discarded(demo: Product) -> None:
    dead = "SELECT reason, status, count(*) FROM dead_events GROUP BY 1, 2 ORDER BY 1, 2"
    assert ask(demo, dead) == [
        ("no_contract", "waiting", 2),
        ("unknown_customer", "discarded", 1),
        ("unknown_customer", "replayed", 4),
        ("unknown_customer", "waiting", 3),
        ("unknown_metric", "waiting", 2),
    ]


def test_every_answer_was_given_and_what_was_wrong_was_put_right(demo: Product) -> None:
    tallies = (
        "SELECT sum(duplicates), sum(conflicts), sum(late), sum(unmatched), sum(invalid)"
        " FROM ingest_tallies"
    )
    assert ask(demo, tallies) == [(1, 1, 3, 12, 2)]
    corrections = "SELECT corrects, quantity FROM usage_events WHERE corrects IS NOT NULL"
    assert ask(demo, corrections) == [("busy-batch", -4_500_000)]
    voids = "SELECT idempotency_key, actor FROM usage_voids"
    assert ask(demo, voids) == [("busy-load-test", "Production server")]


def test_a_price_change_is_on_its_way(demo: Product) -> None:
    drafts = "SELECT based_on, updated_by FROM rate_card_drafts"
    assert ask(demo, drafts) == [(2, "owner@lumen.example")]
    demo.wait_until(lambda: ask(demo, "SELECT status FROM price_replays") == [("done",)], 60)
    assert ask(demo, "SELECT total, done FROM price_replays") == [(4, 4)]
    crossing = "SELECT count(*) > 0 FROM price_replay_rows WHERE crossings <> '[]'"
    assert ask(demo, crossing) == [(True,)]
    scheduled = "SELECT count(*) FROM contracts WHERE next_version_id IS NOT NULL"
    assert ask(demo, scheduled) == [(1,)]
    ended = "SELECT status, count(*) FROM contracts GROUP BY 1 ORDER BY 1"
    assert ask(demo, ended) == [("active", 10), ("ended", 1)]


def test_three_merchants_settle_in_three_currencies_and_live_now(demo: Product) -> None:
    settled = "SELECT settlement_currency, clock_offset::text FROM merchants ORDER BY 1"
    assert ask(demo, settled) == [("HKD", "00:00:00"), ("JPY", "00:00:00"), ("USD", "00:00:00")]


def test_a_second_start_makes_nothing_new_and_prints_the_same_sign_ins(demo: Product) -> None:
    counted = (
        "SELECT (SELECT count(*) FROM invoices), (SELECT count(*) FROM usage_events),"
        " (SELECT count(*) FROM payment_orders), (SELECT count(*) FROM users),"
        " (SELECT count(*) FROM webhook_events"
        # These come when it is their time, whoever starts.
        " WHERE event_type NOT IN"
        " ('invoice.will_be_due', 'invoice.overdue', 'invoice.marked_uncollectible'))"
    )
    wait_for_channels(demo)
    before = ask(demo, counted)
    demo.signal(signal.SIGINT)
    demo.exit_status(30)
    shown = [line for line in demo.log.splitlines() if ".example   " in line]
    (demo.folder / "supervisor.log").write_text("")
    start(demo)

    assert ask(demo, counted) == before
    assert [line for line in demo.log.splitlines() if ".example   " in line] == shown
    assert len(shown) == 5
    assert (demo.folder / "sign-ins.txt").stat().st_mode & 0o777 == 0o600
