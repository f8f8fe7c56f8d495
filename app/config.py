"""Settings: read once from the environment, typed, refused when wrong.

`docs/settings.md` is generated from the fields below (`python -m app.config`): their order,
their metadata and their defaults are what an operator reads.
"""

import contextlib
import hashlib
import hmac
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


class BadSetting(ValueError):
    """A setting is missing or wrong; the process does not start. The message names it."""


def _setting(default: Any, about: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"about": about, "secret": secret}, repr=not secret)


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

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the environment. Raises BadSetting on a value of the wrong form.

        What it does not name of a product that runs on the same instance is taken from there, so
        that commands reach it without a setting.
        """
        environ = os.environ if environ is None else environ
        environ = {**_of_running_product(environ), **environ}
        given = {
            item.name: _parse(item.name.upper(), environ[item.name.upper()], item.default)
            for item in fields(cls)
            if environ.get(item.name.upper(), "") != ""
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


def simulator_set(settings: Settings) -> dict[str, Any]:
    """Read the sandbox channels' addresses and keys, written by the simulator at its start."""
    path = settings.instance_dir / "simulator.json"
    if not path.exists():
        raise BadSetting(f"{path} is missing: the channel simulator has not started yet")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


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


def reference() -> str:
    """Return `docs/settings.md`: every setting, its default and what it does."""
    rows = [
        f"| `{item.name.upper()}` | {_shown_default(item.default)} | {item.metadata['about']} |"
        for item in fields(Settings)
    ]
    head = "# Settings\n\nRead once, from the environment. Generated by `make docs`.\n\n"
    return head + "\n".join(["| name | default | what it does |", "|---|---|---|", *rows]) + "\n"


def _shown_default(default: Any) -> str:
    if default == "":
        return "(empty)"
    if isinstance(default, Path):
        return f"`{default.relative_to(ROOT)}/`"
    return f"`{int(default) if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    (ROOT / "docs" / "settings.md").write_text(reference())
