"""A day's statement says what the book says, when it is ready, unless it is told to differ."""

import gzip
import hashlib
import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from app.channels.base import BadStatement, Statement, StatementNotReady
from app.core.money import Currency, Money
from app.simulator import files, statements
from app.simulator.clock import CHINA, now
from app.simulator.files import File
from tests.simulator.inside import Inside, identity, refund_of

CHANNELS = pytest.mark.parametrize("name", ["wechat", "alipay"])


@pytest.fixture
def inside(inside: Inside) -> Inside:
    """Begin at noon of a Chinese day, so that no midnight comes between."""
    inside.control("clock", advanceSeconds=until(inside, 12))
    return inside


def until(inside: Inside, hour: int) -> int:
    """Return the seconds of the book until that hour of its next Chinese day."""
    midnight = datetime.combine(today(inside) + timedelta(days=1), datetime.min.time(), CHINA)
    return int((midnight + timedelta(hours=hour) - inside.parts.now()).total_seconds()) + 1


def today(inside: Inside) -> date:
    return inside.parts.now().astimezone(CHINA).date()


def statement(inside: Inside, name: str) -> Statement:
    """Fetch what the book of today says, on the next morning."""
    day = today(inside)
    inside.control("clock", advanceSeconds=until(inside, 9))
    return inside.channels[name].fetch_statement(day, now=now())


def yesterday(inside: Inside) -> date:
    return today(inside) - timedelta(days=1)


def file_of(inside: Inside, query: str, kind: str = "tradebill") -> httpx.Response:
    """Ask WeChat Pay for a file in the gateway's own way, and fetch it."""
    wechat = inside.channels["wechat"]
    path = f"/v3/bill/{kind}?bill_date={yesterday(inside)}{query}"
    told = httpx.Response(200, content=wechat._calls.call("GET", path, now=now())).json()  # type: ignore[attr-defined]  # noqa: SLF001 — its signature is what we need
    content = wechat._calls.download(told["download_url"], now=now())  # type: ignore[attr-defined]  # noqa: SLF001 — the same
    return httpx.Response(200, headers={"X-Hash": told["hash_value"]}, content=content)


@CHANNELS
def test_a_day_says_who_paid_and_who_got_back(inside: Inside, name: str) -> None:
    first, second = inside.paid(name), inside.paid(name, minor=10_000)
    refund = refund_of(first, 9_900)
    inside.channels[name].refund(refund, now=now())

    rows = statement(inside, name).rows

    assert [(row.kind, row.out_trade_no, row.amount.minor, row.fee) for row in rows] == [
        ("payment", first.out_trade_no, 29_900, Decimal("1.79")),
        ("payment", second.out_trade_no, 10_000, Decimal("0.60")),
        ("refund", first.out_trade_no, 9_900, Decimal("-0.59")),
    ]
    assert rows[2].out_refund_no == refund.out_refund_no
    found = inside.channels[name].query(first.out_trade_no, now=now())
    assert rows[0].channel_txn_id == found.channel_txn_id


@CHANNELS
def test_a_day_without_payments_is_empty(inside: Inside, name: str) -> None:
    inside.opened(name)

    assert statement(inside, name).rows == ()


@CHANNELS
@pytest.mark.parametrize("hour", [0, 8])
def test_a_day_is_not_ready_before_nine_of_the_next(inside: Inside, name: str, hour: int) -> None:
    inside.paid(name)
    inside.control("clock", advanceSeconds=until(inside, hour))

    with pytest.raises(StatementNotReady):
        inside.channels[name].fetch_statement(yesterday(inside), now=now())


@CHANNELS
def test_a_missing_row_is_missing_once(inside: Inside, name: str) -> None:
    inside.paid(name)
    kept = inside.paid(name)
    inside.control("faults", kind="row_missing", count=1)

    assert [row.out_trade_no for row in statement(inside, name).rows] == [kept.out_trade_no]
    assert len(inside.channels[name].fetch_statement(yesterday(inside), now=now()).rows) == 2


@CHANNELS
def test_a_row_too_many_is_nobodys(inside: Inside, name: str) -> None:
    ask = inside.paid(name)
    inside.control("faults", kind="row_extra", amountMinor=777)

    mine, other = statement(inside, name).rows

    assert mine.out_trade_no == ask.out_trade_no
    assert other.amount == Money(777, Currency.CNY)


@CHANNELS
def test_another_amount_or_fee_stands_in_the_row_that_is_meant(inside: Inside, name: str) -> None:
    inside.paid(name)
    amount, fee = inside.paid(name), inside.paid(name)
    inside.control("faults", kind="row_amount", outTradeNo=amount.out_trade_no)
    inside.control("faults", kind="row_fee", outTradeNo=fee.out_trade_no)

    rows = statement(inside, name).rows

    assert [row.amount.minor for row in rows] == [29_900, 29_899, 29_900]
    assert [row.fee for row in rows] == [Decimal("1.79"), Decimal("1.79"), Decimal("1.80")]


