"""Accounts are read from settings and files, live ones lead to the real channels or nowhere."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.channels.base import ChannelName, Method
from app.config import BadSetting, Settings
from app.extensions import ChannelNotConfigured, Runtime
from app.identity.models import Mode
from tests.channels.signers import ALIPAY, PLATFORM_ID, WECHAT

NOBODY = "redis://127.0.0.1:1/0"


@dataclass
class Operator:
    """Somebody who sets accounts: `keys` become files, and `set_all` what a start would read."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    opened: list[Runtime] = field(default_factory=list)

    def file(self, name: str, content: str) -> str:
        path = self.folder / name
        path.write_text(content)
        return str(path)

    def set(self, prefix: str = "", **values: str) -> None:
        self.environ |= {f"{prefix}{name}": value for name, value in values.items()}

    def set_wechat(self, prefix: str = "", **changes: str) -> None:
        values = {
            "WECHATPAY_MCHID": "1900000009",
            "WECHATPAY_APPID": "wxd678efh567hg6787",
            "WECHATPAY_MERCHANT_SERIAL": "5157F09EFDC096DE15EBE81A47057A7232F1B8E1",
            "WECHATPAY_PRIVATE_KEY_FILE": self.file("apiclient_key.pem", OWN[0]),
            "WECHATPAY_API_V3_KEY_FILE": self.file("api_v3_key", "k" * 32 + "\n"),
            "WECHATPAY_PUBLIC_KEY_ID": "PUB_KEY_ID_9",
            "WECHATPAY_PUBLIC_KEY_FILE": self.file("pub_key.pem", THEIRS[1]),
        }
        self.set(prefix, **values | changes)

    def set_alipay(self, prefix: str = "", **changes: str) -> None:
        values = {
            "ALIPAY_APP_ID": "2021000122671099",
            "ALIPAY_SELLER_ID": "2088101122136299",
            "ALIPAY_PRIVATE_KEY_FILE": self.file("app_key.pem", OWN[0]),
            "ALIPAY_PUBLIC_KEY_FILE": self.file("alipay_key.pem", THEIRS[1]),
        }
        self.set(prefix, **values | changes)

    def start(self) -> Runtime:
        environ = {"INSTANCE_DIR": str(self.folder), "REDIS_URL": NOBODY, **self.environ}
        runtime = Runtime(Settings.from_environ(environ))
        self.opened.append(runtime)
        _ = runtime.live_gateways  # as every process does
        return runtime


def pair() -> tuple[str, str]:
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


OWN, THEIRS = pair(), pair()


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    operator = Operator(tmp_path)
    yield operator
    for runtime in operator.opened:
        runtime.redis.close()
        runtime.channel_client.close()


@pytest.fixture
def simulator(operator: Operator) -> Operator:
    """Add the file a simulator leaves: the accounts of the vectors."""
    merchant = WECHAT["merchant"]
    found = {
        "wechat": {
            "base_url": "http://127.0.0.1:1",
            "mchid": merchant["mchid"],
            "appid": merchant["appid"],
            "merchant_serial": merchant["api_cert_serial_no"],
            "merchant_private_key_pem": merchant["private_key_pem"],
            "api_v3_key": WECHAT["apiv3_key"],
            "platform_public_key_id": PLATFORM_ID,
            "platform_public_key_pem": WECHAT["platform"]["public_key_pem"],
        },
        "alipay": {
            "gateway_url": "http://127.0.0.1:1/gateway.do",
            "app_id": ALIPAY["app_id"],
            "seller_id": ALIPAY["seller_id"],
            "app_private_key_pem": ALIPAY["app_private_key_pkcs8"],
            "alipay_public_key_pem": ALIPAY["alipay_public_key"],
        },
        "wechat_login": {
            "authorize_url": "http://127.0.0.1:1/connect/oauth2/authorize",
            "token_url": "http://127.0.0.1:1/sns/oauth2/access_token",
            "appid": merchant["appid"],
            "app_secret": "sandbox",
        },
        "payer_url": "http://127.0.0.1:1/pay",
    }
    operator.file("simulator.json", json.dumps(found))
    return operator


