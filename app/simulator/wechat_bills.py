"""WeChat Pay v3: the statement of a day, from our own book, and where to fetch it."""

import gzip
import hashlib
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

from flask import Response, request

from app.simulator import clock, files, statements
from app.simulator.clock import CHINA
from app.simulator.faults import Kind
from app.simulator.files import File
from app.simulator.orders import Channel
from app.simulator.parts import parts
from app.simulator.refunds import Outcome, Refund
from app.simulator.statements import Day, Line
from app.simulator.wechat_door import Refused, door, json
from app.simulator.wechat_wire import PAYER, TRADE_TYPE

blueprint = door("wechat_bills")

LIFETIME = timedelta(minutes=5)
OLDEST = timedelta(days=92)
HEAD = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,"
    "货币种类,应结订单金额,代金券金额"
)
REFUND_TIMES = "退款申请时间,退款成功时间"
REFUND_COLUMNS = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
TAIL = "商品名称,商户数据包,手续费,费率,订单金额"
TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
COLUMNS = {
    "ALL": f"{HEAD},{REFUND_COLUMNS},{TAIL},申请退款金额,费率备注",
    "SUCCESS": f"{HEAD},{TAIL},费率备注",
    "REFUND": f"{HEAD},{REFUND_TIMES},{REFUND_COLUMNS},{TAIL},申请退款金额,费率备注",
}
FLOW_COLUMNS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
FLOW_TOTALS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
REFUND_STATE = {
    None: "PROCESSING",
    Outcome.SUCCESS: "SUCCESS",
    Outcome.CLOSED: "FAIL",
    Outcome.ABNORMAL: "CHANGE",
}


@blueprint.get("/bill/tradebill")
def trade_bill() -> Response:
    kind = request.args.get("bill_type", "ALL")
    if kind not in COLUMNS:
        raise Refused(400, "PARAM_ERROR", "bill_type 无效")
    return _hand_out(lambda day: trade_text(day, kind))


@blueprint.get("/bill/fundflowbill")
def fund_flow_bill() -> Response:
    if request.args.get("account_type", "BASIC") != "BASIC":
        raise Refused(400, "NO_STATEMENT_EXIST", "账单文件不存在")
    return _hand_out(flow_text)


@blueprint.get("/billdownload/file")
def download() -> Response:
    with parts().book.reading() as db:
        file = files.find(db, request.args.get("token", ""), now=clock.now())
    if file is None:
        raise Refused(400, "INVALID_REQUEST", "下载地址已失效, 请重新申请账单")
    kind = "application/gzip" if file.name.endswith(".gz") else "text/plain"
    return Response(file.content, mimetype=kind)


def trade_text(day: Day, kind: str = "ALL") -> str:
    """Write the statement of orders; its totals are those of the lines that stand in it."""
    wanted = {"ALL": (True, False), "SUCCESS": (False,), "REFUND": (True,)}[kind]
    lines = [line for line in day.lines if (line.refund is not None) in wanted]
    columns = COLUMNS[kind].split(",")
    rows = [_row([_cells(line, day)[column] for column in columns]) for line in lines]
    paid = sum(line.amount_minor for line in lines if line.refund is None)
    back = sum(line.amount_minor for line in lines if line.refund is not None)
    off = 1 if Kind.WRONG_TOTALS in day.wrong else 0
    fees = f"{sum((line.fee for line in lines), Decimal(0)):.5f}"
    totals = [
        str(len(rows)),
        _yuan(paid + off),
        _yuan(back),
        "0.00",
        fees,
        _yuan(paid),
        _yuan(back),
    ]
    head = COLUMNS[kind]
    if Kind.UNKNOWN_COLUMNS in day.wrong:
        head = head.replace(",订单金额,", ",订单金额二,")
    return "".join(f"{line}\r\n" for line in (head, *rows, TOTALS, _row(totals)))


def flow_text(day: Day) -> str:
    """Write the statement of the account: what came in, what was kept of it, what went out."""
    rows: list[str] = []
    came: list[Decimal] = []
    went: list[Decimal] = []
    balance = Decimal(0)
    for line in day.lines:
        amount = Decimal(line.amount_minor).scaleb(-2)
        number = line.order.transaction_id or ""
        voucher = line.refund.out_refund_no if line.refund else line.order.out_trade_no
        moves = (
            [("退款", "退款", "支出", amount + line.fee)]
            if line.refund
            else [("交易", "交易", "收入", amount), ("交易", "扣除交易手续费", "支出", line.fee)]
        )
        for name, kind, way, moved in moves:
            balance += moved if way == "收入" else -moved
            (came if way == "收入" else went).append(moved)
            flow = f"{number}{len(rows):02d}"
            cells = [_moment(line.at), number, flow, name, kind, way, f"{moved:.2f}"]
            rows.append(_row([*cells, f"{balance:.2f}", "system", "", voucher]))
    sums = [f"{sum(moved, Decimal(0)):.2f}" for moved in (came, went)]
    totals = [str(len(rows)), str(len(came)), sums[0], str(len(went)), sums[1]]
    return "".join(f"{line}\r\n" for line in (FLOW_COLUMNS, *rows, FLOW_TOTALS, _row(totals)))


