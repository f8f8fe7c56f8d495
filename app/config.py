"""Settings: read once from the environment, typed, refused when wrong.

`docs/settings.md` is generated from the fields below (`make docs`): their order, their metadata
and their defaults are what an operator reads.
"""

import contextlib
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
_INSTANCE = ROOT / "instance"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_KEY_BYTES = 32
SIMULATOR_KEYS = "simulator.json"


class BadSetting(ValueError):
    """A setting is missing or wrong; the process does not start. The message names it."""


def _setting(default: Any, about: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"about": about, "secret": secret}, repr=not secret)


@dataclass(frozen=True)
class WechatPayAccount:
    """The account at WeChat Pay: ids, and the files its keys are in. Nothing set: there is none."""

    base_url: str = _setting("https://api.mch.weixin.qq.com", "Where WeChat Pay's API v3 is.")
    mchid: str = _setting("", "Our merchant number at WeChat Pay.")
    appid: str = _setting("", "The application that payments are made under, bound to `mchid`.")
    merchant_serial: str = _setting("", "The serial of our API certificate.")
    private_key_file: str = _setting("", "Its private key, `apiclient_key.pem`.")
    api_v3_key_file: str = _setting("", "A file with the APIv3 key, 32 characters.")
    public_key_id: str = _setting("", "`PUB_KEY_ID_…`. Empty: the account has certificates only.")
    public_key_file: str = _setting("", "WeChat Pay's public key, `pub_key.pem`.")
    platform_keys: str = _setting(
        "", "Further keys of WeChat Pay while one replaces the other: `SERIAL=FILE,SERIAL=FILE`."
    )
    app_secret_file: str = _setting(
        "", "A file with the application's secret. Empty: no payment inside WeChat."
    )
    authorize_url: str = _setting(
        "https://open.weixin.qq.com/connect/oauth2/authorize", "Where WeChat asks its user."
    )
    token_url: str = _setting(
        "https://api.weixin.qq.com/sns/oauth2/access_token", "Where WeChat says who he is."
    )

    needed = ("mchid", "appid", "merchant_serial", "private_key_file", "api_v3_key_file")
    together = ("public_key_id", "public_key_file")
    urls = ("base_url", "authorize_url", "token_url")

    def read(self) -> dict[str, Any]:
        """Return account and keys as `simulator.json` has them; nothing of none."""
        if self == WechatPayAccount():
            return {}
        further = [pair.partition("=") for pair in _split(self.platform_keys)]
        account = {
            "base_url": self.base_url,
            "mchid": self.mchid,
            "appid": self.appid,
            "merchant_serial": self.merchant_serial,
            "merchant_private_key_pem": _read(self.private_key_file),
            "api_v3_key": _read(self.api_v3_key_file).strip(),
            "platform_public_key_id": self.public_key_id,
            "platform_public_key_pem": _read(self.public_key_file),
            "platform_keys": {serial: _read(file) for serial, _, file in further},
        }
        login = {
            "authorize_url": self.authorize_url,
            "token_url": self.token_url,
            "appid": self.appid,
            "app_secret": _read(self.app_secret_file).strip(),
        }
        return {"wechat": account} | ({"wechat_login": login} if self.app_secret_file else {})


@dataclass(frozen=True)
class AlipayAccount:
    """The application at Alipay: ids, and the files its keys are in. Nothing set: there is none."""

    gateway: str = _setting("https://openapi.alipay.com/gateway.do", "Where Alipay's gateway is.")
    app_id: str = _setting("", "Our application at Alipay.")
    seller_id: str = _setting("", "The account that is paid, `2088…`.")
    private_key_file: str = _setting("", "The application's private key.")
    public_key_file: str = _setting("", "Alipay's public key or certificate; never our own.")
    further_key_files: str = _setting(
        "", "Further keys or certificates of Alipay while one replaces the other, comma-separated."
    )
    app_certificate_file: str = _setting(
        "", "Our application's certificate. Empty: public-key mode."
    )
    root_certificates_file: str = _setting("", "Alipay's roots, for certificate mode.")
    product_code: str = _setting(
        "QR_CODE_OFFLINE", "What the contract calls payments by a code on our page."
    )

    needed = ("app_id", "seller_id", "private_key_file", "public_key_file")
    together = ("app_certificate_file", "root_certificates_file")
    urls = ("gateway",)

    def read(self) -> dict[str, Any]:
        """Return application and keys as `simulator.json` has them; nothing of none."""
        if self == AlipayAccount():
            return {}
        application = {
            "gateway_url": self.gateway,
            "app_id": self.app_id,
            "seller_id": self.seller_id,
            "app_private_key_pem": _read(self.private_key_file),
            "alipay_public_key_pem": _read(self.public_key_file),
            "product_code": self.product_code,
            "alipay_keys": tuple(_read(file) for file in _split(self.further_key_files)),
            "app_certificate_pem": _read(self.app_certificate_file),
            "alipay_root_certificates_pem": _read(self.root_certificates_file),
        }
        return {"alipay": application}