def test_nothing_set_is_nothing_configured(simulator: Operator) -> None:
    runtime = simulator.start()

    assert runtime.channels(Mode.SANDBOX).keys() == set(ChannelName)
    assert runtime.channels(Mode.LIVE) == {}
    for name in ChannelName:
        assert runtime.channel(name, Mode.SANDBOX).name is name
        with pytest.raises(ChannelNotConfigured):
            runtime.channel(name, Mode.LIVE)
    with pytest.raises(ChannelNotConfigured):
        runtime.wechat_login(Mode.LIVE)
    assert runtime.wechat_login(Mode.SANDBOX).authorize_url("http://x", state="1")


def test_without_a_simulator_the_sandbox_has_no_channel(operator: Operator) -> None:
    runtime = operator.start()

    with pytest.raises(ChannelNotConfigured, match="simulator"):
        runtime.channel(ChannelName.WECHAT, Mode.SANDBOX)


def test_live_accounts_are_read_from_files(simulator: Operator) -> None:
    simulator.set_wechat(WECHATPAY_APP_SECRET_FILE=simulator.file("secret", "s3cret\n"))
    simulator.set_alipay()

    runtime = simulator.start()

    assert Method.JSAPI in runtime.wechat(Mode.LIVE).methods
    assert runtime.channel(ChannelName.ALIPAY, Mode.LIVE).name is ChannelName.ALIPAY
    url = runtime.wechat_login(Mode.LIVE).authorize_url("https://pay.example.com", state="1")
    assert url.startswith("https://open.weixin.qq.com/connect/oauth2/authorize?appid=wxd678")


def test_one_channel_alone_may_be_live(operator: Operator) -> None:
    operator.set_alipay()

    runtime = operator.start()

    assert runtime.channels(Mode.LIVE).keys() == {ChannelName.ALIPAY}
    with pytest.raises(ChannelNotConfigured):
        runtime.channel(ChannelName.WECHAT, Mode.LIVE)


def test_an_account_may_have_certificates_only_and_further_keys(operator: Operator) -> None:
    entry = WECHAT["platform_certificate_mode"]
    serial = entry["response"]["data"][0]["serial_no"]
    file = operator.file("platform.pem", entry["certificate_pem"])
    operator.set_wechat(
        WECHATPAY_PUBLIC_KEY_ID="",
        WECHATPAY_PUBLIC_KEY_FILE="",
        WECHATPAY_PLATFORM_KEYS=f"{serial}={file}, PUB_KEY_ID_8={operator.folder}/pub_key.pem",
    )
    operator.set_alipay(ALIPAY_FURTHER_KEY_FILES=f"{operator.folder}/pub_key.pem")

    assert operator.start().wechat(Mode.LIVE)


