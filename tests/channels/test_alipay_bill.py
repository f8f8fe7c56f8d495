"""An Alipay bill gives its rows when it is whole, of the day, ours, and adds up; else none."""

import base64
import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels import alipay_bill as bill
from app.channels import wire
from app.channels.base import BadStatement, StatementRow
from app.core.money import Currency, Money
from tests.channels.bills import ALIPAY_TEXT, BILLS, DAY, SELLER_ID, alipay_zip

PAYMENT = StatementRow(
    kind="payment",
    out_trade_no="INV20261119000002",
    channel_txn_id="2026111922001400000000000001",
    amount=Money(29_900, Currency.CNY),
    fee=Decimal("1.79"),
    at=datetime(2026, 11, 19, 3, 0, 8, tzinfo=UTC),
    raw_state="交易",
)
REFUND = StatementRow(
    kind="refund",
    out_trade_no="INV20261119000002",
    channel_txn_id="2026111922001400000000000001",
    amount=Money(9_900, Currency.CNY),
    fee=Decimal("-0.59"),
    at=datetime(2026, 11, 19, 8, tzinfo=UTC),
    raw_state="退款",
    out_refund_no="RF20261119000002",
)
EMPTY = f"""#支付宝业务明细查询
#账号:[20881011221362410156]
#起始日期:[2026年11月19日 00:00:00]   终止日期:[2026年11月20日 00:00:00]
#----业务明细列表----
{ALIPAY_TEXT.splitlines()[4]}
#----业务明细列表结束----
#交易合计:0笔,商家实收共0.00元,商家优惠共0.00元
#退款合计:0笔,商家实收退款共0.00元,商家优惠退款共0.00元
#导出时间:[2026年11月20日 05:46:49]
"""


def read(text: str, day: date = DAY) -> tuple[StatementRow, ...]:
    return bill.read_trades(text, day=day, seller_id=SELLER_ID)


def changed(old: str, new: str) -> str:
    assert old in ALIPAY_TEXT, old
    return ALIPAY_TEXT.replace(old, new)


def test_the_vector_is_unpacked_and_read() -> None:
    packed = base64.b64decode(BILLS["alipay_trade_detail"]["zip_base64"])

    assert read(bill.unpack(packed)) == (PAYMENT, REFUND)


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "utf-8", "utf-8-sig"])
def test_names_in_gbk_are_found_and_contents_in_either_encoding(encoding: str) -> None:
    assert read(bill.unpack(alipay_zip(encoding=encoding))) == (PAYMENT, REFUND)


def test_line_ends_and_ascii_punctuation_change_nothing() -> None:
    ascii_text = changed("（元）", "(元)").replace("：", ":").replace("\n", "\r\n")  # noqa: RUF001

    assert read(ascii_text) == (PAYMENT, REFUND)


def test_a_day_of_nothing_may_have_a_file() -> None:
    assert read(EMPTY) == ()


@given(length=st.integers(0, len(ALIPAY_TEXT) - len("]\n") - 1))
def test_no_file_that_was_cut_off_is_read(length: int) -> None:
    with pytest.raises(BadStatement):
        read(ALIPAY_TEXT[:length])


@given(line=st.integers(0, len(ALIPAY_TEXT.splitlines()) - 1))
def test_no_line_can_be_missing(line: int) -> None:
    lines = ALIPAY_TEXT.splitlines()
    del lines[line]

    with pytest.raises(BadStatement):
        read("\n".join(lines))


@pytest.mark.parametrize("day", [date(2026, 11, 18), date(2026, 11, 20)])
def test_a_file_of_another_day_is_refused(day: date) -> None:
    with pytest.raises(BadStatement, match="is not of"):
        read(ALIPAY_TEXT, day)


def test_a_file_of_several_days_is_refused() -> None:
    with pytest.raises(BadStatement, match="is not of"):
        read(changed("2026年11月20日 00:00:00", "2026年11月21日 00:00:00"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (changed("[2088101122136241", "[2088101122136242"), "another account"),
        (changed("#支付宝业务明细查询", "#支付宝账务明细查询"), "no bill of trades"),
        (changed("2026-11-19 11:00:08", "2026-11-20 00:00:00"), "is not on"),
        (changed("2026-11-19 11:00:08", "2026/11/19 11:00:08"), "time"),
        (changed(",备注", ""), "columns"),
        (changed(",备注", ",备注,新增金额（元）"), "columns"),  # noqa: RUF001
        (changed("服务费", "技术服务费"), "columns"),
        (changed("BuffMoney INV-2", "BuffMoney, INV-2"), "other fields"),
        (changed("INV20261119000002\t", "\t"), "number"),
        (changed("RF20261119000002", ""), "number"),
        (changed(",交易\t", ",转账\t"), "rows"),
        (changed(",交易\t", ",转账\t").replace("交易合计：1笔", "交易合计：0笔"), "sum"),  # noqa: RUF001
        (changed("299.00,299.00", "299.0,299.00"), "yuan"),
        (changed("299.00,299.00", "299.00,299.001"), "sum"),
        (changed("299.00,299.00", "-299.00,299.00"), "above zero"),
        (changed("-99.00,-99.00", "99.00,-99.00"), "below zero"),
        (changed("-99.00,-99.00", "0.00,-99.00"), "below zero"),
        (changed("-1.79", "-1.790001"), "fee"),
        (changed("商家实收共299.00", "商家实收共299.01"), "sum"),
        (changed("商家实收退款共-99.00", "商家实收退款共99.00"), "sum"),
        (changed("交易合计：1笔", "交易合计：2笔"), "rows"),  # noqa: RUF001
        (ALIPAY_TEXT + ALIPAY_TEXT, "cut off|list"),
        ("", "cut off"),
    ],
)
def test_a_file_that_is_not_what_we_know_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadStatement, match=why):
        read(text)


def zip_of(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, ALIPAY_TEXT)
    return packed.getvalue()


GENUINE = alipay_zip()
AT = GENUINE.index(b"PK\x03\x04") + 200  # inside what is packed of the first member


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"not a zip",
        GENUINE[:-1],
        GENUINE[: len(GENUINE) // 2],
        GENUINE[:AT] + bytes([GENUINE[AT] ^ 1]) + GENUINE[AT + 1 :],
        zip_of("readme.txt"),
        zip_of("a_业务明细.csv", "b_业务明细.csv"),
        zip_of(*(f"{number}.csv" for number in range(8)), "a_业务明细.csv"),
        alipay_zip("\ufffd", encoding="utf-16"),
    ],
    ids=[
        "empty",
        "no zip",
        "cut off",
        "half",
        "a bit flipped",
        "no bill in it",
        "two bills in it",
        "too many files",
        "another encoding",
    ],
)
def test_a_package_that_is_broken_is_refused(packed: bytes) -> None:
    with pytest.raises(BadStatement):
        bill.unpack(packed)


def test_a_package_that_grows_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FILE_BYTES", 1_000)

    with pytest.raises(BadStatement, match="too long"):
        bill.unpack(alipay_zip("0" * 1_001))