def _hand_out(write: Callable[[Day], str]) -> Response:
    zipped = request.args.get("tar_type") == "GZIP"
    wanted, shared = _day(), parts()
    now = shared.now()
    with shared.book.transaction() as db:
        day = statements.draw_up(db, Channel.WECHAT, wanted, now=now)
    if Kind.NOT_READY in day.wrong:
        raise Refused(400, "STATEMENT_CREATING", "账单生成中")
    if not day.lines:
        raise Refused(400, "NO_STATEMENT_EXIST", "账单文件不存在")
    content = write(day).encode()
    if Kind.TRUNCATED in day.wrong:
        content = content[: len(content) * 2 // 3]
    told = content + b" " if Kind.WRONG_HASH in day.wrong else content
    file = File("bill.csv.gz", gzip.compress(content)) if zipped else File("bill.csv", content)
    with shared.book.transaction() as db:
        token = files.keep(db, file, lifetime=LIFETIME, now=clock.now())
    return json(
        {
            "hash_type": "SHA1",
            "hash_value": hashlib.sha1(told, usedforsecurity=False).hexdigest(),
            "download_url": f"{shared.settings.base_url}/v3/billdownload/file?token={token}",
        }
    )


def _day() -> date:
    try:
        day = date.fromisoformat(request.args.get("bill_date", ""))
    except ValueError:
        raise Refused(400, "PARAM_ERROR", "bill_date 无效") from None
    now = parts().now()
    today = now.astimezone(CHINA).date()
    if not today - OLDEST <= day < today:
        raise Refused(400, "INVALID_REQUEST", "只能查询三个月内、今天以前的账单")
    if not statements.is_ready(day, now=now):
        raise Refused(400, "STATEMENT_CREATING", "账单生成中")
    return day


def _cells(line: Line, day: Day) -> dict[str, str]:
    """Return every column of a line, by its name."""
    identity, order = parts().identity.wechat, line.order
    at = line.at - timedelta(days=1) if Kind.WRONG_DAY in day.wrong else line.at
    return {
        "交易时间": _moment(at),
        "公众账号ID": identity.appid,
        "商户号": identity.mchid,
        "特约商户号": "0",
        "设备号": "",
        "微信订单号": order.transaction_id or "",
        "商户订单号": order.out_trade_no,
        "用户标识": order.openid or PAYER,
        "交易类型": TRADE_TYPE[order.product],
        "付款银行": "OTHERS",
        "货币种类": "CNY",
        "代金券金额": "0.00",
        "充值券退款金额": "0.00",
        "商品名称": order.description,
        "商户数据包": order.attach,
        "手续费": f"{line.fee:.5f}",
        "费率": "0.60%",
        "费率备注": "",
        **(_payment_cells(line) if line.refund is None else _refund_cells(line.refund, line, day)),
    }


def _payment_cells(line: Line) -> dict[str, str]:
    amount = _yuan(line.amount_minor)
    return {
        "交易状态": "SUCCESS",
        "应结订单金额": amount,
        "订单金额": amount,
        "微信退款单号": "0",
        "商户退款单号": "0",
        "退款金额": "0.00",
        "申请退款金额": "0.00",
        "退款类型": "",
        "退款状态": "",
    }


def _refund_cells(refund: Refund, line: Line, day: Day) -> dict[str, str]:
    """Describe a refund as it stood at the end of the day; no later file says what came of it."""
    outcome, amount = refund.outcome_at(day.end), _yuan(line.amount_minor)
    return {
        "交易状态": "REFUND",
        "应结订单金额": "0.00",
        "订单金额": "0.00",
        "微信退款单号": refund.refund_id,
        "商户退款单号": refund.out_refund_no,
        "退款金额": amount,
        "申请退款金额": amount,
        "退款类型": "ORIGINAL",
        "退款状态": REFUND_STATE[outcome],
        "退款申请时间": _moment(refund.created_at),
        "退款成功时间": _moment(refund.ends_at) if outcome is Outcome.SUCCESS else "",
    }


def _row(cells: list[str]) -> str:
    safe = (cell.replace(",", r"\ ").replace("\r", "").replace("\n", r"\n") for cell in cells)
    return ",".join(f"`{cell}" for cell in safe)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"


def _yuan(minor: int) -> str:
    return f"{Decimal(minor).scaleb(-2):.2f}"