def test_the_sandbox_may_have_accounts_of_its_own(simulator: Operator) -> None:
    simulator.set_wechat("SANDBOX_", WECHATPAY_BASE_URL="http://127.0.0.1:9")

    runtime = simulator.start()

    assert runtime.channel(ChannelName.WECHAT, Mode.SANDBOX)
    assert runtime.channel(ChannelName.ALIPAY, Mode.SANDBOX)
    with pytest.raises(ChannelNotConfigured):  # the simulator's belongs to the simulator's account
        runtime.wechat_login(Mode.SANDBOX)
    assert not runtime.is_simulated(ChannelName.WECHAT, Mode.SANDBOX)
    assert runtime.is_simulated(ChannelName.ALIPAY, Mode.SANDBOX)
    assert not runtime.is_simulated(ChannelName.ALIPAY, Mode.LIVE)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        (name, url)
        for name in ("WECHATPAY_BASE_URL", "WECHATPAY_TOKEN_URL", "ALIPAY_GATEWAY")
        for url in (
            "http://api.mch.weixin.qq.com",
            "https://127.0.0.1:8001",
            "https://127.1.2.3",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://10.0.0.7",
            "https://0.0.0.0",
            "https://169.254.169.254",
            "https://localhost:8001",
            "https://LOCALHOST.",
            "https://simulator.localhost",
            "ftp://api.mch.weixin.qq.com",
            "https://",
            "api.mch.weixin.qq.com",
        )
    ],
)
def test_live_payments_lead_to_no_simulator(operator: Operator, *, name: str, url: str) -> None:
    operator.set_wechat()
    operator.set_alipay()
    operator.set(**{name: url})

    with pytest.raises(BadSetting, match=name):
        operator.start()


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o.set_wechat(WECHATPAY_MCHID=WECHAT["merchant"]["mchid"]),
        lambda o: o.set_wechat(WECHATPAY_API_V3_KEY_FILE=o.file("v3", WECHAT["apiv3_key"])),
        lambda o: o.set_wechat(
            WECHATPAY_PRIVATE_KEY_FILE=o.file("k", WECHAT["merchant"]["private_key_pem"])
        ),
        lambda o: o.set_wechat(
            WECHATPAY_PUBLIC_KEY_FILE=o.file("p", WECHAT["platform"]["public_key_pem"])
        ),
        lambda o: o.set_wechat(
            WECHATPAY_PLATFORM_KEYS="X=" + o.file("p", WECHAT["platform"]["public_key_pem"])
        ),
        lambda o: o.set_alipay(ALIPAY_APP_ID=ALIPAY["app_id"]),
        lambda o: o.set_alipay(ALIPAY_SELLER_ID=ALIPAY["seller_id"]),
        lambda o: o.set_alipay(
            ALIPAY_PRIVATE_KEY_FILE=o.file("k", ALIPAY["app_private_key_pkcs1"])
        ),
        lambda o: o.set_alipay(ALIPAY_PUBLIC_KEY_FILE=o.file("p", ALIPAY["alipay_public_key"])),
        lambda o: o.set_alipay(ALIPAY_FURTHER_KEY_FILES=o.file("p", ALIPAY["alipay_public_key"])),
    ],
    ids=[
        "merchant number",
        "APIv3 key",
        "merchant's key",
        "platform's key",
        "platform's further key",
        "application",
        "seller",
        "application's key, written otherwise",
        "Alipay's key",
        "Alipay's further key",
    ],
)
def test_live_payments_refuse_what_is_the_simulators(
    simulator: Operator, change: Callable[[Operator], None]
) -> None:
    change(simulator)

    with pytest.raises(BadSetting, match="sandbox"):
        simulator.start()


def test_live_payments_refuse_the_sandboxes_own_account(operator: Operator) -> None:
    operator.set_wechat()
    operator.set_alipay()
    operator.set_wechat("SANDBOX_")
    operator.set_alipay("SANDBOX_")

    with pytest.raises(BadSetting, match="sandbox"):
        operator.start()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda o: o.set(WECHATPAY_MCHID="1"), "WECHATPAY_APPID"),
        (lambda o: o.set(ALIPAY_APP_ID="1"), "ALIPAY_SELLER_ID"),
        (lambda o: o.set(SANDBOX_ALIPAY_APP_ID="1"), "SANDBOX_ALIPAY_SELLER_ID"),
        (lambda o: o.set_wechat(WECHATPAY_PUBLIC_KEY_ID=""), "WECHATPAY_PUBLIC_KEY_ID"),
        (lambda o: o.set_wechat(WECHATPAY_PUBLIC_KEY_FILE=""), "WECHATPAY_PUBLIC_KEY_FILE"),
        (lambda o: o.set_alipay(ALIPAY_APP_CERTIFICATE_FILE="x"), "ALIPAY_ROOT_CERTIFICATES_FILE"),
        (lambda o: o.set_wechat(WECHATPAY_PRIVATE_KEY_FILE="/nowhere.pem"), "/nowhere.pem"),
        (
            lambda o: o.set_wechat(WECHATPAY_API_V3_KEY_FILE=o.file("v3", "short")),
            "WeChat Pay: an APIv3 key",
        ),
        (
            lambda o: o.set_alipay(ALIPAY_PUBLIC_KEY_FILE=o.file("p", "no key")),
            "Alipay: the channel",
        ),
        (
            lambda o: o.set_alipay(ALIPAY_PRIVATE_KEY_FILE=o.file("p", OWN[1])),
            "Alipay: our private",
        ),
    ],
)
def test_half_an_account_and_a_bad_key_end_the_start(
    operator: Operator, *, change: Callable[[Operator], None], why: str
) -> None:
    change(operator)

    with pytest.raises(BadSetting, match=why):
        operator.start()


def test_a_refused_key_is_not_shown(operator: Operator) -> None:
    operator.set_wechat(WECHATPAY_API_V3_KEY_FILE=operator.file("v3", "x" * 33))

    with pytest.raises(BadSetting) as caught:
        operator.start()

    assert "x" * 33 not in str(caught.value)