Account = WechatPayAccount | AlipayAccount

ACCOUNTS: dict[str, type[Account]] = {
    "wechatpay": WechatPayAccount,
    "alipay": AlipayAccount,
    "sandbox_wechatpay": WechatPayAccount,
    "sandbox_alipay": AlipayAccount,
}
"""The fields of `Settings` that stand for several settings, which begin with their name."""


@dataclass(frozen=True)
class Settings:
    """What the product can be told from outside. Empty means: the embedded part, or the default."""

    database_url: str = _setting(
        "", "The owner's login: set-up and migrations only. Empty: embedded PostgreSQL."
    )
    app_database_url: str = _setting("", "Login `bm_app` of the web doors. Empty: made at start.")
    worker_database_url: str = _setting("", "Login `bm_worker` of the jobs. Empty: made at start.")
    reader_database_url: str = _setting(
        "", "Login `bm_ops_ro`, reads all merchants. Empty: made at start."
    )
    redis_url: str = _setting("", "Queue and rate limits. Empty: embedded Valkey.")
    queue_redis_urls: str = _setting("", "Several queues, comma-separated. Empty: `REDIS_URL`.")
    smtp_url: str = _setting(
        "", "`smtp://user:password@host:587`. Empty: mails become files.", secret=True
    )
    mail_from: str = _setting("BuffMoney <billing@buffmoney.example>", "The sender of our mails.")
    storage_url: str = _setting("", "Folder or `s3://bucket`. Empty: `documents/` of the instance.")
    public_url: str = _setting("", "How the world reaches us. Empty: `http://HOST:PORT`.")
    host: str = _setting("127.0.0.1", "The address the web server listens on.")
    port: int = _setting(8000, "The port the web server listens on.")
    simulator_port: int = _setting(0, "The port of the channel simulator. 0: `PORT` + 1.")
    web_concurrency: int = _setting(2, "Web server processes.")
    instance_dir: Path = _setting(  # noqa: RUF009  # `_setting` is dataclasses.field
        _INSTANCE, "Where data, keys and logs of this host lie."
    )
    secret_key: str = _setting("", "Signs forms. Empty: made once and kept.", secret=True)
    bm_kek_1: str = _setting(
        "", "Key-encryption key, 64 hex digits. Empty: made once and kept.", secret=True
    )
    fx_provider: str = _setting("fixture", "Where midpoints come from; `fixture` is the sandbox's.")
    webhook_allow_loopback: bool = _setting(
        default=False, about="Let sandbox merchants register loopback webhook URLs."
    )
    trusted_proxies: int = _setting(0, "How many proxies in front set `X-Forwarded-*`.")
    metrics_token: str = _setting(
        "", "Bearer token of `/metrics`. Empty: loopback only.", secret=True
    )
    wechatpay: WechatPayAccount = WechatPayAccount()
    alipay: AlipayAccount = AlipayAccount()
    sandbox_wechatpay: WechatPayAccount = WechatPayAccount()
    sandbox_alipay: AlipayAccount = AlipayAccount()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the environment. Raises BadSetting on a value of the wrong form.

        What it does not name of a product that runs on the same instance is taken from there, so
        that commands reach it without a setting.
        """
        environ = os.environ if environ is None else environ
        environ = {**_of_running_product(environ), **environ}
        given: dict[str, Any] = {
            item.name: _parse(item.name.upper(), environ[item.name.upper()], item.default)
            for item in fields(cls)
            if item.name not in ACCOUNTS and environ.get(item.name.upper(), "") != ""
        }
        given |= {
            name: _read_account(_prefix(name), kind, environ) for name, kind in ACCOUNTS.items()
        }
        settings = cls(**given)
        settings.check()
        return settings

    def check(self) -> None:
        """Raise BadSetting when settings contradict each other or themselves."""
        for name in ("database_url", "app_database_url", "worker_database_url"):
            url = getattr(self, name)
            if url and not url.startswith(("postgresql://", "postgresql+psycopg://")):
                raise BadSetting(f"{name.upper()} must be a postgresql:// URL")
        if self.bm_kek_1 and len(bytes.fromhex(self.bm_kek_1)) != _KEY_BYTES:
            raise BadSetting("BM_KEK_1 must be 64 hex digits")
        if self.secret_key and len(self.secret_key) < _KEY_BYTES:
            raise BadSetting("SECRET_KEY must have at least 32 characters")
        if self.public_url and urlsplit(self.public_url).scheme not in {"http", "https"}:
            raise BadSetting("PUBLIC_URL must start with http:// or https://")
        for name in ACCOUNTS:
            _check_account(_prefix(name), getattr(self, name))

    @property
    def base_url(self) -> str:
        """Where the product is reached, without a slash at the end."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    @property
    def is_https(self) -> bool:
        return self.base_url.startswith("https://")

    @property
    def is_loopback(self) -> bool:
        return self.host in _LOOPBACK

    @property
    def simulator_address(self) -> int:
        return self.simulator_port or self.port + 1

    def kept(self, name: str, size: int = 48) -> str:
        """Return a secret of this instance, made at first use and kept in a file of mode 0600.

        Several processes may ask at once: the file appears whole, and the first one wins.
        """
        path = self.instance_dir / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{name}.{os.getpid()}.{secrets.token_hex(4)}")
            draft.touch(0o600)
            draft.write_text(secrets.token_hex(size))
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path.read_text()

    @property
    def signing_key(self) -> str:
        return self.secret_key or self.kept("secret_key")

    @property
    def kek(self) -> bytes:
        return bytes.fromhex(self.bm_kek_1 or self.kept("kek_1", _KEY_BYTES))

    @property
    def pepper(self) -> bytes:
        """The key under which random secrets (API keys, sessions) are hashed."""
        return hmac.new(self.kek, b"pepper", hashlib.sha256).digest()


