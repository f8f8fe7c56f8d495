"""The judge of the chaos run sees whatever is lost and whatever happened twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from bench.buyers import Acknowledged
from bench.three_books import (
    ChannelsBook,
    Cleared,
    Document,
    Invoice,
    Mail,
    Order,
    OurBooks,
    Payment,
    Refund,
    Return,
    Verdict,
    compare,
)

INVOICE, ORDER, REFUND = "inv_0000000000001", "po_0000000000002", "rf_0000000000003"
PDF, RECEIPT = "1/2026/invoice.pdf", "1/2026/receipt.pdf"
MAILS = ("mail_0000000000005", "mail_0000000000006", "mail_0000000000007")


class World(NamedTuple):
    """One invoice of ¥100 that was paid by WeChat Pay, and of which ¥30 went back."""

    told: Acknowledged
    channels: ChannelsBook
    ours: OurBooks
    messages: dict[str, dict[str, Any]]

    def verdict(self) -> Verdict:
        return compare(self.told, self.channels, self.ours, messages=self.messages)


def world() -> World:
    told = Acknowledged(customers=["c"], invoices=["n"], orders=[ORDER], refunds=["r"])
    events = {
        "invoice.created": INVOICE,
        "invoice.paid": INVOICE,
        "payment.succeeded": ORDER,
        "refund.created": REFUND,
        "refund.succeeded": REFUND,
    }
    ours = OurBooks(
        customers=["c"],
        invoices=[Invoice(1, "n", is_issued=True, is_paid=True)],
        orders=[Order(2, 1, "wechat", "t", 10_000)],
        cases=[],
        refunds=[Refund(3, 2, "invoice", "r", "b", 3_000, "succeeded")],
        cleared=[Cleared("wechat", 1, 10_000), Cleared("wechat", 1, -3_000)],
        unbalanced=[],
        events=[10, 11, 12, 13, 14],
        documents=[
            Document(kind, 1, language, key if language == "en" else f"zh/{key}")
            for kind, key in (("invoice_pdf", PDF), ("receipt_pdf", RECEIPT))
            for language in ("en", "zh_Hans_CN")
        ],
        mails=[
            Mail(5, "invoice_issued", PDF),
            Mail(6, "invoice_paid", RECEIPT),
            Mail(7, "invoice_refunded", REFUND),
        ],
        files=list(MAILS),
        jobs=[(1, "jobs.refunds.settle", True)],
    )
    channels = ChannelsBook([Payment("wechat", "t", 10_000)], [Return("wechat", "t", "b", 3_000)])
    messages = {
        f"msg_000000000000{digit}": {"type": event, "objectId": subject}
        for digit, (event, subject) in zip("abcde", events.items(), strict=True)
    }
    return World(told, channels, ours, messages)


def test_books_that_agree_have_nothing_lost_and_nothing_twice() -> None:
    assert world().verdict() == Verdict([], [])


@pytest.mark.parametrize(
    ("name", "lose"),
    [
        ("customer", lambda ours: replace(ours, customers=[])),
        ("refund", lambda ours: replace(ours, refunds=[])),
        ("money in the ledger", lambda ours: replace(ours, cleared=ours.cleared[1:])),
        ("money back in the ledger", lambda ours: replace(ours, cleared=ours.cleared[:1])),
        ("document", lambda ours: replace(ours, documents=ours.documents[1:])),
        ("mail", lambda ours: replace(ours, mails=ours.mails[1:])),
        ("mail that lies in the outbox", lambda ours: replace(ours, files=ours.files[1:])),
        ("job", lambda ours: replace(ours, jobs=[(1, "jobs.refunds.settle", False)])),
    ],
)
def test_what_our_books_lack_is_lost(name: str, lose: Callable[[OurBooks], OurBooks]) -> None:
    complete = world()

    lost = complete._replace(ours=lose(complete.ours)).verdict().lost

    assert name in {fault.partition(":")[0] for fault in lost}


@pytest.mark.parametrize(
    ("name", "double"),
    [
        ("invoice issued", lambda ours: replace(ours, invoices=ours.invoices * 2)),
        ("refund", lambda ours: replace(ours, refunds=ours.refunds * 2)),
        (
            "money in the ledger",
            lambda ours: replace(ours, cleared=ours.cleared + ours.cleared[:1]),
        ),
        ("money back in the ledger", lambda ours: replace(ours, cleared=ours.cleared * 2)),
        ("mail", lambda ours: replace(ours, mails=ours.mails * 2)),
    ],
)
def test_what_our_books_have_twice_is_doubled(
    name: str, double: Callable[[OurBooks], OurBooks]
) -> None:
    complete = world()

    doubled = complete._replace(ours=double(complete.ours)).verdict().doubled

    assert name in {fault.partition(":")[0] for fault in doubled}


def test_money_of_an_order_that_we_do_not_know_is_lost() -> None:
    complete = world()
    stranger = ChannelsBook([*complete.channels.payments, Payment("alipay", "u", 500)], [])

    lost = complete._replace(channels=stranger).verdict().lost

    assert {"captured: ('alipay', 'u', 500)", "money in the ledger: ('alipay', 0, 500)"} <= {*lost}


def test_money_that_paid_nothing_and_stays_is_lost() -> None:
    complete = world()
    stuck = replace(complete.ours, cases=[2])

    lost = complete._replace(ours=stuck).verdict().lost

    assert "money that paid nothing, sent back: (2, 10000)" in lost


def test_an_event_that_was_never_told_is_lost() -> None:
    complete = world()
    complete.messages.popitem()

    assert complete.verdict().lost == [
        f"event that arrived: ('refund.succeeded', '{REFUND}')",
        "message: ('msg_000000000000e',)",
    ]


def test_two_messages_of_one_event_are_one_too_many() -> None:
    complete = world()
    complete.ours.events.append(15)  # type: ignore[attr-defined]  # a list, here
    complete.messages["msg_000000000000f"] = {"type": "invoice.paid", "objectId": INVOICE}

    assert complete.verdict() == Verdict([], [f"event that arrived: ('invoice.paid', '{INVOICE}')"])


def test_books_that_do_not_balance_are_a_loss() -> None:
    complete = world()
    off = replace(complete.ours, unbalanced=["transaction 1: P CNY is off by 1"])

    assert complete._replace(ours=off).verdict().lost == ["transaction 1: P CNY is off by 1"]
