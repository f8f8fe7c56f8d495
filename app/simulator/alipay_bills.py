"""Alipay: the statement of a day, from our own book, in a zip that lives half a minute."""
# ruff: noqa: RUF001 — the punctuation of the real file

import io
import secrets
import zipfile
from datetime import date, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

import msgspec
from flask import Blueprint, Response, abort, request

from app.simulator import alipay_wire, clock, files, statements
from app.simulator.alipay_door import Answer, Params, Refused, content
from app.simulator.clock import CHINA
from app.simulator.faults import Kind
from app.simulator.files import File
from app.simulator.orders import Channel
from app.simulator.parts import parts
from app.simulator.statements import Day, Line

blueprint = Blueprint("alipay_bills", __name__)

LIFETIME = timedelta(seconds=30)
COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,"
    "券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
SUMMARY_COLUMNS = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,服务费（元）,"
    "实收净额（元）"
)


class BillAsked(msgspec.Struct, frozen=True):
    bill_type: str
    bill_date: str


def address(params: Params) -> Answer:
    """Say where the file of a day can be fetched, for half a minute."""
    asked, shared = content(params, BillAsked), parts()
    if asked.bill_type != "trade":
        raise Refused("isp.type_not_supported", "账单类型不支持")
    try:
        wanted = date.fromisoformat(asked.bill_date)
    except ValueError:
        raise Refused("isv.invalid-arguments", "bill_date 无效") from None
    now = shared.now()
    if not statements.is_ready(wanted, now=now):
        raise Refused("isp.bill_not_exist", "账单不存在")
    with shared.book.transaction() as db:
        day = statements.draw_up(db, Channel.ALIPAY, wanted, now=now)
    if Kind.NOT_READY in day.wrong:
        raise Refused("isp.bill_not_exist", "账单不存在")
    if not day.lines:
        raise Refused("NO_BILL_DATA", "当日无账单数据")
    file = File(f"{_account()}_{wanted:%Y%m%d}.csv.zip", zipped(day))
    with shared.book.transaction() as db:
        token = files.keep(db, file, lifetime=LIFETIME, now=clock.now())
    query = urlencode({"bizType": "trade", "downloadFileName": file.name, "token": token})
    url = f"{shared.settings.base_url}/downloadBillFile.resource?{query}"
    return {"bill_download_url": url}


@blueprint.get("/downloadBillFile.resource")
def download() -> Response:
    with parts().book.reading() as db:
        file = files.find(db, request.args.get("token", ""), now=clock.now())
    if file is None:
        abort(403)
    answer = Response(file.content, mimetype="application/zip")
    answer.headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return answer


def zipped(day: Day) -> bytes:
    """Pack the detail and its summary as the real one does: names in GBK, and no flag says so."""
    detail = detail_text(day)
    if Kind.TRUNCATED in day.wrong:
        detail = detail[: len(detail) * 2 // 3]
    prefix = f"{_account()}_{day.day:%Y%m%d}_业务明细"
    named = {f"{prefix}.csv": detail, f"{prefix}(汇总).csv": summary_text(day)}
    packed, names = io.BytesIO(), {}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in named.items():
            raw = name.encode("gbk")
            # Python would write such a name in UTF-8: its place is taken by one of the same length.
            stand_in = (secrets.token_hex(len(raw)))[: len(raw)]
            names[stand_in.encode()] = raw
            archive.writestr(stand_in, text.encode("gbk", "replace"))
    content = packed.getvalue()
    for stand_in_raw, raw in names.items():
        content = content.replace(stand_in_raw, raw)
    return content


def detail_text(day: Day) -> str:
    """Write the statement of orders as it travels in the zip."""
    shown = day.day - timedelta(days=1) if Kind.WRONG_DAY in day.wrong else day.day
    start, end = statements.bounds(shown)
    paid, back = day.sums(of_refunds=False), day.sums(of_refunds=True)
    count = sum(1 for line in day.lines if line.refund is None)
    refunded = len(day.lines) - count
    if Kind.WRONG_TOTALS in day.wrong:
        paid += 1
    columns = COLUMNS
    if Kind.UNKNOWN_COLUMNS in day.wrong:
        columns = columns.replace("商家实收（元）", "商家所得（元）")
    lines = [
        "#支付宝业务明细查询",
        f"#账号：[{_account()}]",
        f"#起始日期：[{_day(start)}]   终止日期：[{_day(end)}]",
        f"#{'-' * 41}业务明细列表{'-' * 40}",
        columns,
        *(_row(line, shown - day.day) for line in day.lines),
        f"#{'-' * 41}业务明细列表结束{'-' * 36}",
        f"#交易合计：{count}笔，商家实收共{_yuan(paid)}元，商家优惠共0.00元",
        f"#退款合计：{refunded}笔，商家实收退款共{_yuan(-back)}元，商家优惠退款共0.00元",
        f"#导出时间：[{_day(day.made_at)}]",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def summary_text(day: Day) -> str:
    """Write the second file, which nobody needs but everybody finds."""
    paid, back = day.sums(of_refunds=False), day.sums(of_refunds=True)
    fees = sum((line.fee for line in day.lines), Decimal(0))
    count = sum(1 for line in day.lines if line.refund is None)
    net = Decimal(paid - back).scaleb(-2)
    cells = ["", "合计", str(count), str(len(day.lines) - count), _yuan(paid - back)]
    row = ",".join([*cells, f"{net:.2f}", f"{-fees:.2f}", f"{net - fees:.2f}"])
    frame = ["#支付宝业务汇总查询", f"#账号：[{_account()}]", SUMMARY_COLUMNS, row]
    return "".join(f"{line}\r\n" for line in frame)


def _row(line: Line, shift: timedelta) -> str:
    order, sign = line.order, -1 if line.refund else 1
    amount = _yuan(sign * line.amount_minor)
    created = alipay_wire.china_time((order.scanned_at or order.created_at) + shift)
    cells = [
        f"{order.transaction_id}\t",
        f"{order.out_trade_no}\t",
        "退款\t" if line.refund else "交易\t",
        order.description.replace(",", " "),
        *(created, alipay_wire.china_time(line.at + shift)),
        *("\t", "\t", "\t", "\t", f"*某({alipay_wire.BUYER_LOGON_ID})"),
        *(amount, amount, "0.00", "0.00", "0.00", "0.00", "0.00", "", "0.00\t", "0.00"),
        f"{line.refund.out_refund_no if line.refund else ''}\t",
        *(f"{-line.fee:.2f}", "0.00", ""),
    ]
    return ",".join(cells)


def _account() -> str:
    return f"{parts().identity.alipay.seller_id}0156"


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%Y年%m月%d日 %H:%M:%S}"


def _yuan(minor: int) -> str:
    return f"{Decimal(minor).scaleb(-2):.2f}"
