"""A call to Alipay's gateway: signed, sent, and its answer verified over the text as it came."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode, urlsplit

import httpx
from cryptography import x509

from app.channels import alipay_crypto, alipay_keys, signing, wire
from app.channels.alipay_keys import AlipayKeys
from app.channels.base import ChannelName, ChannelRefused, ChannelUnavailable
from app.channels.breaker import Breaker
from app.channels.wire import Answer, Untrusted, json_object, optional_text, text

TIME = "%Y-%m-%d %H:%M:%S"

_DONE = "10000"
_BUSINESS_REFUSED = "40004"
# The gateway itself says no, before it knows for whom to sign: these answers come unsigned.
_GATEWAY_REFUSED = frozenset({"20001", "40001", "40002", "40006"})
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+alipay(?:dev)?\.com")


@dataclass(frozen=True)
class AlipaySettings:
    """One merchant's application, its keys in PEM.

    `alipay_public_key_pem` is Alipay's, not the one we uploaded, or its certificate; while it
    changes, `alipay_keys` holds the other one. With `app_certificate_pem`, and then with the
    bundle of Alipay's roots, the application is in certificate mode. `product_code` depends on
    the merchant's contract: the order code, or face to face.
    """

    gateway_url: str
    app_id: str
    seller_id: str
    app_private_key_pem: str = field(repr=False)
    alipay_public_key_pem: str = field(repr=False)
    product_code: str = "QR_CODE_OFFLINE"
    alipay_keys: tuple[str, ...] = field(default=(), repr=False)
    app_certificate_pem: str = field(default="", repr=False)
    alipay_root_certificates_pem: str = field(default="", repr=False)

    @property
    def all_alipay_keys(self) -> tuple[str, ...]:
        return (self.alipay_public_key_pem, *self.alipay_keys)


class Calls:
    """The wire of one application, to be shared between threads. Raises ValueError on a bad key."""

    def __init__(
        self,
        settings: AlipaySettings,
        *,
        client: httpx.Client | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.keys = AlipayKeys.load(settings.all_alipay_keys)
        self._settings = settings
        self._client = client or wire.new_client()
        self._breaker = breaker or Breaker(ChannelName.ALIPAY)
        self._private_key = signing.load_private_key(settings.app_private_key_pem)
        self._certificates = _certificate_numbers(settings)

    def call(
        self, method: str, content: Mapping[str, object], *, now: datetime, notify_url: str = ""
    ) -> dict[str, object]:
        """Return what a verified answer says. Raises ChannelUnavailable and ChannelRefused."""
        parameters = self._signed(method, content, now=now, notify_url=notify_url)
        body = {"biz_content": parameters.pop("biz_content")}
        request = self._client.build_request(
            "POST",
            f"{self._settings.gateway_url}?{urlencode(parameters)}",
            headers={
                **wire.HEADERS,
                "Content-Type": "application/x-www-form-urlencoded;charset=utf-8",
            },
            content=urlencode(body),
        )

        def exchange() -> dict[str, object]:
            answer = wire.send(self._client, request)
            try:
                fields = self._verified(answer, f"{method.replace('.', '_')}_response", now=now)
            except Untrusted as fault:
                raise ChannelUnavailable(f"alipay's answer: {fault}") from fault
            return _unless_refused(fields)

        return self._breaker.run(exchange, now=now)

    def address(
        self, method: str, content: Mapping[str, object], *, now: datetime, **common: str
    ) -> str:
        """Return the signed URL that asks for what a browser asks for itself: a page to pay on.

        Nobody is called. Raises ChannelUnavailable while the channel is left alone.
        """
        self._breaker.check(now=now)
        parameters = self._signed(method, content, now=now, **common)
        return f"{self._settings.gateway_url}?{urlencode(parameters)}"

    def download(self, url: str) -> bytes:
        """Fetch a file from where Alipay says it lies, on its own hosts only.

        Raises ChannelUnavailable.
        """
        request = self._client.build_request(
            "GET", self._place(url), headers={**wire.HEADERS, "Accept": "*/*"}
        )
        answer = wire.download(self._client, request)
        if answer.status != httpx.codes.OK:
            raise ChannelUnavailable(f"alipay answered {answer.status} for its file")
        return answer.body

    def verify_notice(self, fields: Mapping[str, str], *, now: datetime) -> None:
        """Check the signature of a notification. Raises Untrusted."""
        signed = alipay_crypto.signed_notice(fields)
        cert_sn = optional_text(fields, "alipay_cert_sn")
        self.keys.verify(signed, text(fields, "sign"), cert_sn=cert_sn, now=now)

    def _signed(
        self, method: str, content: Mapping[str, object], *, now: datetime, **common: str
    ) -> dict[str, str]:
        parameters = {
            "app_id": self._settings.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": alipay_crypto.SIGN_TYPE,
            "timestamp": now.astimezone(wire.CHINA).strftime(TIME),
            "version": "1.0",
            **self._certificates,
            **{name: value for name, value in common.items() if value},
            "biz_content": json.dumps(content, ensure_ascii=False, separators=(",", ":")),
        }
        parameters["sign"] = alipay_crypto.sign_request(self._private_key, parameters)
        return parameters

    def _verified(self, answer: Answer, name: str, *, now: datetime) -> dict[str, object]:
        """Cut out what was signed, verify that text and read that text. Raises Untrusted."""
        if answer.status != httpx.codes.OK:
            raise Untrusted(f"status {answer.status}")
        try:
            members = alipay_crypto.raw_members(answer.body.decode())
        except UnicodeDecodeError as fault:
            raise Untrusted("not UTF-8") from fault
        raw = members.get(name) or members.get("error_response")
        if raw is None:
            raise Untrusted(f"{name} is missing")
        fields = json_object(raw)
        if "sign" in members:
            around = json_object(answer.body)
            cert_sn = optional_text(around, "alipay_cert_sn")
            self.keys.verify(raw.encode(), text(around, "sign"), cert_sn=cert_sn, now=now)
        elif fields.get("code") not in _GATEWAY_REFUSED:
            raise Untrusted("it is not signed")
        return fields

    def _place(self, url: str) -> str:
        """Return where to fetch a file: at Alipay over https, whatever its answer says."""
        try:
            found, ours = urlsplit(url), urlsplit(self._settings.gateway_url)
            if _HOST.fullmatch(ours.netloc):
                if found.scheme in {"http", "https"} and _HOST.fullmatch(found.netloc):
                    return found._replace(scheme="https").geturl()
            elif (found.scheme, found.netloc) == (ours.scheme, ours.netloc):
                return url
        except ValueError as fault:
            raise ChannelUnavailable("alipay's file lies nowhere") from fault
        raise ChannelUnavailable("alipay's file lies on a host that is not its own")


def _certificate_numbers(settings: AlipaySettings) -> dict[str, str]:
    """Return what a call says in certificate mode; nothing in public-key mode."""
    if not settings.app_certificate_pem:
        return {}
    if not all(signing.load_verifying_key(pem).certificate for pem in settings.all_alipay_keys):
        raise ValueError("in certificate mode Alipay's keys are certificates, too")
    certificate = x509.load_pem_x509_certificate(settings.app_certificate_pem.encode())
    return {
        "app_cert_sn": alipay_keys.certificate_sn(certificate),
        "alipay_root_cert_sn": alipay_keys.root_sn(settings.alipay_root_certificates_pem),
    }


def _unless_refused(fields: dict[str, object]) -> dict[str, object]:
    """Return the fields of a call that was done. Raises ChannelRefused, ChannelUnavailable."""
    try:
        code = text(fields, "code")
        sub_code = optional_text(fields, "sub_code") or code
        message = optional_text(fields, "sub_msg") or optional_text(fields, "msg") or ""
    except Untrusted as fault:
        raise ChannelUnavailable(f"alipay's answer: {fault}") from fault
    if code == _DONE:
        return fields
    if code in _GATEWAY_REFUSED | {_BUSINESS_REFUSED} and "SYSTEM_ERROR" not in sub_code:
        raise ChannelRefused(sub_code, message)
    raise ChannelUnavailable(f"alipay answered {code} {sub_code}")
