"""Run by an interpreter that has `wechatpayv3`: one step of a merchant's day, in JSON.

The SDK is as published. It knows one address only, so that one attribute is set after the fact.
"""

import gzip
import json
import sys
from typing import Any

from wechatpayv3 import (  # type: ignore[import-not-found]  # lives in an environment of its own
    WeChatPay,
    WeChatPayType,
)

Ask = dict[str, Any]


def merchant(keys: dict[str, Any]) -> Any:
    pay = WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=keys["mchid"],
        private_key=keys["merchant_private_key_pem"],
        cert_serial_no=keys["merchant_serial"],
        appid=keys["appid"],
        apiv3_key=keys["api_v3_key"],
        public_key=keys["platform_public_key_pem"],
        public_key_id=keys["platform_public_key_id"],
    )
    pay._core._gate_way = keys["base_url"]  # noqa: SLF001 — it offers no other way
    return pay


def order(pay: Any, ask: Ask) -> Any:
    return pay.pay(
        description="Pro 月度订阅",
        out_trade_no=ask["out_trade_no"],
        amount={"total": 29_900, "currency": "CNY"},
        notify_url=ask["notify_url"],
        pay_type=WeChatPayType[ask.get("pay_type", "NATIVE")],
        payer=ask.get("payer"),
        scene_info=ask.get("scene_info"),
    )


def invocation(pay: Any, ask: Ask) -> Any:
    """Sign what a page inside WeChat hands to WeixinJSBridge."""
    package = f"prepay_id={ask['prepay_id']}"
    said = {"appId": ask["keys"]["appid"], "timeStamp": "1795132800", "nonceStr": "abc"}
    sign = pay.sign([*said.values(), package])
    return {**said, "package": package, "signType": "RSA", "paySign": sign}


def close(pay: Any, ask: Ask) -> Any:
    status, body = pay.close(out_trade_no=ask["out_trade_no"])
    return status, str(body)


def refund(pay: Any, ask: Ask) -> Any:
    return pay.refund(
        out_refund_no=ask["out_refund_no"],
        out_trade_no=ask["out_trade_no"],
        amount={"refund": 9_900, "total": 29_900, "currency": "CNY"},
        notify_url=ask["notify_url"],
    )


def statement(pay: Any, ask: Ask) -> Any:
    """Fetch the day's file, whose address the SDK shortens by its own."""
    status, told = pay.trade_bill(bill_date=ask["day"])
    if status != 200:
        return status, told
    status, content = pay.download_bill(json.loads(told)["download_url"])
    return status, gzip.decompress(content).decode()


def hear_with_certificates(pay: Any, ask: Ask) -> Any:
    """Hear as a merchant without the public key: fetch the certificates, and verify by them."""
    core = pay._core  # noqa: SLF001 — its constructor would fetch them from the real address
    core._public_key = core._public_key_id = None  # noqa: SLF001 — the same
    core._update_certificates()  # noqa: SLF001 — the same
    return hear(pay, ask)


def hear(pay: Any, ask: Ask) -> Any:
    return pay.callback(headers=ask["headers"], body=ask["body"])


STEPS = {
    "order": order,
    "invocation": invocation,
    "query": lambda pay, ask: pay.query(out_trade_no=ask["out_trade_no"]),
    "close": close,
    "refund": refund,
    "query_refund": lambda pay, ask: pay.query_refund(ask["out_refund_no"]),
    "statement": statement,
    "hear": hear,
    "hear_with_certificates": hear_with_certificates,
}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(STEPS[asked["step"]](merchant(asked["keys"]), asked), sys.stdout)