def _of_running_product(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the URLs that the supervisor of this instance wrote down, if one runs."""
    record = Path(environ.get("INSTANCE_DIR") or _INSTANCE) / "services.json"
    if not record.exists():
        return {}
    urls: dict[str, str] = json.loads(record.read_text())["environment"]
    return urls


def live_channels(settings: Settings) -> dict[str, Any]:
    """Read the accounts of live payments: those that are set. Raises BadSetting."""
    return settings.wechatpay.read() | settings.alipay.read()


def sandbox_channels(settings: Settings) -> dict[str, Any]:
    """Read the accounts of sandbox merchants: the simulator's but for those that are set.

    Until the simulator has started they may be missing. Raises BadSetting.
    """
    own = settings.sandbox_wechatpay.read() | settings.sandbox_alipay.read()
    has_simulator = (settings.instance_dir / SIMULATOR_KEYS).exists()
    found = simulator_set(settings) if has_simulator else {}
    if "wechat" in own:
        found.pop("wechat_login", None)  # it goes with the account
    return found | own


def simulated_channels(settings: Settings) -> set[str]:
    """Name the channels whose sandbox payers the simulator plays: where no other account is set.

    None is named before it has started. Raises BadSetting.
    """
    if not (settings.instance_dir / SIMULATOR_KEYS).exists():
        return set()
    own = settings.sandbox_wechatpay.read() | settings.sandbox_alipay.read()
    return {"wechat", "alipay"} - own.keys()


def simulator_set(settings: Settings) -> dict[str, Any]:
    """Read the sandbox channels' addresses and keys, written by the simulator at its start."""
    path = settings.instance_dir / SIMULATOR_KEYS
    if not path.exists():
        raise BadSetting(f"{path} is missing: the channel simulator has not started yet")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _read(file: str) -> str:
    """Return the text of a key file; of none, nothing."""
    try:
        return Path(file).read_text("utf-8") if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"the key file {file} can not be read: {error}") from error


def _split(listed: str) -> list[str]:
    return [item.strip() for item in listed.split(",") if item.strip()]


def _prefix(account: str) -> str:
    return f"{account.upper()}_"


def _read_account(prefix: str, kind: type[Account], environ: Mapping[str, str]) -> Account:
    names = [item.name for item in fields(kind)]
    given = {name: environ.get(f"{prefix}{name.upper()}", "") for name in names}
    return kind(**{name: text for name, text in given.items() if text})


def _check_account(prefix: str, account: Account) -> None:
    """Refuse half an account; a live one also where it does not lead to the real channel."""
    if account == type(account)():
        return
    is_together = any(getattr(account, name) for name in account.together)
    needed = account.needed + (account.together if is_together else ())
    missing = [name for name in needed if not getattr(account, name)]
    if missing:
        listed = ", ".join(f"{prefix}{name.upper()}" for name in missing)
        raise BadSetting(f"{listed} must be set as well, or nothing of {prefix}*")
    for name in account.urls if not prefix.startswith("SANDBOX_") else ():
        url = urlsplit(getattr(account, name))
        if url.scheme != "https" or not url.hostname or _is_internal(url.hostname):
            raise BadSetting(f"{prefix}{name.upper()} must be an https:// URL outside our network")


def _is_internal(host: str) -> bool:
    """Tell loopback and private addresses: no real channel is there, a simulator may be."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.rstrip(".").endswith(("localhost", ".local", ".internal"))


def _parse(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text not in {"0", "1"}:
            raise BadSetting(f"{name} must be 0 or 1")
        return text == "1"
    if isinstance(default, int):
        if not text.isascii() or not text.isdigit():
            raise BadSetting(f"{name} must be a number")
        return int(text)
    return Path(text).resolve() if isinstance(default, Path) else text
