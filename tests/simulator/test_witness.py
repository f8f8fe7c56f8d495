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
from pathlib import Path
from typing import Any

import pytest

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
