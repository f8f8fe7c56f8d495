"""What a process holds once: engines, queues, channels, keys; and the one way to a transaction.

Doors and jobs get everything from `runtime()`; rooms get what they need as parameters.
"""

import select
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar, cast

import httpx
import psycopg
import redis
import structlog
from flask import Flask, current_app
from flask_babel import Babel
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import Session

from app.channels import modes, wire
from app.channels.alipay import Alipay, AlipaySettings
from app.channels.base import Channel, ChannelName
from app.channels.wechat import Wechat, WechatSettings
from app.channels.wechat_login import WechatLogin, WechatLoginSettings
from app.config import (
    BadSetting,
    Settings,
    live_channels,
    sandbox_channels,
    simulated_channels,
    simulator_set,
)
from app.core import clock, outbox
from app.core import db as core_db
from app.core.crypto import Keyring
from app.core.errors import Unavailable
from app.documents.storage import Storage
from app.fx.fixture import FixtureRates
from app.fx.rates import RateSource
from app.identity.models import Mode
from app.mail.delivery import Mailer, OutboxMailer, SmtpMailer

READER = "reader"
PLAIN = "plain"
RELAY = "jobs.relay.relay"
CERTIFICATES_READ_EVERY = 60

T = TypeVar("T")

db = SQLAlchemy(metadata=core_db.Base.metadata)
login = LoginManager()
csrf = CSRFProtect()
babel = Babel()


class DecoratedLimiter(Limiter):
    """A limiter of what is decorated, and of nothing else.

    The original looks before every request whether something is to be limited there, which costs
    a tenth of a call that takes in one event, and finds nothing: no limit here is a default.
    """

    def _check_request_limit(
        self,
        callable_name: str | None = None,
        in_middleware: bool = True,  # noqa: FBT001, FBT002  # the original's signature
    ) -> None:
        if not in_middleware:
            super()._check_request_limit(callable_name, in_middleware)


limiter = DecoratedLimiter(key_func=get_remote_address, default_limits=[])


class ChannelNotConfigured(Unavailable):
    code = "channel_not_configured"


@dataclass(frozen=True, slots=True)
class Gateways:
    """What one mode has at the channels; None where it has no account."""

    wechat: Wechat | None
    login: WechatLogin | None
    alipay: Alipay | None

    @classmethod
    def open(cls, found: Mapping[str, Any], client: httpx.Client) -> "Gateways":
        """Load the keys of a set of accounts. Raises BadSetting."""
        wechat, login, alipay = (found.get(part) for part in ("wechat", "wechat_login", "alipay"))
        with _named("WeChat Pay"):
            pay = Wechat(WechatSettings(**wechat), client=client) if wechat else None
            who = WechatLogin(WechatLoginSettings(**login), client=client) if login else None
        with _named("Alipay"):
            return cls(
                pay, who, Alipay(AlipaySettings(**alipay), client=client) if alipay else None
            )


def _configured(gateway: T | None, name: str, mode: Mode) -> T:
    if gateway is None:
        raise ChannelNotConfigured(f"{name} is not configured for {mode} payments")
    return gateway


def _check_modes(live: Mapping[str, Any], sandbox: Mapping[str, Any]) -> None:
    """Refuse keys of the sandbox for live payments, the simulator's above all."""
    if "wechat" in live and "wechat" in sandbox:
        with _named("WeChat Pay, live"):
            ours, theirs = WechatSettings(**live["wechat"]), WechatSettings(**sandbox["wechat"])
            modes.check_wechat(ours, theirs)
    if "alipay" in live and "alipay" in sandbox:
        with _named("Alipay, live"):
            modes.check_alipay(
                AlipaySettings(**live["alipay"]), AlipaySettings(**sandbox["alipay"])
            )


@contextmanager
def _named(account: str) -> Iterator[None]:
    """Say whose key it is that is wrong. Raises BadSetting."""
    try:
        yield
    except ValueError as wrong:
        raise BadSetting(f"{account}: {wrong}") from wrong


