"""A WeChat Pay bill gives its rows when it is whole, of the day, ours, and adds up; else none."""

import base64
import gzip
import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels import wechat_bill as bill
from app.channels import wechat_file, wire
from app.channels.base import BadStatement, StatementRow
from app.core.money import Currency, Money
from tests.channels.bills import (
    BILLS,
    DAY,
    MCHID,
    WECHAT_HEADER,
    WECHAT_TEXT,
    WECHAT_TOTALS_HEADER,
    wechat_bill,
    wechat_payment,
    wechat_refund,
)

VECTOR = BILLS["wechat_trade_ALL"]
RAW: bytes = WECHAT_TEXT.encode()
PAYMENT = StatementRow(
    kind="payment",
    out_trade_no="INV20261119000001",
    channel_txn_id="4200002026111900000000000001",
    amount=Money(14_900, Currency.CNY),
    fee=Decimal("0.89"),
    at=datetime(2026, 11, 19, 2, tzinfo=UTC),
    raw_state="SUCCESS",
)
REFUND = StatementRow(
    kind="refund",
    out_trade_no="INV20261119000001",
    channel_txn_id="4200002026111900000000000001",
    amount=Money(2_000, Currency.CNY),
    fee=Decimal("-0.12"),
    at=datetime(2026, 11, 19, 7, tzinfo=UTC),
    raw_state="SUCCESS",
    out_refund_no="RF20261119000001",
    channel_refund_id="50300002026111900000000000001",
)


def read(raw: bytes, day: date = DAY) -> tuple[StatementRow, ...]:
    return bill.read_trades(raw, day=day, mchid=MCHID)


def changed(old: str, new: str) -> bytes:
    assert WECHAT_TEXT.count(old) >= 1, old
    return WECHAT_TEXT.replace(old, new).encode()


def test_the_vector_is_read() -> None:
    assert read(RAW) == (PAYMENT, REFUND)


def test_the_vector_unpacks_to_the_hash_that_was_announced() -> None:
    packed = base64.b64decode(VECTOR["gzip_base64"])

    assert wechat_file.unpack(packed, sha1=VECTOR["tradebill_response"]["hash_value"]) == RAW
    assert wechat_file.unpack(packed, sha1=VECTOR["sha1_of_gzip"].upper()) == RAW


@pytest.mark.parametrize(
    "raw",
    [
        RAW.replace(b"\r\n", b"\n"),
        b"\xef\xbb\xbf" + RAW,
        RAW.removesuffix(b"\r\n"),
        wechat_bill(wechat_payment(), wechat_refund()),
    ],
    ids=["LF", "a byte order mark", "no last line end", "as our builder writes it"],
)
def test_how_it_is_written_changes_nothing(raw: bytes) -> None:
    assert read(raw) == (PAYMENT, REFUND)


def test_columns_are_found_by_name() -> None:
    names = WECHAT_HEADER.split(",")
    moved = [names[-1], *names[:-1]]
    rows = [
        ",".join(f"`{row[name]}" for name in moved) for row in (wechat_payment(), wechat_refund())
    ]
    totals = RAW.decode().split("\r\n")[3:]

    assert read("\r\n".join([",".join(moved), *rows, *totals]).encode()) == (PAYMENT, REFUND)


def test_a_day_of_nothing_may_have_a_file() -> None:
    assert read(wechat_bill(totals="`0,`0.00,`0.00,`0.00,`0.00000,`0.00,`0.00")) == ()


def test_texts_hide_their_commas_and_lines() -> None:
    raw = wechat_bill(wechat_payment(商品名称="Lumen AI\\ Inc.\\nINV-1"), wechat_refund())

    assert read(raw) == (PAYMENT, REFUND)


@given(length=st.integers(0, len(RAW) - len("\r\n") - 1))
def test_no_file_that_was_cut_off_is_read(length: int) -> None:
    with pytest.raises(BadStatement):
        read(RAW[:length])


@given(line=st.integers(0, 4))
def test_no_line_can_be_missing(line: int) -> None:
    lines = RAW.split(b"\r\n")
    del lines[line]

    with pytest.raises(BadStatement):
        read(b"\r\n".join(lines))


