"""WeChat Pay's certificates are fetched by one job for all processes, and kept half a day."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import redis
from flask import Flask

from app.channels.base import BadNotice
from app.core import clock
from app.extensions import Runtime, runtime
from app.identity.models import Mode
from jobs import channels
from tests.channels.signers import (
    ALIPAY,
    WECHAT,
    certificate,
    wechat_certificates,
    wechat_error,
    wechat_headers,
    wechat_notice,
    wechat_reply,
    wechat_trade,
)

SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
KEY = "wechat:certificates:sandbox"


class Console:
    """WeChat Pay, as far as it lists certificates; how often it was asked."""

    def __init__(self) -> None:
        self.has_certificates = True
        self.asked = 0

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        self.asked += 1
        if not self.has_certificates:
            reply = wechat_error(404, "RESOURCE_NOT_EXISTS")
            return reply.status, {}, reply.body
        pem = certificate(int(SERIAL, 16))
        body = wechat_reply(wechat_certificates({SERIAL: pem})).body
        return 200, wechat_headers(body, at=clock.now(), serial=SERIAL), body


@pytest.fixture
def console(app: Flask, queue: redis.Redis) -> Iterator[Console]:  # noqa: ARG001  # emptied
    console = Console()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = console.answer()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Keep the test output to the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    keys = accounts(f"http://127.0.0.1:{server.server_port}")
    folder: Path = app.extensions["buffmoney"].settings.instance_dir
    (folder / "simulator.json").write_text(json.dumps(keys))
    yield console
    runtime().channel_client.close()
    server.shutdown()
    thread.join()
    server.server_close()


def accounts(base_url: str) -> dict[str, object]:
    """Return accounts whose WeChat Pay signs with certificates, of which we know none."""
    merchant = WECHAT["merchant"]
    return {
        "wechat": {
            "base_url": base_url,
            "mchid": merchant["mchid"],
            "appid": merchant["appid"],
            "merchant_serial": merchant["api_cert_serial_no"],
            "merchant_private_key_pem": merchant["private_key_pem"],
            "api_v3_key": WECHAT["apiv3_key"],
        },
        "alipay": {
            "gateway_url": "http://127.0.0.1:1/gateway.do",
            "app_id": ALIPAY["app_id"],
            "seller_id": ALIPAY["seller_id"],
            "app_private_key_pem": ALIPAY["app_private_key_pkcs8"],
            "alipay_public_key_pem": ALIPAY["alipay_public_key"],
        },
    }


def test_another_process_believes_what_the_job_fetched(console: Console) -> None:
    channels.refresh_certificates()

    web = Runtime(runtime().settings)  # a process of its own would have one
    body = wechat_notice(wechat_trade())
    headers = wechat_headers(body, at=clock.now(), serial=SERIAL)
    assert web.wechat(Mode.SANDBOX).read_notice(headers, body, now=clock.now()).notice_id == "EV-1"
    assert console.asked == 1
    web.redis.close()
    web.channel_client.close()


def test_a_list_is_fetched_once_in_twelve_hours(console: Console, queue: redis.Redis) -> None:
    channels.refresh_certificates()
    channels.refresh_certificates()
    assert console.asked == 1
    assert 0 < queue.ttl(KEY) <= 12 * 3600

    queue.delete(KEY)  # as it is by its age
    channels.refresh_certificates()

    assert console.asked == 2


def test_what_is_kept_is_still_encrypted(console: Console, queue: redis.Redis) -> None:
    channels.refresh_certificates()

    kept = queue.get(KEY)
    assert isinstance(kept, bytes)
    assert b"ciphertext" in kept
    assert b"BEGIN CERTIFICATE" not in kept
    assert console.asked == 1


def test_a_list_somebody_else_wrote_teaches_nothing(console: Console, queue: redis.Redis) -> None:
    pem = certificate(int(SERIAL, 16), key=WECHAT["merchant"]["private_key_pem"])
    forged = wechat_certificates({SERIAL: pem}, api_v3_key="f" * 32)
    queue.set(KEY, json.dumps(forged))

    body = wechat_notice(wechat_trade())
    headers = wechat_headers(body, at=clock.now(), serial=SERIAL)
    with pytest.raises(BadNotice, match="serial"):
        runtime().wechat(Mode.SANDBOX).read_notice(headers, body, now=clock.now())
    assert console.asked == 0


def test_an_account_without_certificates_is_asked_again_later(
    console: Console, queue: redis.Redis
) -> None:
    console.has_certificates = False

    channels.refresh_certificates()
    channels.refresh_certificates()

    assert console.asked == 1
    assert 0 < queue.ttl(KEY) <= 600


def test_a_silent_channel_is_left_to_the_next_beat(app: Flask, queue: redis.Redis) -> None:
    folder: Path = app.extensions["buffmoney"].settings.instance_dir
    (folder / "simulator.json").write_text(json.dumps(accounts("http://127.0.0.1:1")))

    channels.refresh_certificates()

    assert not queue.exists(KEY)
    runtime().channel_client.close()


def test_without_channels_there_is_nothing_to_do(app: Flask, queue: redis.Redis) -> None:
    assert app.extensions["buffmoney"].settings.wechatpay.mchid == ""

    channels.refresh_certificates()

    assert not queue.exists(KEY)
