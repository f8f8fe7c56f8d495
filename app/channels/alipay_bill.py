"""Alipay's daily bill of trades: a zip of CSV in GBK, framed by lines that begin with `#`.

Pure, and strict: a file that is not whole, not of the day, not ours, or does not add up gives no
row at all. Everything here raises BadStatement.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from app.channels import statements, wire
from app.channels.base import BadStatement, StatementRow
from app.channels.statements import require

_COLUMNS = (  # and every parenthesis as `_plain` writes it
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额(元),商家实收(元),支付宝红包(元),集分宝(元),支付宝优惠(元),商家优惠(元),券核销金额(元),券名称,"
    "商家红包消费金额(元),卡消费金额(元),退款批次号/请求号,服务费(元),分润(元),备注"
)
_TITLE = "#支付宝业务明细查询"
_DETAIL = "业务明细.csv"
_BEGIN = re.compile(r"#-+业务明细列表-+")
_END = re.compile(r"#-+业务明细列表结束-+")
_ACCOUNT = re.compile(r"#账号:\[([0-9]+)\]")
_DAYS = re.compile(r"#起始日期:\[(.+?)\]\s+终止日期:\[(.+?)\]")
_PAYMENTS = re.compile(r"#交易合计:([0-9]{1,9})笔,商家实收共(-?[0-9.]+)元.*")
_REFUNDS = re.compile(r"#退款合计:([0-9]{1,9})笔,商家实收退款共(-?[0-9.]+)元.*")
_EXPORTED = re.compile(r"#导出时间:\[.+\]")
_FULL_WIDTH = str.maketrans("\uff08\uff09\uff1a\uff0c", "():,")
_UTF8_NAME = 0x800
_MOST_MEMBERS = 8

Row = Mapping[str, str]


def unpack(packed: bytes) -> str:
    """Return the text of the file with the trades, out of the zip it comes in."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = archive.infolist()
            require(len(members) <= _MOST_MEMBERS, "the zip holds too many files")
            found = [member for member in members if _name(member).endswith(_DETAIL)]
            require(len(found) == 1, "the zip holds no bill of trades, or several")
            with archive.open(found[0]) as file:
                raw = file.read(wire.FILE_BYTES + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, zlib.error) as fault:
        raise BadStatement("the file does not unpack") from fault
    require(len(raw) <= wire.FILE_BYTES, "the file is too long")
    return _text(raw)


def read_trades(text: str, *, day: date, seller_id: str) -> tuple[StatementRow, ...]:
    """Return the payments and refunds of a bill."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    begin, end = _place(lines, _BEGIN), _place(lines, _END)
    require(begin < end - 1, "the list has no header")
    _check_frame(lines[:begin], day=day, seller_id=seller_id)
    names = statements.columns(_plain(lines[begin + 1]), _COLUMNS)
    listed = [_fields(line, names) for line in lines[begin + 2 : end]]
    _check_totals(lines[end + 1 :], listed)
    return tuple(_row(fields, day=day) for fields in listed)


def _name(member: zipfile.ZipInfo) -> str:
    """Return a member's name, which Alipay writes in GBK without saying so."""
    if member.flag_bits & _UTF8_NAME:
        return member.filename
    return member.filename.encode("cp437", errors="replace").decode("gb18030", errors="replace")


def _text(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):  # Chinese in GBK is never good UTF-8
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadStatement("the file is neither UTF-8 nor GBK")


def _plain(line: str) -> str:
    """Return a line of the frame with ASCII punctuation, and without the blanks at its ends."""
    return line.translate(_FULL_WIDTH).strip()


def _place(lines: Sequence[str], mark: re.Pattern[str]) -> int:
    places = [at for at, line in enumerate(lines) if mark.fullmatch(_plain(line))]
    require(len(places) == 1, "the file is cut off, or its list is not where it should be")
    return places[0]


def _only(lines: Sequence[str], mark: re.Pattern[str]) -> re.Match[str]:
    """Return the one line of the frame that looks like this."""
    found = [match for line in lines if (match := mark.fullmatch(_plain(line)))]
    require(len(found) == 1, "the file is cut off, or its frame is another one")
    return found[0]


def _check_frame(head: Sequence[str], *, day: date, seller_id: str) -> None:
    require(bool(head) and head[0].strip() == _TITLE, "the file is no bill of trades")
    account = _only(head, _ACCOUNT)[1]
    require(account.startswith(seller_id), "the file is of another account")
    wanted = tuple(f"{at:%Y年%m月%d日 00:00:00}" for at in (day, day + timedelta(days=1)))
    require(_only(head, _DAYS).groups() == wanted, f"the file is not of {day}")


def _fields(line: str, names: Sequence[str]) -> Row:
    values = [value.strip() for value in line.split(",")]
    require(len(values) == len(names), "a row has other fields than the header")
    return dict(zip(names, values, strict=True))


def _check_totals(foot: Sequence[str], rows: Sequence[Row]) -> None:
    for kind, mark in (("交易", _PAYMENTS), ("退款", _REFUNDS)):
        count, total = _only(foot, mark).groups()
        amounts = [statements.fee(row["商家实收(元)"]) for row in rows if row["业务类型"] == kind]
        require(len(amounts) == int(count), f"{kind}: {len(amounts)} rows, the file says {count}")
        is_sum = sum(amounts, Decimal(0)) == statements.fee(total)
        require(is_sum, f"{kind}: the file's total is not the sum of its rows")
    _only(foot, _EXPORTED)  # the last line: without it the file was cut off


def _row(row: Row, *, day: date) -> StatementRow:
    require(bool(row["商户订单号"] and row["支付宝交易号"]), "a row without its numbers")
    at = statements.moment(row["完成时间"], day=day)
    cost = -statements.fee(row["服务费(元)"])
    amount, kind = statements.money(row["订单金额(元)"]), row["业务类型"]
    if kind == "交易":
        require(amount.minor > 0, "a payment that is not above zero")
        return StatementRow(
            kind="payment",
            out_trade_no=row["商户订单号"],
            channel_txn_id=row["支付宝交易号"],
            amount=amount,
            fee=cost,
            at=at,
            raw_state=kind,
        )
    require(kind == "退款", f"a row that is {kind}")
    require(amount.minor < 0, "a refund that is not below zero")
    require(bool(row["退款批次号/请求号"]), "a refund without its number")
    return StatementRow(
        kind="refund",
        out_trade_no=row["商户订单号"],
        channel_txn_id=row["支付宝交易号"],
        amount=-amount,
        fee=cost,
        at=at,
        raw_state=kind,
        out_refund_no=row["退款批次号/请求号"],
    )
