"""Whose link was opened, proved; and the language that its holder is spoken to in."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from flask import abort, session
from flask_babel import force_locale

from app.billing import collection, viewing
from app.core import clock
from app.core.errors import NotFound
from app.extensions import transaction
from app.identity import clocks
from app.identity.models import Mode

CHINESE = "zh_Hans_CN"

_MERCHANT = "merchant_id"
"""Where the session of a signed-in browser says whose it is."""


@dataclass(frozen=True, slots=True)
class Link:
    """A proved link: what it opens."""

    token: str
    merchant_id: int
    mode: Mode
    invoice_id: int


def prove(token: str) -> Link:
    """Prove the link; whatever is wrong with it is the same 404."""
    try:
        merchant_id, invoice_id, secret = collection.read_link(token)
        with transaction(merchant_id) as database:
            collection.get_by_link(database, invoice_id, secret)
            mode = clocks.get_merchant(database).mode
    except NotFound:
        abort(404)
    return Link(token, merchant_id, mode, invoice_id)


def note_view(merchant_id: int, invoice_id: int) -> None:
    """Count a look at the invoice; the merchant's own, in a browser signed in, is none."""
    if session.get(_MERCHANT) == merchant_id:
        return
    with transaction(merchant_id) as database:
        viewing.note_view(database, invoice_id, now=clock.now())


def speaking() -> AbstractContextManager[None]:
    """Speak Chinese unless this browser chose a language: payers are in China."""
    locale: AbstractContextManager[None] = force_locale(spoken())
    return locale


def spoken() -> str:
    """Name the language this browser is spoken to in."""
    return str(session.get("language", CHINESE))
