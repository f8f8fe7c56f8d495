"""Who is paying inside WeChat: his openid, which a payment there can not be ordered without."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx

from app.channels import wire
from app.channels.base import ChannelRefused, ChannelUnavailable
from app.channels.wire import Untrusted, json_object, optional_text, text

_OPENID = re.compile(r"[0-9A-Za-z_-]{1,128}")
_BUSY = -1


@dataclass(frozen=True)
class WechatLoginSettings:
    """The application whose user he is: the one that payments are made under."""

    authorize_url: str
    token_url: str
    appid: str
    app_secret: str = field(repr=False)


class WechatLogin:
    """WeChat's silent sign-in: it tells a number, no name, and asks the payer nothing."""

    def __init__(
        self, settings: WechatLoginSettings, *, client: httpx.Client | None = None
    ) -> None:
        self._settings = settings
        self._client = client or wire.new_client()

    def authorize_url(self, redirect_uri: str, *, state: str) -> str:
        """Return where to send WeChat's browser. It comes back with `code` and `state`.

        `state` is ours to compare with what we gave this browser: anybody can come with a code.
        """
        query = urlencode(
            {
                "appid": self._settings.appid,
                "redirect_uri": redirect_uri,
                "response_type": "code",
                "scope": "snsapi_base",
                "state": state,
            }
        )
        return f"{self._settings.authorize_url}?{query}#wechat_redirect"

    def fetch_openid(self, code: str) -> str:
        """Change a code, good once and for five minutes, for the openid of whoever got it.

        Raises ChannelRefused on a code that is used, old or none, and ChannelUnavailable.
        """
        query = {
            "appid": self._settings.appid,
            "secret": self._settings.app_secret,
            "code": code,
            "grant_type": "authorization_code",
        }
        request = self._client.build_request(
            "GET", self._settings.token_url, params=query, headers=wire.HEADERS
        )
        answer = wire.send(self._client, request)
        if answer.status != httpx.codes.OK:
            raise ChannelUnavailable(f"wechat's sign-in answered {answer.status}")
        try:
            fields = json_object(answer.body)
            error = fields.get("errcode")
            if isinstance(error, int) and error not in {0, _BUSY}:
                raise ChannelRefused(str(error), optional_text(fields, "errmsg") or "")
            openid = text(fields, "openid")
        except Untrusted as fault:
            raise ChannelUnavailable(f"wechat's sign-in: {fault}") from fault
        if not _OPENID.fullmatch(openid):
            raise ChannelUnavailable("wechat's sign-in: the openid is none")
        return openid
