"""WeChat Pay's daily bill of trades: payments and refunds, with what they cost.

Pure, and strict: a file that is not whole, not of the day, not ours, or does not add up gives no
row at all. Everything here raises BadStatement.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from app.channels import statements, wechat_file
from app.channels.base import StatementRow
from app.channels.statements import require
from app.channels.wechat_file import Row

_COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
_COUNT = "总交易单数"
_SUMS = {  # the column each total adds up
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}
_NO_REFUND = "0"  # what a payment says where a refund has its number


def read_trades(raw: bytes, *, day: date, mchid: str) -> tuple[StatementRow, ...]:
    """Return the payments and refunds of a bill of type ALL.

    A refund is listed on the day it was accepted; what became of it is not told later.
    """
    rows, totals = wechat_file.table(raw, columns=_COLUMNS, totals=",".join([_COUNT, *_SUMS]))
    _check_totals(totals, rows)
    return tuple(_row(row, day=day, mchid=mchid) for row in rows)


def _check_totals(totals: Row, rows: Sequence[Row]) -> None:
    require(
        totals[_COUNT] == str(len(rows)), f"{len(rows)} rows, but the file says {totals[_COUNT]}"
    )
    for total, column in _SUMS.items():
        found = sum((statements.fee(row[column]) for row in rows), Decimal(0))
        require(found == statements.fee(totals[total]), f"{total} is not the sum of its rows")


def _row(row: Row, *, day: date, mchid: str) -> StatementRow:
    require(row["商户号"] == mchid, "a row of another merchant")
    require(row["货币种类"] == "CNY", f"a row in {row['货币种类']}")
    require(bool(row["商户订单号"] and row["微信订单号"]), "a row without its numbers")
    at, cost = statements.moment(row["交易时间"], day=day), statements.fee(row["手续费"])
    if row["交易状态"] == "SUCCESS":
        require(row["商户退款单号"] == _NO_REFUND, "a payment with a refund's number")
        return StatementRow(
            kind="payment",
            out_trade_no=row["商户订单号"],
            channel_txn_id=row["微信订单号"],
            amount=statements.above_zero(row["订单金额"]),
            fee=cost,
            at=at,
            raw_state=row["交易状态"],
        )
    require(row["交易状态"] == "REFUND", f"a row that is {row['交易状态']}")
    is_named = {row["商户退款单号"], row["微信退款单号"]}.isdisjoint({"", _NO_REFUND})
    require(is_named, "a refund without its numbers")
    return StatementRow(
        kind="refund",
        out_trade_no=row["商户订单号"],
        channel_txn_id=row["微信订单号"],
        amount=statements.above_zero(row["申请退款金额"]),
        fee=cost,
        at=at,
        raw_state=row["退款状态"],
        out_refund_no=row["商户退款单号"],
        channel_refund_id=row["微信退款单号"],
    )
