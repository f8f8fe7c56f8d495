"""Run by an interpreter that has `python-alipay-sdk`: one step of a merchant's day, in JSON.

The SDK is as published. It knows two addresses only, so that one attribute is set after the fact.
"""

import json
import sys
from typing import Any
from urllib.parse import parse_qsl

from alipay import AliPay  # type: ignore[import-not-found]  # lives in an environment of its own
from alipay.exceptions import (  # type: ignore[import-not-found]  # the same
    AliPayException,
)


def merchant(keys: dict[str, Any]) -> Any:
    pay = AliPay(
        appid=keys["app_id"],
        app_private_key_string=keys["app_private_key_pem"],
        alipay_public_key_string=keys["alipay_public_key_pem"],
    )
    pay._gateway = keys["gateway_url"]  # noqa: SLF001 — it offers no other way
    return pay


def step(ask: dict[str, Any]) -> Any:
    pay, out_trade_no = merchant(ask["keys"]), ask["out_trade_no"]
    if ask["step"] == "order":
        return pay.api_alipay_trade_precreate(
            "Pro 月度订阅", out_trade_no, "149.00", notify_url=ask["notify_url"]
        )
    if ask["step"] == "query":
        try:
            return pay.api_alipay_trade_query(out_trade_no=out_trade_no)
        except AliPayException as refused:
            return {"refused": str(refused)}
    form = dict(parse_qsl(ask["body"], strict_parsing=True))
    return {"verified": pay.verify(form, form.pop("sign"))}


if __name__ == "__main__":
    json.dump(step(json.load(sys.stdin)), sys.stdout)