@pytest.mark.parametrize("day", [date(2026, 11, 18), date(2026, 11, 20), date(2025, 11, 19)])
def test_a_file_of_another_day_is_refused(day: date) -> None:
    with pytest.raises(BadStatement, match="is not on"):
        read(RAW, day)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (changed("`1900000001", "`1900000002"), "another merchant"),
        (changed("`CNY", "`USD"), "USD"),
        (changed("费率备注", "新增金额"), "columns"),
        (changed(",费率备注", ""), "columns"),
        (changed("费率备注", "费率备注,优惠金额"), "columns"),
        (changed("费率备注", "费率"), "columns"),
        (changed("总交易单数,", ""), "columns"),
        (changed("`2,`149.00", "`3,`149.00"), "2 rows"),
        (changed("`2,`149.00", "`2,`149.01"), "应结订单总金额"),
        (changed("`0.77000,`149.00,", "`0.77000,`149.01,"), "订单总金额"),
        (changed("`0.77000", "`0.78000"), "手续费总金额"),
        (changed(",`20.00\r\n", ",`20.01\r\n"), "申请退款总金额"),
        (changed("`149.00", "`149.0"), "fee|yuan"),
        (changed("`149.00", "149.00"), "cut off"),
        (changed("`0.89000", "`0,89000"), "cut off"),
        (changed("`0.89000", "`0.890001"), "fee"),
        (changed("`2026-11-19 10:00:00", "`2026-11-19"), "time"),
        (changed("`SUCCESS,`OTHERS", "`REVOKED,`OTHERS"), "REVOKED"),
        (changed("`SUCCESS,`OTHERS", "`REFUND,`OTHERS"), "number"),
        (changed("`REFUND,`OTHERS", "`SUCCESS,`OTHERS"), "refund's number"),
        (changed("`RF20261119000001", "`"), "number"),
        (changed("`INV20261119000001", "`"), "number"),
        (RAW + b"`1", "cut off|columns"),
        (b"", "cut off"),
        (RAW.replace("发票".encode(), "发票".encode("gbk")), "UTF-8"),
        (b"<xml><return_code>FAIL</return_code></xml>", "cut off"),
    ],
)
def test_a_file_that_is_not_what_we_know_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(BadStatement, match=why):
        read(raw)


def test_a_column_that_comes_twice_is_refused() -> None:
    header, payment, refund, *totals = RAW.decode().split("\r\n")
    twice = [f"{header},订单金额", f"{payment},`1.00", f"{refund},`1.00", *totals]

    with pytest.raises(BadStatement, match="columns"):
        read("\r\n".join(twice).encode())


@pytest.mark.parametrize(
    ("rows", "totals"),
    [
        (wechat_payment(订单金额="0.00"), "`1,`149.00,`0.00,`0.00,`0.89000,`0.00,`0.00"),
        (wechat_payment(订单金额="-1.00"), "`1,`149.00,`0.00,`0.00,`0.89000,`-1.00,`0.00"),
        (wechat_refund(申请退款金额="0.00"), "`1,`0.00,`20.00,`0.00,`-0.12000,`0.00,`0.00"),
    ],
)
def test_an_amount_is_above_zero(rows: dict[str, str], totals: str) -> None:
    with pytest.raises(BadStatement, match="an amount of"):
        read(wechat_bill(rows, totals=totals))


@given(
    fens=st.lists(st.integers(1, 10**9), max_size=5),
    costs=st.lists(st.integers(0, 10**6), min_size=5, max_size=5),
)
def test_what_is_written_is_what_is_read(fens: list[int], costs: list[int]) -> None:
    yuan = [f"{fen // 100}.{fen % 100:02}" for fen in fens]
    fees = [f"{cost // 100_000}.{cost % 100_000:05}" for cost in costs[: len(fens)]]
    rows = [
        wechat_payment(微信订单号=str(number), 应结订单金额=amount, 订单金额=amount, 手续费=fee)
        for number, (amount, fee) in enumerate(zip(yuan, fees, strict=True), 1)
    ]
    total, cost = sum(fens), sum(costs[: len(fens)])
    paid, fee = f"{total // 100}.{total % 100:02}", f"{cost // 100_000}.{cost % 100_000:05}"

    found = read(
        wechat_bill(*rows, totals=f"`{len(rows)},`{paid},`0.00,`0.00,`{fee},`{paid},`0.00")
    )

    assert [row.amount.minor for row in found] == fens
    assert [row.fee for row in found] == [Decimal(text) for text in fees]


def test_totals_names_are_the_channels_own() -> None:
    assert WECHAT_TOTALS_HEADER.startswith("总交易单数,应结订单总金额")


@pytest.mark.parametrize(
    ("packed", "sha1"),
    [
        (gzip.compress(RAW), "0" * 40),
        (gzip.compress(RAW)[:-1], VECTOR["sha1_of_uncompressed"]),
        (RAW, VECTOR["sha1_of_uncompressed"]),
        (b"", VECTOR["sha1_of_uncompressed"]),
    ],
    ids=["another hash", "cut off", "not packed", "empty"],
)
def test_a_package_that_is_not_what_was_announced_is_refused(packed: bytes, sha1: str) -> None:
    with pytest.raises(BadStatement):
        wechat_file.unpack(packed, sha1=sha1)


def test_a_package_that_grows_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FILE_BYTES", 1_000)
    packed = gzip.compress(bytes(1_001))

    with pytest.raises(BadStatement, match="too long"):
        wechat_file.unpack(packed, sha1=hashlib.sha1(packed, usedforsecurity=False).hexdigest())
