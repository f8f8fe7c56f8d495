"""Other people's SDKs, as published, order, query and verify against the simulator.

Each lives in an environment of its own, made once under `instance/witness`: the product does
not depend on them, and one of them would not even install beside its like.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.simulator.clock import CHINA
from tests.simulator.conftest import ROOT, Simulator, Sink
from tests.simulator.merchant import new_number

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
Step = Callable[..., Any]


def interpreter(name: str) -> Path:
    """Return the Python that has what `<name>.lock` names; skip where it can not be fetched."""
    lock = HERE / f"{name}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = ROOT / "instance" / "witness" / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python, ready = folder / "bin" / "python", folder / "ready"
    with (folder.parent / f"{name}.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # several test processes want it at once
        if not ready.exists():
            run([sys.executable, "-m", "venv", "--clear", str(folder)], name)
            install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
            run([str(python), *install], name)
            ready.touch()
    return python


def run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{name} can not be installed here: {done.stderr.strip()[-300:]}")


def witness(name: str, script: str, keys: dict[str, Any]) -> Step:
    python = interpreter(name)

    def step(step: str, **ask: object) -> Any:
        done = subprocess.run(
            [python, HERE / script],
            input=json.dumps({"step": step, "keys": keys, **ask}),
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return step


def paid_on(answer: httpx.Response) -> str:
    """Return the Chinese day of a payment."""
    paid_at = datetime.fromisoformat(answer.json()["paidAt"])
    return paid_at.astimezone(CHINA).date().isoformat()


def test_wechatpayv3_orders_queries_closes_and_hears(simulator: Simulator, sink: Sink) -> None:
    step = witness("wechatpayv3", "witness_wechat.py", simulator.keys["wechat"])
    out_trade_no, unpaid = new_number(), new_number()
    path = f"/{out_trade_no}"

    status, ordered = step("order", out_trade_no=out_trade_no, notify_url=sink.url(path))
    assert status == 200
    simulator.control("pay", qr=json.loads(ordered)["code_url"])
    [notice] = sink.wait(path)
    status, queried = step("query", out_trade_no=out_trade_no)
    assert status == 200
    body = notice.body.decode()
    heard = step("hear", out_trade_no="", headers=dict(notice.headers), body=body)
    tampered = body.replace("TRANSACTION.SUCCESS", "TRANSACTION.SUCCES5")
    unheard = step("hear", out_trade_no="", headers=dict(notice.headers), body=tampered)
    step("order", out_trade_no=unpaid, notify_url=sink.url("/unpaid"))

    assert heard["event_type"] == "TRANSACTION.SUCCESS"
    assert heard["resource"] == json.loads(queried)
    assert heard["resource"]["trade_state"] == "SUCCESS"
    assert heard["resource"]["amount"]["total"] == 29_900
    assert unheard is None
    assert step("close", out_trade_no=unpaid)[0] == 204
    assert step("query", out_trade_no="nobodys-order")[0] == 404


def test_wechatpayv3_with_another_key_is_refused(simulator: Simulator) -> None:
    stranger = simulator.keys["wechat"]
    stranger["merchant_private_key_pem"] = simulator.keys["alipay"]["app_private_key_pem"]
    step = witness("wechatpayv3", "witness_wechat.py", stranger)

    status, answer = step("query", out_trade_no="whatever")

    assert status == 401
    assert json.loads(answer)["code"] == "SIGN_ERROR"


def test_python_alipay_sdk_orders_queries_and_hears(simulator: Simulator, sink: Sink) -> None:
    step = witness("alipay", "witness_alipay.py", simulator.keys["alipay"])
    out_trade_no = new_number()
    path = f"/{out_trade_no}"

    ordered = step("order", out_trade_no=out_trade_no, notify_url=sink.url(path))
    before = step("query", out_trade_no=out_trade_no)
    simulator.control("pay", qr=ordered["qr_code"])
    [notice] = sink.wait(path)
    queried = step("query", out_trade_no=out_trade_no)
    body = notice.body.decode()
    heard = step("hear", out_trade_no="", body=body)
    unheard = step("hear", out_trade_no="", body=body.replace("149.00", "149.01"))

    assert before["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert queried["trade_status"] == "TRADE_SUCCESS"
    assert queried["total_amount"] == "149.00"
    assert heard == {"verified": True}
    assert unheard == {"verified": False}


def test_python_alipay_sdk_with_another_key_is_refused(simulator: Simulator) -> None:
    stranger = simulator.keys["alipay"]
    stranger["app_private_key_pem"] = simulator.keys["wechat"]["merchant_private_key_pem"]
    step = witness("alipay", "witness_alipay.py", stranger)

    assert "isv.invalid-signature" in json.dumps(step("query", out_trade_no="whatever"))


def test_wechatpayv3_opens_what_is_paid_without_a_code(simulator: Simulator) -> None:
    step = witness("wechatpayv3", "witness_wechat.py", simulator.keys["wechat"])
    mobile, inside = new_number(), new_number()
    scene = {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}
    ask = {"notify_url": "http://127.0.0.1:9/never"}
    payer = {"openid": "oSimulatedPayer0000000000000"}

    h5, answer = step("order", out_trade_no=mobile, pay_type="H5", scene_info=scene, **ask)
    jsapi, prepaid = step("order", out_trade_no=inside, pay_type="JSAPI", payer=payer, **ask)
    signed = step("invocation", prepay_id=json.loads(prepaid)["prepay_id"])
    opened = simulator.get(f"/wechat/jsapi?{urlencode(signed)}")

    assert (h5, jsapi) == (200, 200)
    assert simulator.control("pay", qr=json.loads(answer)["h5_url"]).is_success
    assert opened.headers["Location"].startswith("/pay?qr=wx")


def test_wechatpayv3_refunds_and_reads_the_statement(simulator: Simulator, sink: Sink) -> None:
    step = witness("wechatpayv3", "witness_wechat.py", simulator.keys["wechat"])
    out_trade_no, out_refund_no = new_number(), new_number()
    path = f"/{out_refund_no}"
    numbers = {"out_trade_no": out_trade_no, "out_refund_no": out_refund_no}
    simulator.wechat.order(out_trade_no)
    day = paid_on(simulator.control("pay", outTradeNo=out_trade_no))

    accepted, _ = step("refund", notify_url=sink.url(path), **numbers)
    [notice] = sink.wait(path)
    heard = step("hear", headers=dict(notice.headers), body=notice.body.decode())
    found, refund = step("query_refund", **numbers)
    simulator.control("clock", advanceSeconds=2 * 86_400)
    read, statement = step("statement", day=day)
    simulator.control("clock", reset=True)

    assert (accepted, found, read) == (200, 200, 200)
    assert heard["event_type"] == "REFUND.SUCCESS"
    assert heard["resource"]["out_refund_no"] == out_refund_no
    assert json.loads(refund)["status"] == "SUCCESS"
    assert f"`{out_refund_no},`99.00" in statement


def test_wechatpayv3_verifies_by_a_platform_certificate(simulator: Simulator, sink: Sink) -> None:
    step = witness("wechatpayv3", "witness_wechat.py", simulator.keys["wechat"])
    out_trade_no = new_number()
    path = f"/{out_trade_no}"
    simulator.control("keys", signsWith="certificate")
    simulator.wechat.order(out_trade_no, notify_url=sink.url(path))
    simulator.control("pay", outTradeNo=out_trade_no)
    [notice] = sink.wait(path)

    heard = step("hear_with_certificates", headers=dict(notice.headers), body=notice.body.decode())

    simulator.control("keys", signsWith="public_key")
    assert len(notice.headers["Wechatpay-Serial"]) == 40
    assert heard["resource"]["out_trade_no"] == out_trade_no


def test_python_alipay_sdk_opens_pages_refunds_and_asks_for_the_statement(
    simulator: Simulator,
) -> None:
    step = witness("alipay", "witness_alipay.py", simulator.keys["alipay"])
    desktop, mobile, request = new_number(), new_number(), new_number()
    ways = {desktop: "page", mobile: "wap"}

    for number, way in ways.items():
        back = "http://merchant.example/back"
        url = step("page_url", out_trade_no=number, way=way, return_url=back)
        assert simulator.get(url.removeprefix(simulator.url)).status_code == 302
        day = paid_on(simulator.control("pay", outTradeNo=number))
    done = step("refund", out_trade_no=desktop, out_request_no=request)
    found = step("query_refund", out_trade_no=desktop, out_request_no=request)
    simulator.control("clock", advanceSeconds=2 * 86_400)
    statement = step("statement", day=day)
    simulator.control("clock", reset=True)

    assert (done["fund_change"], done["refund_fee"]) == ("Y", "49.00")
    assert (found["refund_status"], found["refund_amount"]) == ("REFUND_SUCCESS", "49.00")
    assert statement["bill_download_url"].startswith(simulator.url)


def test_python_alipay_sdk_works_by_certificates(simulator: Simulator) -> None:
    step = witness("alipay", "witness_alipay.py", simulator.keys["alipay"])
    out_trade_no = new_number()
    simulator.alipay.order(out_trade_no)
    simulator.control("pay", outTradeNo=out_trade_no)

    certificates = simulator.keys["alipay_certificates"]
    queried = step("query", out_trade_no=out_trade_no, certificates=certificates)

    assert queried["trade_status"] == "TRADE_SUCCESS"
