"""The channels' daily files, written as they write them, from the rows of the vectors."""

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

BILLS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "bills.json").read_text("utf-8")
)
DAY = date(2026, 11, 19)
MCHID = "1900000001"
SELLER_ID = "2088101122136241"

WECHAT_TEXT: str = BILLS["wechat_trade_ALL"]["utf8_text"]
ALIPAY_TEXT: str = BILLS["alipay_trade_detail"]["text"]

_WECHAT_LINES = WECHAT_TEXT.split("\r\n")
WECHAT_HEADER = _WECHAT_LINES[0]
_WECHAT_PAYMENT, _WECHAT_REFUND = (
    dict(zip(WECHAT_HEADER.split(","), line.replace("`", "").split(","), strict=True))
    for line in _WECHAT_LINES[1:3]
)
WECHAT_TOTALS_HEADER = _WECHAT_LINES[3]


def wechat_payment(**changes: str) -> dict[str, str]:
    return {**_WECHAT_PAYMENT, **changes}


def wechat_refund(**changes: str) -> dict[str, str]:
    return {**_WECHAT_REFUND, **changes}


def wechat_bill(
    *rows: Mapping[str, str], totals: str = "`2,`149.00,`20.00,`0.00,`0.77000,`149.00,`20.00"
) -> bytes:
    """Write a bill; the totals are those of the vectors' two rows unless told others."""
    lines = [",".join(f"`{row[name]}" for name in WECHAT_HEADER.split(",")) for row in rows]
    lines = [WECHAT_HEADER, *lines, WECHAT_TOTALS_HEADER, totals]
    return "".join(f"{line}\r\n" for line in lines).encode()


def alipay_zip(
    text: str = ALIPAY_TEXT,
    *,
    name: str = "20881011221362410156_20261119_业务明细.csv",
    encoding: str = "gb18030",
) -> bytes:
    """Pack a bill as Alipay does: names and contents in GBK, and a summary beside it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_gbk_name(name), text.encode(encoding))
        archive.writestr(_gbk_name(name.replace(".csv", "(汇总).csv")), "汇总".encode(encoding))
    return packed.getvalue()


def _gbk_name(name: str) -> zipfile.ZipInfo:
    """Name a member in bytes of GBK without the flag of UTF-8, which `zipfile` never would."""
    member = _UnflaggedInfo(name.encode("gbk").decode("cp437"))
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


class _UnflaggedInfo(zipfile.ZipInfo):
    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
        return self.filename.encode("cp437"), self.flag_bits
