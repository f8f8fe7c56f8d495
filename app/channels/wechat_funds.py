"""WeChat Pay's daily bill of funds: every movement of our balance there, and why.

Pure, and strict. Everything here raises BadStatement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.channels import statements, wechat_file
from app.channels.statements import require
from app.channels.wechat_file import Row
from app.core.money import Currency, Money

_COLUMNS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
_TOTALS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
_INCOME, _EXPENSE = "收入", "支出"


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement of the balance: `amount` is above zero when it came in, `balance` is after it.

    `subject_no` is WeChat Pay's number of the payment or refund, `our_no` is ours.
    """

    at: datetime
    movement_no: str
    subject_no: str
    our_no: str
    name: str
    kind: str
    amount: Money
    balance: Money


def read_movements(raw: bytes, *, day: date) -> tuple[Movement, ...]:
    """Return the movements of a day."""
    rows, totals = wechat_file.table(raw, columns=_COLUMNS, totals=_TOTALS)
    movements = tuple(_movement(row, day=day) for row in rows)
    income = [movement.amount for movement in movements if movement.amount.minor > 0]
    expense = [-movement.amount for movement in movements if movement.amount.minor < 0]
    require(totals["资金流水总笔数"] == str(len(movements)), "rows are missing")
    _check(income, totals["收入笔数"], totals["收入金额"])
    _check(expense, totals["支出笔数"], totals["支出金额"])
    return movements


def _check(amounts: Sequence[Money], count: str, total: str) -> None:
    require(count == str(len(amounts)), "rows are missing")
    found = sum(amounts, Money(0, Currency.CNY))
    require(found == statements.money(total), "a total is not the sum of its rows")


def _movement(row: Row, *, day: date) -> Movement:
    direction, amount = row["收支类型"], statements.above_zero(row["收支金额(元)"])
    require(direction in {_INCOME, _EXPENSE}, f"a movement that is {direction}")
    return Movement(
        at=statements.moment(row["记账时间"], day=day),
        movement_no=row["资金流水单号"],
        subject_no=row["微信支付业务单号"],
        our_no=row["业务凭证号"],
        name=row["业务名称"],
        kind=row["业务类型"],
        amount=amount if direction == _INCOME else -amount,
        balance=statements.money(row["账户结余(元)"]),
    )
