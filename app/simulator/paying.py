"""A payer pays: money in the book and a notice on its way, in one transaction."""

import sqlite3
from datetime import datetime

import msgspec

from app.simulator import alipay_wire, clock, faults, notices, orders, triggers, wechat_wire
from app.simulator.faults import Kind, Stage
from app.simulator.keys import Identity
from app.simulator.notices import Notice
from app.simulator.orders import Channel, Order, Plan


def pay(
    db: sqlite3.Connection, order: Order, identity: Identity, *, plan: Plan, now: datetime
) -> Order:
    """Take the money for `order` as `plan` and the faults say, and queue its notice.

    An order whose payment was to fail stays open. Raises NotPayable.
    """
    if not order.takes(plan, now):
        raise orders.NotPayable
    fault = triggers.bite(
        db,
        faults.of_stage(Stage.PAYMENT),
        order.channel,
        out_trade_no=order.out_trade_no,
        amount_minor=order.amount_minor,
        text=order.description,
    )
    if fault and fault.kind is Kind.PAYMENT_FAILS:
        return orders.fail(db, order, now=now)
    if fault and plan.amount_minor is None:
        wrong = fault.amount_instead_of(order.amount_minor)
        plan = msgspec.structs.replace(plan, amount_minor=wrong)
    paid = orders.pay(db, order, plan, now=now)
    if paid.notify_url:
        notice = _paid_notice(paid, identity, now)
        notices.queue(db, paid, notice, plan=plan, now=clock.now())
    return paid


def _paid_notice(order: Order, identity: Identity, now: datetime) -> Notice:
    if order.channel is Channel.WECHAT:
        return wechat_wire.paid_notice(order, identity.wechat, now=now)
    return alipay_wire.paid_notice(order, identity.alipay, now=now)