@pytest.mark.parametrize(
    ("minor", "rows"), [(9_999_31, []), (9_999_32, [9_999_31]), (9_999_33, [9_999_33])]
)
def test_an_amount_asks_for_a_difference(inside: Inside, minor: int, rows: list[int]) -> None:
    inside.paid("wechat", minor=minor)

    assert [row.amount.minor for row in statement(inside, "wechat").rows] == rows


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("wechat", kind) for kind in ("wrong_totals", "truncated", "wrong_day", "wrong_hash")),
        *(("alipay", kind) for kind in ("wrong_totals", "truncated", "wrong_day")),
        *((name, "unknown_columns") for name in ("wechat", "alipay")),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_is_believed_by_nobody(
    inside: Inside, name: str, kind: str
) -> None:
    inside.paid(name)
    inside.control("faults", kind=kind, channel=name)

    with pytest.raises(BadStatement):
        statement(inside, name)


@CHANNELS
def test_a_file_may_be_late(inside: Inside, name: str) -> None:
    inside.paid(name)
    inside.control("faults", kind="not_ready", channel=name, count=1)

    with pytest.raises(StatementNotReady):
        statement(inside, name)

    assert len(inside.channels[name].fetch_statement(yesterday(inside), now=now()).rows) == 1


def test_wechat_s_hash_is_that_of_the_file_before_it_is_zipped(inside: Inside) -> None:
    inside.paid("wechat")
    inside.control("clock", advanceSeconds=until(inside, 9))

    file = file_of(inside, "&tar_type=GZIP")

    unpacked = gzip.decompress(file.content)
    assert hashlib.sha1(unpacked, usedforsecurity=False).hexdigest() == file.headers["X-Hash"]


@pytest.mark.parametrize(("kind", "columns", "rows"), [("SUCCESS", 20, 1), ("REFUND", 29, 1)])
def test_wechat_s_narrower_files_have_fewer_rows_and_other_columns(
    inside: Inside, kind: str, columns: int, rows: int
) -> None:
    ask = inside.paid("wechat")
    inside.channels["wechat"].refund(refund_of(ask, 100), now=now())
    inside.control("clock", advanceSeconds=until(inside, 9))

    lines = file_of(inside, f"&bill_type={kind}").text.splitlines()

    assert len(lines[0].split(",")) == columns
    assert len(lines) == rows + 3


def test_the_account_s_file_adds_up(inside: Inside) -> None:
    ask = inside.paid("wechat", minor=10_000)
    inside.channels["wechat"].refund(refund_of(ask, 10_000), now=now())
    inside.control("clock", advanceSeconds=until(inside, 9))

    lines = file_of(inside, "", "fundflowbill").text.splitlines()

    assert lines[-1] == "`3,`1,`100.00,`2,`100.00"
    assert [line.split(",")[7] for line in lines[1:4]] == ["`100.00", "`99.40", "`0.00"]


def test_alipay_s_names_are_gbk_and_no_flag_says_so(inside: Inside) -> None:
    inside.paid("alipay")

    packed = zipfile.ZipFile(io.BytesIO(statement(inside, "alipay").raw))

    assert [member.flag_bits & 0x800 for member in packed.infolist()] == [0, 0]
    names = [name.encode("cp437").decode("gbk") for name in packed.namelist()]
    account = f"{identity().alipay.seller_id}0156_{yesterday(inside):%Y%m%d}"
    assert names == [f"{account}_业务明细.csv", f"{account}_业务明细(汇总).csv"]
    assert packed.testzip() is None


def test_a_file_is_there_for_a_short_while_only(inside: Inside) -> None:
    with inside.parts.book.transaction() as db:
        start = now()
        token = files.keep(db, File("a.csv", b"x"), lifetime=timedelta(seconds=30), now=start)

        assert files.find(db, token, now=start + timedelta(seconds=29)) == File("a.csv", b"x")
        assert files.find(db, token, now=start + timedelta(seconds=30)) is None
        assert files.find(db, "guessed", now=start) is None


@pytest.mark.parametrize(
    ("minor", "fee"), [(14_900, "0.89"), (29_900, "1.79"), (1, "0.00"), (83, "0.00"), (84, "0.01")]
)
def test_the_fee_is_six_of_a_thousand_to_the_fen(minor: int, fee: str) -> None:
    assert statements.fee_of(minor) == Decimal(fee)


def test_a_day_is_a_chinese_one() -> None:
    start, end = statements.bounds(date(2026, 11, 20))

    assert start.astimezone(UTC) == datetime(2026, 11, 19, 16, tzinfo=UTC)
    assert end - start == timedelta(days=1)
