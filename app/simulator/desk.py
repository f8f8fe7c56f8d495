"""The operator's pages: switches, the book of orders, and what merchants were told and answered."""

import sqlite3
from datetime import datetime, timedelta

import msgspec
from flask import Blueprint, Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as Redirect

from app.simulator import book_view, clock, faults, notices, orders, paying, refunds, signers
from app.simulator.clock import CHINA
from app.simulator.faults import Fault, Kind, Operation, Stage
from app.simulator.orders import Channel, Order
from app.simulator.pages import page
from app.simulator.parts import parts
from app.simulator.same_origin import require_same_origin
from app.simulator.signers import SignsWith

blueprint = Blueprint("desk", __name__, url_prefix="/sim")

SHOWN = 50
JUMPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


def china(moment: datetime | None) -> str:
    return f"{moment.astimezone(CHINA):%m-%d %H:%M:%S}" if moment else "–"


@blueprint.before_request
def guard() -> None:
    if request.method == "POST":
        require_same_origin()


@blueprint.get("/")
def switches() -> Response:
    now = clock.now()
    with parts().book.reading() as db:
        book, found = clock.read(db), faults.switched_on(db)
        signs_with, certificates = signers.signs_with(db), signers.in_force(db)
    return page(
        "switches.html",
        nav="switches",
        faults=found,
        stages={stage: faults.of_stage(stage) for stage in Stage},
        operations=list(Operation),
        channels=list(Channel),
        is_wrong=request.args.get("wrong") == "1",
        book_now=book.at(now),
        is_moved=book.at(now) != now,
        pace=book.pace,
        jumps=list(JUMPS),
        signs_with=signs_with,
        ways=list(SignsWith),
        certificates=certificates,
    )


@blueprint.post("/faults")
def switch_on() -> Redirect:
    said = {name: value.strip() for name, value in request.form.items() if value.strip()}
    try:
        # Everything in a form is text; what is to be a number is read as one.
        fault = msgspec.convert(said, type=Fault, strict=False)
    except msgspec.ValidationError:
        return _to_switches(wrong=1)
    with parts().book.transaction() as db:
        faults.switch_on(db, fault)
    return _to_switches()


@blueprint.post("/faults/off")
def switch_off() -> Redirect:
    fault_id = request.form.get("id", type=int)
    with parts().book.transaction() as db:
        faults.switch_off(db, fault_id)
    return _to_switches()


@blueprint.post("/clock")
def move_clock() -> Redirect:
    jump = JUMPS.get(request.form.get("jump", ""))
    with parts().book.transaction() as db:
        if jump is None:
            clock.reset(db)
        else:
            clock.move(db, advance=jump, pace=None, now=clock.now())
    parts().due.set()
    return _to_switches()


@blueprint.post("/keys")
def change_keys() -> Redirect:
    wanted, now = request.form.get("signsWith", ""), clock.now()
    with parts().book.transaction() as db:
        if wanted in set(SignsWith):
            signers.sign_with(db, SignsWith(wanted), now=now)
        else:
            signers.rotate(db, now=now)
    return _to_switches()


@blueprint.get("/orders")
def list_orders() -> Response:
    containing, now = request.args.get("q", "").strip(), parts().now()
    with parts().book.reading() as db:
        found = orders.recent(db, containing=containing, limit=SHOWN)
    return page("orders.html", nav="orders", orders=found, now=now, q=containing, most=SHOWN)


@blueprint.get("/orders/<channel>/<out_trade_no>")
def show_order(channel: str, out_trade_no: str) -> Response:
    now = parts().now()
    with parts().book.reading() as db:
        order = _known(db, channel, out_trade_no)
        made, told = refunds.of_order(db, order), notices.of_order(db, order)
    return page(
        "order.html",
        nav="orders",
        order=order,
        now=now,
        refunds=made,
        notices=[(notice, book_view.kind_of(notice)) for notice in told],
        twists=[kind for kind in faults.of_stage(Stage.NOTICE) if kind in SENT_AS],
    )


@blueprint.post("/orders/<channel>/<out_trade_no>/<button>")
def press(channel: str, out_trade_no: str, button: str) -> Redirect:
    """Pay the order at once, or send its notices again."""
    now = parts().now()
    if button == "pay":
        try:
            with parts().book.transaction() as db:
                order = _known(db, channel, out_trade_no)
                paying.pay(db, order, parts().identity, plan=orders.armed(order), now=now)
        except orders.NotPayable:
            pass  # paid, closed or expired meanwhile: the page we go to says which
    elif button == "resend":
        twist = request.form.get("twist", "")
        twist = twist if twist in SENT_AS else ""
        with parts().book.transaction() as db:
            order = _known(db, channel, out_trade_no)
            notices.resend(db, order, times=1, twist=twist, now=clock.now())
    else:
        abort(404)
    parts().due.set()
    return redirect(url_for(".show_order", channel=channel, out_trade_no=out_trade_no), code=303)


# What a notice can be sent again as: whatever is wrong with the sending alone.
SENT_AS = {
    *(Kind.BAD_SIGNATURE, Kind.SIGN_TEST, Kind.UNKNOWN_SERIAL, Kind.STALE, Kind.TAMPERED),
    *(Kind.NOTICE_AMOUNT, Kind.NOTICE_APP, Kind.NOTICE_ACCOUNT, Kind.NOTICE_CURRENCY),
}


def _known(db: sqlite3.Connection, channel: str, out_trade_no: str) -> Order:
    found = orders.find(db, Channel(channel), out_trade_no) if channel in set(Channel) else None
    return found or abort(404)


def _to_switches(wrong: int | None = None) -> Redirect:
    return redirect(url_for(".switches", wrong=wrong), code=303)