class CertificateCache:
    """WeChat Pay's certificates, fetched by one process for all: encrypted, as they came.

    Whoever could write into Redis could not forge one: a list decrypts with our APIv3 key only.
    """

    def __init__(self, connection: redis.Redis) -> None:
        self._connection = connection
        self._read_at: dict[Mode, float] = {}

    def is_kept(self, mode: Mode) -> bool:
        """Tell whether a list is there that is not too old."""
        return bool(self._connection.exists(self._key(mode)))

    def keep(self, mode: Mode, listed: bytes, *, seconds: int) -> None:
        self._connection.set(self._key(mode), listed, ex=seconds)

    def teach(self, gateway: Wechat, mode: Mode) -> None:
        """Tell the gateway once a minute of what is kept; without Redis it stays as it is."""
        now = clock.monotonic()
        if mode in self._read_at and now < self._read_at[mode] + CERTIFICATES_READ_EVERY:
            return
        self._read_at[mode] = now
        try:
            listed = cast("bytes | None", self._connection.get(self._key(mode)))
            if listed:
                gateway.learn_certificates(listed)
        except (redis.RedisError, ValueError) as wrong:
            structlog.get_logger().warning("no certificates learned", why=str(wrong))

    def _key(self, mode: Mode) -> str:
        return f"wechat:certificates:{mode}"


@dataclass(frozen=True)
class Runtime:
    """One process's settings and what is made from them, at first use."""

    settings: Settings

    @cached_property
    def keyring(self) -> Keyring:
        return Keyring({1: self.settings.kek})

    @cached_property
    def pepper(self) -> bytes:
        return self.settings.pepper

    @cached_property
    def storage(self) -> Storage:
        return Storage.at(
            self.settings.storage_url or str(self.settings.instance_dir / "documents")
        )

    @cached_property
    def mailer(self) -> Mailer:
        if self.settings.smtp_url:
            return SmtpMailer(self.settings.smtp_url)
        return OutboxMailer(self.settings.instance_dir / "outbox")

    @cached_property
    def rates(self) -> RateSource:
        return FixtureRates()

    @cached_property
    def redis(self) -> redis.Redis:
        return redis.from_url(self.settings.redis_url)

    def channel(self, name: ChannelName, mode: Mode) -> Channel:
        """Return the gateway of a channel. Raises ChannelNotConfigured."""
        if name is ChannelName.WECHAT:
            return self.wechat(mode)
        return _configured(self._gateways(mode).alipay, name, mode)

    def channels(self, mode: Mode) -> dict[ChannelName, Channel]:
        """Return the gateways of all channels where the mode has an account."""
        found = self._gateways(mode)
        accounts = {ChannelName.WECHAT: found.wechat, ChannelName.ALIPAY: found.alipay}
        return {name: self.channel(name, mode) for name, account in accounts.items() if account}

    def wechat(self, mode: Mode) -> Wechat:
        """Return WeChat Pay's gateway, which knows the certificates a job fetched.

        Raises ChannelNotConfigured.
        """
        gateway = _configured(self._gateways(mode).wechat, ChannelName.WECHAT, mode)
        self.certificates.teach(gateway, mode)
        return gateway

    def wechat_login(self, mode: Mode) -> WechatLogin:
        """Return what tells who pays inside WeChat. Raises ChannelNotConfigured."""
        return _configured(self._gateways(mode).login, "wechat's sign-in", mode)

    def has_wechat_login(self, mode: Mode) -> bool:
        """Tell whether WeChat can be asked who pays inside it."""
        try:
            return self._gateways(mode).login is not None
        except ChannelNotConfigured:
            return False

    def _gateways(self, mode: Mode) -> Gateways:
        return self.sandbox_gateways if mode is Mode.SANDBOX else self.live_gateways

    @cached_property
    def live_gateways(self) -> Gateways:
        """What live payments go through. Raises BadSetting on keys that are wrong, or not live."""
        found = live_channels(self.settings)
        if found:
            _check_modes(found, sandbox_channels(self.settings))
        return Gateways.open(found, self.channel_client)

    @cached_property
    def sandbox_gateways(self) -> Gateways:
        """What sandbox merchants' payments go through. Raises ChannelNotConfigured, BadSetting."""
        found = sandbox_channels(self.settings)
        if not {"wechat", "alipay"} <= found.keys():  # asked again until they are all there
            raise ChannelNotConfigured("the channel simulator has not started yet")
        return Gateways.open(found, self.channel_client)

    @cached_property
    def channel_client(self) -> httpx.Client:
        """The one pool of connections to all channels."""
        return wire.new_client()

    @cached_property
    def certificates(self) -> CertificateCache:
        return CertificateCache(self.redis)

    def is_simulated(self, name: ChannelName, mode: Mode) -> bool:
        """Tell whether the simulator plays this channel's payers: then there is a `payer_url`."""
        return mode is Mode.SANDBOX and name in simulated_channels(self.settings)

    @cached_property
    def payer_url(self) -> str:
        """Where the sandbox's payer page is."""
        return str(simulator_set(self.settings)["payer_url"])

    def queue(self, name: str = "default") -> Queue:
        return Queue(name, connection=self.redis, serializer=JSONSerializer)


