"""Signing up, in and out; the language; the landing page."""

from flask import abort, redirect, request, session, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response

from app.core import clock
from app.core.errors import Refusal
from app.core.ids import new_merchant_id
from app.core.language import Language
from app.extensions import limiter, transaction
from app.identity import accounts
from app.pricing import metrics
from app.web.access import safe_next, sign_in, sign_out
from app.web.page import LANGUAGES, page

_FIELDS = ("email", "company", "password")


def landing() -> Response:
    return page("public/landing.html", nav="landing")


def signup() -> Response:
    if current_user.is_authenticated:
        return redirect(url_for("web.dashboard"))
    return _signup_form(status=200)


@limiter.limit("60/minute")
def create_account() -> Response:
    """Open an account and its sandbox in one transaction, and go straight to its dashboard."""
    form = request.form
    merchant_id, now = new_merchant_id(), clock.now()
    try:
        with transaction(merchant_id) as database:
            user = accounts.register_user(
                database, form.get("email", ""), form.get("password", ""), now=now
            )
            accounts.open_sandbox(
                database, user, form.get("company", ""), merchant_id=merchant_id, now=now
            )
            metrics.make_built_in(database, now=now)
    except Refusal as refusal:
        return _signup_form(status=422, refusal=refusal)
    sign_in(user, merchant_id)
    return redirect(url_for("web.dashboard"))


def signin() -> Response:
    if current_user.is_authenticated:
        return redirect(url_for("web.dashboard"))
    return _signin_form(status=200)


@limiter.limit("30/minute")
def create_session() -> Response:
    """Sign in; the answer never tells whether the address exists."""
    try:
        with transaction(None) as database:
            user = accounts.check_credentials(
                database, request.form.get("email", ""), request.form.get("password", "")
            )
            merchants = accounts.merchants_of(database, user.id)
    except accounts.WrongCredentials:
        return _signin_form(status=422, error=_("The e-mail address or the password is wrong."))
    sign_in(user, merchants[0] if merchants else None)
    if not merchants:
        return redirect(url_for("web.admin"))
    return redirect(safe_next(request.args.get("next")))


def signout() -> Response:
    sign_out()
    return redirect(url_for("web.landing"))


def set_language() -> Response:
    """Keep the language this browser chose, for mails too, and go back to where it was."""
    chosen = LANGUAGES.get(request.form.get("language", ""))
    if chosen is None:
        abort(422)
    session["language"] = chosen
    if current_user.is_authenticated:
        with transaction(None) as database:
            accounts.note_language(database, current_user.who.user_id, Language(chosen))
    back = request.form.get("back", "/")
    is_own = back.startswith("/") and not back.startswith(("//", "/\\")) and back.isprintable()
    return redirect(back if is_own else "/")


def _signup_form(*, status: int, refusal: Refusal | None = None) -> Response:
    form = {name: request.form.get(name, "") for name in _FIELDS}
    errors = dict.fromkeys(_FIELDS, "")
    error = ""
    if refusal and refusal.path in errors:
        errors[refusal.path] = str(refusal)
    elif refusal:
        error = str(refusal)
    return page(
        "public/signup.html", status=status, form=form, errors=errors, error=error, nav="signup"
    )


def _signin_form(*, status: int, error: str = "") -> Response:
    return page(
        "public/signin.html",
        status=status,
        email=request.form.get("email", ""),
        next=request.values.get("next", ""),
        error=error,
        nav="signin",
    )
