"""A bill of funds gives every movement of our balance, or nothing when it does not add up."""

import gzip
import hashlib
from datetime import UTC, date, datetime

import pytest

from app.channels.base import BadStatement
from app.channels.wechat import Wechat
from app.channels.wechat_funds import Movement, read_movements
from app.core.money import Currency, Money
from tests.channels.bills import BILLS, DAY
from tests.channels.conftest import Stub
from tests.channels.signers import WECHAT_NOW, Reply, wechat_error, wechat_reply

VECTOR = BILLS["wechat_fundflow_BASIC"]
TEXT: str = VECTOR["utf8_text"]


def changed(old: str, new: str) -> bytes:
    assert old in TEXT, old
    return TEXT.replace(old, new).encode()


def cny(minor: int) -> Money:
    return Money(minor, Currency.CNY)


def test_the_vector_is_read() -> None:
    movements = read_movements(TEXT.encode(), day=DAY)

    assert [movement.amount for movement in movements] == [cny(14_900), cny(-89), cny(-1_988)]
    assert movements[2] == Movement(
        at=datetime(2026, 11, 19, 7, 0, 1, tzinfo=UTC),
        movement_no="4200002026111900000000000003",
        subject_no="50300002026111900000000000001",
        our_no="RF20261119000001",
        name="退款",
        kind="退款",
        amount=cny(-1_988),
        balance=cny(112_823),
    )


def test_full_width_parentheses_are_the_same_columns() -> None:
    assert read_movements(changed("(元)", "\uff08元\uff09"), day=DAY)


def test_it_is_fetched_like_a_statement(wechat: Wechat, stub: Stub) -> None:
    place = {
        "hash_type": "SHA1",
        "hash_value": VECTOR["sha1"],
        "download_url": f"{stub.url}/v3/billdownload/file?token=abc",
    }
    stub.replies = [wechat_reply(place), Reply(200, gzip.compress(TEXT.encode()))]

    assert len(wechat.fetch_movements(DAY, now=WECHAT_NOW)) == 3

    assert stub.seen[0].target == (
        "/v3/bill/fundflowbill?bill_date=2026-11-19&account_type=BASIC&tar_type=GZIP"
    )


def test_the_vectors_hash_is_of_its_text() -> None:
    assert hashlib.sha1(TEXT.encode(), usedforsecurity=False).hexdigest() == VECTOR["sha1"]


def test_a_day_of_no_movement_has_none(wechat: Wechat, stub: Stub) -> None:
    stub.reply = wechat_error(400, "NO_STATEMENT_EXIST")

    assert wechat.fetch_movements(DAY, now=WECHAT_NOW) == ()


@pytest.mark.parametrize(
    "raw",
    [
        changed("`3,`1,`149.00,`2,`20.77", "`4,`1,`149.00,`2,`20.77"),
        changed("`3,`1,`149.00,`2,`20.77", "`3,`2,`149.00,`2,`20.77"),
        changed("`3,`1,`149.00,`2,`20.77", "`3,`1,`149.01,`2,`20.77"),
        changed("`3,`1,`149.00,`2,`20.77", "`3,`1,`149.00,`2,`20.78"),
        changed("`收入", "`转入"),
        changed("`支出,`0.89", "`支出,`-0.89"),
        changed("`1148.11", "`1148.1"),
        changed("2026-11-19 15:00:01", "2026-11-20 15:00:01"),
        changed("业务凭证号", "业务凭证"),
        changed("备注", "备注,新增金额"),
        TEXT[:-20].encode(),
        b"",
    ],
)
def test_a_file_that_is_not_what_we_know_is_refused(raw: bytes) -> None:
    with pytest.raises(BadStatement):
        read_movements(raw, day=DAY)


def test_a_file_of_another_day_is_refused() -> None:
    with pytest.raises(BadStatement, match="is not on"):
        read_movements(TEXT.encode(), day=date(2026, 11, 20))