def init(app: Flask, settings: Settings, *, database_url: str) -> None:
    """Bind the extensions to one process's app; `database_url` is its own login."""
    held = app.extensions["buffmoney"] = Runtime(settings)
    _ = held.live_gateways  # a wrong key of live payments ends the process now, not a payment later
    options = {"pool_recycle": 1800, "pool_timeout": 2}
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    app.config["SQLALCHEMY_BINDS"] = {
        READER: settings.reader_database_url or database_url,
        PLAIN: database_url,
    }
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    with app.app_context():
        for name, bound_engine in db.engines.items():
            if name != PLAIN:  # `begin_plain` finds out by itself
                event.listen(bound_engine, "checkout", _check_connection)
    limiter.init_app(app)


def _check_connection(connection: psycopg.Connection[Any], *_: object) -> None:
    """Have the pool renewed when the server has closed this connection, after a restart say.

    An idle connection has nothing to read but its end. To look is free; a ping, which asks the
    server, cost every transaction a tenth of a millisecond. Raises InvalidatePoolError.
    """
    if connection.closed:
        raise InvalidatePoolError("the connection is closed")
    end = select.poll()
    end.register(connection.fileno(), select.POLLIN)
    if end.poll(0):
        raise InvalidatePoolError("the server has closed the connection")


def runtime() -> Runtime:
    """Return what this process holds."""
    return cast("Runtime", current_app.extensions["buffmoney"])


def engine() -> Engine:
    return db.engine


@contextmanager
def transaction(merchant_id: int | None) -> Iterator[Session]:
    """Open the one transaction of a door or a job; ring the queue when it owes jobs.

    With None it uses the tables without tenant only. The bell is only a hurry: the ticker finds
    what is owed even when it is never rung.
    """
    with core_db.begin(db.engine, merchant_id) as session:
        yield session
        owes = outbox.owes(session)
    if owes:
        ring()


def plain_transaction(merchant_id: int) -> AbstractContextManager[core_db.PlainTransaction]:
    """Open the one transaction of a hot operation."""
    return core_db.begin_plain(db.engines[PLAIN], merchant_id)


def bound(merchant_id: int) -> core_db.Transaction:
    """Return the opener of one merchant's transactions, for a flow."""
    return partial(transaction, merchant_id)


@contextmanager
def reading() -> Iterator[Session]:
    """Read across merchants, as the login that can write nothing. Only admins and sweeps do."""
    with core_db.begin(db.engines[READER], None) as session:
        yield session


def ring() -> None:
    """Ask the workers to look at the outbox now; a queue that is away costs seconds, not jobs."""
    try:
        runtime().queue().enqueue(RELAY, result_ttl=0, job_timeout=60)
    except redis.RedisError:
        current_app.logger.warning("the queue did not answer; the ticker will find the jobs")
