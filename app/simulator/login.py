"""WeChat's OAuth, as far as a merchant needs it to learn the openid of who pays.

The sandbox has one payer, and he consents at once: nobody sees a page.
"""

import secrets
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import msgspec
from flask import Blueprint, Response, abort, redirect, request
from werkzeug.wrappers import Response as Redirect

from app.simulator import clock
from app.simulator.parts import parts
from app.simulator.wechat_wire import PAYER

blueprint = Blueprint("login", __name__)

LIFETIME = timedelta(minutes=5)


@blueprint.get("/connect/oauth2/authorize")
def authorize() -> Redirect:
    """Send the payer back with a code that can be used once."""
    said = request.args
    target = said.get("redirect_uri", "")
    if said.get("appid") != parts().identity.wechat.appid or said.get("response_type") != "code":
        abort(400)
    if urlsplit(target).scheme not in {"http", "https"}:
        abort(400)
    code, now = secrets.token_hex(16), clock.now()
    with parts().book.transaction() as db:
        db.execute("DELETE FROM logins WHERE dies_at <= ?", (now,))
        db.execute(
            "INSERT INTO logins (code, openid, dies_at) VALUES (?, ?, ?)",
            (code, PAYER, now + LIFETIME),
        )
    query = urlencode({"code": code, "state": said.get("state", "")})
    return redirect(f"{target}{'&' if '?' in target else '?'}{query}", code=302)


@blueprint.get("/sns/oauth2/access_token")
def access_token() -> Response:
    """Say who a code stands for. Errors are answered with 200, as the real one does."""
    said, identity = request.args, parts().identity.wechat
    if said.get("appid") != identity.appid:
        return _refuse(40013, "invalid appid")
    if not secrets.compare_digest(said.get("secret", "").encode(), identity.app_secret.encode()):
        return _refuse(40125, "invalid appsecret")
    if said.get("grant_type") != "authorization_code":
        return _refuse(40002, "invalid grant_type")
    with parts().book.transaction() as db:
        row = db.execute(
            "SELECT openid, used FROM logins WHERE code = ? AND dies_at > ?",
            (said.get("code", ""), clock.now()),
        ).fetchone()
        db.execute("UPDATE logins SET used = 1 WHERE code = ?", (said.get("code", ""),))
    if row is None:
        return _refuse(40029, "invalid code")
    if row["used"]:
        return _refuse(40163, "code been used")
    return _json(
        {
            "access_token": secrets.token_urlsafe(64),
            "expires_in": 7200,
            "refresh_token": secrets.token_urlsafe(64),
            "openid": row["openid"],
            "scope": "snsapi_base",
        }
    )


def _refuse(code: int, message: str) -> Response:
    return _json({"errcode": code, "errmsg": message})


def _json(content: object) -> Response:
    # WeChat says text/plain here, whatever it sends.
    return Response(msgspec.json.encode(content), mimetype="text/plain")
