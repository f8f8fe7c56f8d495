"""The book as its readers see it, people and programs alike: an order and all that came of it."""

import sqlite3
from datetime import datetime

from app.simulator import notices, refunds
from app.simulator.notices import Told
from app.simulator.orders import Order
from app.simulator.refunds import Refund

View = dict[str, object]


def order(shown: Order, *, now: datetime) -> View:
    return {
        "channel": shown.channel,
        "product": shown.product,
        "outTradeNo": shown.out_trade_no,
        "description": shown.description,
        "amountMinor": shown.amount_minor,
        "state": shown.state_at(now),
        "createdAt": shown.created_at,
        "transactionId": shown.transaction_id,
        "paidMinor": shown.paid_minor,
        "paidAt": shown.paid_at,
    }


def whole_order(db: sqlite3.Connection, shown: Order, *, now: datetime) -> View:
    """Describe an order with its refunds and with all that its merchant was told, and answered."""
    return {
        **order(shown, now=now),
        "refunds": [refund(made, now=now) for made in refunds.of_order(db, shown)],
        "notices": [notice(told) for told in notices.of_order(db, shown)],
    }


def refund(shown: Refund, *, now: datetime) -> View:
    return {
        "outRefundNo": shown.out_refund_no,
        "amountMinor": shown.amount_minor,
        "reason": shown.reason,
        "state": shown.outcome_at(now) or "processing",
        "createdAt": shown.created_at,
        "endsAt": shown.ends_at,
    }


def notice(shown: Told) -> View:
    return {
        "id": shown.id,
        "url": shown.url,
        "kind": kind_of(shown),
        "acknowledgedAt": shown.acknowledged_at,
        "sendings": [
            {
                "step": attempt.step,
                "twist": attempt.twist,
                "dueAt": attempt.due_at,
                "doneAt": attempt.done_at,
                "answer": attempt.answer,
            }
            for attempt in shown.attempts
        ],
    }


def kind_of(shown: Told) -> str:
    """Return what the channel calls the event."""
    return str(shown.content.get("event_type") or shown.content.get("trade_status"))
