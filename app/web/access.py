"""Who may open which page: deny by default, decided before the view runs.

A signed-in browser holds the secret of a row in `web_sessions`; ending the row ends every copy
of the cookie. What an operator may see is not there for anybody else: 404, not 403.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import cast

from flask import Flask, abort, g, redirect, request, session, url_for
from flask_babel import get_locale
from flask_login import UserMixin, current_user, login_user, logout_user
from werkzeug.wrappers import Response

from app.audit.models import ActorKind
from app.audit.recording import Actor
from app.core import clock
from app.core.language import Language
from app.extensions import csrf, login, plain_transaction, runtime, transaction
from app.identity import accounts
from app.identity.accounts import SignedIn, Workplace
from app.identity.models import User

_MERCHANT = "merchant_id"
_OWN_PATH = re.compile(r"/merchant(/[A-Za-z0-9_./-]*)?(\?[A-Za-z0-9_.=&%+-]*)?")


class Access(StrEnum):
    """Who a route is for."""

    PUBLIC = "public"
    MERCHANT = "merchant"
    OPERATOR = "operator"


class BrowserUser(UserMixin):  # type: ignore[misc]  # flask-login has no types
    """The person at the browser, for one request."""

    def __init__(self, token: str, who: SignedIn) -> None:
        self.token = token
        self.who = who

    def get_id(self) -> str:
        return self.token

    @property
    def email(self) -> str:
        return self.who.email

    @property
    def merchant(self) -> Workplace | None:
        return self.who.merchant

    @property
    def is_operator(self) -> bool:
        return self.who.is_operator


def register(app: Flask) -> None:
    login.init_app(app)
    csrf.init_app(app)
    login.user_loader(_load)
    login.session_protection = None  # the session is a row of ours; its address may change


def guard(access: Access) -> Response | None:
    """Let the request through, or answer for the view. Sets the request's merchant and time."""
    if access is Access.PUBLIC:
        return None
    if not current_user.is_authenticated:
        if request.method != "GET":
            abort(401)
        return redirect(url_for("web.signin", next=request.full_path.rstrip("?")))
    user = cast("BrowserUser", current_user)
    if access is Access.OPERATOR:
        return None if user.is_operator else abort(404)
    if user.merchant is None:
        return redirect(url_for("web.admin")) if user.is_operator else abort(404)
    g.merchant = user.merchant
    g.merchant_id = user.merchant.merchant_id
    return None


def now() -> datetime:
    """Return the time of the request's merchant, read once a request."""
    if "now" not in g:
        g.now = clock.now() + g.merchant.clock_offset
    return cast("datetime", g.now)


def actor() -> Actor:
    """Return who is at the browser, as what he does is written down."""
    who = cast("BrowserUser", current_user).who
    return Actor(ActorKind.USER, who.user_id, who.email)


def sign_in(user: User, merchant_id: int | None) -> None:
    """Start a web session in this browser, under a new cookie."""
    with transaction(None) as database:
        token = accounts.begin_session(
            database,
            user,
            merchant_id=merchant_id,
            agent=request.user_agent.string,
            pepper=runtime().pepper,
            now=clock.now(),
        )
        accounts.note_language(database, user.id, Language(str(get_locale())))
    language = session.get("language")
    session.clear()  # what was there before signing in belongs to nobody
    if language:
        session["language"] = language
    session[_MERCHANT] = merchant_id
    login_user(BrowserUser(token, SignedIn(user.id, user.email, user.is_operator)))


def sign_out() -> None:
    """End this browser's session for everybody who holds its cookie."""
    if current_user.is_authenticated:
        with transaction(None) as database:
            accounts.end_session(database, current_user.token, pepper=runtime().pepper)
    logout_user()
    session.clear()


def safe_next(target: str | None) -> str:
    """Return a path of our own to go on to, whatever was asked for."""
    if target and _OWN_PATH.fullmatch(target):
        return target
    return url_for("web.dashboard")


def _load(token: str) -> BrowserUser | None:
    """Return who holds the cookie, and for which merchant: every page needs both.

    The merchant in the cookie only says where to look. It has to be that of the session's row.
    """
    merchant_id = session.get(_MERCHANT)
    with plain_transaction(merchant_id) if merchant_id else transaction(None) as database:
        who = accounts.find_session(
            database, token, merchant_id=merchant_id, pepper=runtime().pepper, now=clock.now()
        )
    return BrowserUser(token, who) if who else None
