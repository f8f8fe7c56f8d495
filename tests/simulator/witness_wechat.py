"""Run by an interpreter that has `wechatpayv3`: one step of a merchant's day, in JSON.

The SDK is as published. It knows one address only, so that one attribute is set after the fact.
"""

import json
import sys
from typing import Any

from wechatpayv3 import (  # type: ignore[import-not-found]  # lives in an environment of its own
    WeChatPay,
    WeChatPayType,
)


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


def step(ask: dict[str, Any]) -> Any:
    pay, out_trade_no = merchant(ask["keys"]), ask["out_trade_no"]
    if ask["step"] == "order":
        amount = {"total": 29_900, "currency": "CNY"}
        return pay.pay(
            description="Pro 月度订阅",
            out_trade_no=out_trade_no,
            amount=amount,
            notify_url=ask["notify_url"],
        )
    if ask["step"] == "query":
        return pay.query(out_trade_no=out_trade_no)
    if ask["step"] == "close":
        status, body = pay.close(out_trade_no=out_trade_no)
        return status, str(body)
    return pay.callback(headers=ask["headers"], body=ask["body"])


if __name__ == "__main__":
    json.dump(step(json.load(sys.stdin)), sys.stdout)
