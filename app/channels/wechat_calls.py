"""A call to WeChat Pay: signed, sent, and its answer verified before a byte of it is believed."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from app.channels import signing, wechat_crypto, wechat_keys, wire
from app.channels.base import ChannelName, ChannelRefused, ChannelUnavailable
from app.channels.breaker import Breaker
from app.channels.wire import Answer, Untrusted, json_object, optional_text, text

_DONE = frozenset({httpx.codes.OK, httpx.codes.NO_CONTENT})
_SITES = frozenset({"api.mch.weixin.qq.com", "api2.mch.weixin.qq.com"})  # two of one service
_UNKNOWN_RESULT = frozenset({"SYSTEMERROR", "FREQUENCYLIMITED", "BANKERROR"})


@dataclass(frozen=True)
class WechatSettings:
    """One merchant account, its keys in PEM.

    `platform_public_key_*` is what WeChat Pay signs with and the id of it, of which we tell it in
    every request. Without it, it signs with platform certificates. While it changes from one key
    to another both arrive for about a week: `platform_keys` holds further ones by their serial.
    """

    base_url: str
    mchid: str
    appid: str
    merchant_serial: str
    merchant_private_key_pem: str = field(repr=False)
    api_v3_key: str = field(repr=False)
    platform_public_key_id: str = ""
    platform_public_key_pem: str = field(default="", repr=False)
    platform_keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def all_platform_keys(self) -> dict[str, str]:
        if not self.platform_public_key_id:
            return dict(self.platform_keys)
        return {**self.platform_keys, self.platform_public_key_id: self.platform_public_key_pem}


def new_nonce() -> str:
    return secrets.token_hex(16).upper()


class Calls:
    """The wire of one account, to be shared between threads. Raises ValueError on a bad key."""

    def __init__(
        self,
        settings: WechatSettings,
        *,
        client: httpx.Client | None = None,
        breaker: Breaker | None = None,
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        self.nonce = nonce
        self.private_key = signing.load_private_key(settings.merchant_private_key_pem)
        self.api_v3_key = wechat_crypto.load_api_v3_key(settings.api_v3_key)
        self.platform_keys = wechat_keys.PlatformKeys(settings.all_platform_keys)
        self._settings = settings
        self._client = client or wire.new_client()
        self._breaker = breaker or Breaker(ChannelName.WECHAT)

    def call(
        self, method: str, path: str, fields: Mapping[str, object] | None = None, *, now: datetime
    ) -> bytes:
        """Return the verified body of an answer. Raises ChannelUnavailable and ChannelRefused."""
        body = b"" if fields is None else _compact(fields)
        request = self._request(method, self._url(path), body, now=now)

        def exchange() -> bytes:
            answer = _unless_refused(wire.send(self._client, request))
            try:
                self.verify(answer.headers, answer.body, now=now)
            except Untrusted as fault:
                raise ChannelUnavailable(f"wechat's answer: {fault}") from fault
            return answer.body

        return self._breaker.run(exchange, now=now)

    def fetch_certificates(self, *, now: datetime) -> bytes:
        """Fetch WeChat Pay's list of its certificates and trust those, and return it as it came.

        It proves itself: the list is encrypted for us, and signed by one of those it holds or of
        those we know. Raises ChannelUnavailable and ChannelRefused.
        """
        request = self._request("GET", self._url("/v3/certificates"), b"", now=now)

        def exchange() -> bytes:
            answer = _unless_refused(wire.send(self._client, request))
            try:
                listed = wechat_keys.read_certificates(self.api_v3_key, answer.body)
                known = wechat_keys.valid(listed, now) | self.platform_keys.at(now)
                wechat_crypto.verify(known, answer.headers, answer.body, now=now)
            except Untrusted as fault:
                raise ChannelUnavailable(f"wechat's certificates: {fault}") from fault
            self.platform_keys.learn(listed)
            return answer.body

        return self._breaker.run(exchange, now=now)

    def download(self, url: str, *, now: datetime) -> bytes:
        """Fetch a file from where WeChat Pay says it lies, on its own hosts only.

        The answer is not signed: check the hash that came with `url`. Raises ChannelUnavailable
        and ChannelRefused.
        """
        try:
            is_its_own, place = self._is_its_own(url), httpx.URL(url)
        except (ValueError, httpx.InvalidURL) as fault:
            raise ChannelUnavailable("wechat's file lies nowhere") from fault
        if not is_its_own:
            raise ChannelUnavailable("wechat's file lies on a host that is not its own")
        request = self._request("GET", place, b"", now=now)
        return self._breaker.run(
            lambda: _unless_refused(wire.download(self._client, request)).body, now=now
        )

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        """Check the signature of an answer or a callback. Raises Untrusted."""
        wechat_crypto.verify(self.platform_keys.at(now), headers, body, now=now)

    def _url(self, path: str) -> httpx.URL:
        return httpx.URL(self._settings.base_url.rstrip("/") + path)

    def _is_its_own(self, url: str) -> bool:
        found, ours = urlsplit(url), urlsplit(self._settings.base_url)
        if ours.hostname in _SITES:
            return found.scheme == "https" and found.netloc in _SITES
        return (found.scheme, found.netloc) == (ours.scheme, ours.netloc)

    def _request(self, method: str, url: httpx.URL, body: bytes, *, now: datetime) -> httpx.Request:
        """Sign what is really sent: the target as httpx writes it."""
        timestamp, nonce = str(int(now.timestamp())), self.nonce()
        signed = wechat_crypto.signed_text(method, url.raw_path, timestamp, nonce, body)
        headers = {
            **wire.HEADERS,
            "Authorization": wechat_crypto.authorization(
                self.private_key,
                signed,
                mchid=self._settings.mchid,
                serial=self._settings.merchant_serial,
                nonce=nonce,
                timestamp=timestamp,
            ),
        }
        if self._settings.platform_public_key_id:
            headers["Wechatpay-Serial"] = self._settings.platform_public_key_id
        if body:
            headers["Content-Type"] = "application/json"
        return self._client.build_request(method, url, headers=headers, content=body or None)


def spelled(code: str) -> str:
    """Return an error code as older and newer documents spell it alike."""
    return code.replace("_", "").upper()


def _unless_refused(answer: Answer) -> Answer:
    """Return an answer that is none of an error; errors are never signed.

    Without the channel's own code a status says nothing. Raises ChannelRefused and
    ChannelUnavailable.
    """
    if answer.status in _DONE:
        return answer
    try:
        fields = json_object(answer.body)
        code, message = text(fields, "code"), optional_text(fields, "message") or ""
    except Untrusted as fault:
        raise ChannelUnavailable(f"wechat answered {answer.status} in words not its own") from fault
    if not httpx.codes.is_client_error(answer.status) or spelled(code) in _UNKNOWN_RESULT:
        raise ChannelUnavailable(f"wechat answered {answer.status} {code}")
    raise ChannelRefused(code, message)


def _compact(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
