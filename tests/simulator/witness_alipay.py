"""Run by an interpreter that has `python-alipay-sdk`: one step of a merchant's day, in JSON.

The SDK is as published. It knows two addresses only, so that one attribute is set after the fact.
"""

import json
import sys
from typing import Any
from urllib.parse import parse_qsl

from alipay import (  # type: ignore[import-not-found]  # lives in an environment of its own
    AliPay,
    DCAliPay,
)
from alipay.exceptions import (  # type: ignore[import-not-found]  # the same
    AliPayException,
)

Ask = dict[str, Any]
PAGES = {"page": "page_pay", "wap": "wap_pay"}
PRODUCTS = {"page": "FAST_INSTANT_TRADE_PAY", "wap": "QUICK_WAP_WAY"}


def merchant(ask: Ask) -> Any:
    """Return the SDK's client: in certificate mode where there are certificates."""
    keys = ask["keys"]
    if certificates := ask.get("certificates"):
        pay = DCAliPay(
            appid=keys["app_id"],
            app_private_key_string=keys["app_private_key_pem"],
            app_public_key_cert_string=certificates["app_cert_pem"],
            alipay_public_key_cert_string=certificates["alipay_cert_pem"],
            alipay_root_cert_string=certificates["alipay_root_cert_pem"],
        )
    else:
        pay = AliPay(
            appid=keys["app_id"],
            app_private_key_string=keys["app_private_key_pem"],
            alipay_public_key_string=keys["alipay_public_key_pem"],
        )
    pay._gateway = keys["gateway_url"]  # noqa: SLF001 — it offers no other way
    return pay


def order(pay: Any, ask: Ask) -> Any:
    return pay.api_alipay_trade_precreate(
        "Pro 月度订阅", ask["out_trade_no"], "149.00", notify_url=ask["notify_url"]
    )


def page_url(pay: Any, ask: Ask) -> Any:
    """Sign the URL of a page; the SDK's own product code for `wap` is not the documented one."""
    way = ask["way"]
    query = getattr(pay, f"api_alipay_trade_{PAGES[way]}")(
        "Pro 月度订阅",
        ask["out_trade_no"],
        "149.00",
        return_url=ask["return_url"],
        product_code=PRODUCTS[way],
    )
    return f"{ask['keys']['gateway_url']}?{query}"


def query(pay: Any, ask: Ask) -> Any:
    try:
        return pay.api_alipay_trade_query(out_trade_no=ask["out_trade_no"])
    except AliPayException as refused:
        return {"refused": str(refused)}


def refund(pay: Any, ask: Ask) -> Any:
    return pay.api_alipay_trade_refund(
        "49.00", out_trade_no=ask["out_trade_no"], out_request_no=ask["out_request_no"]
    )


def query_refund(pay: Any, ask: Ask) -> Any:
    return pay.api_alipay_trade_fastpay_refund_query(
        ask["out_request_no"], out_trade_no=ask["out_trade_no"]
    )


def statement(pay: Any, ask: Ask) -> Any:
    method = "alipay.data.dataservice.bill.downloadurl.query"
    return pay.server_api(method, {"bill_type": "trade", "bill_date": ask["day"]})


def hear(pay: Any, ask: Ask) -> Any:
    form = dict(parse_qsl(ask["body"], strict_parsing=True))
    return {"verified": pay.verify(form, form.pop("sign"))}


STEPS = {
    "order": order,
    "page_url": page_url,
    "query": query,
    "refund": refund,
    "query_refund": query_refund,
    "statement": statement,
    "hear": hear,
}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(STEPS[asked["step"]](merchant(asked), asked), sys.stdout)
