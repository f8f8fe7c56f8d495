"""Whose link was opened, proved; and the language that its holder is spoken to in."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from flask import abort, session
from flask_babel import force_locale

from app.billing import collection
from app.core.errors import NotFound
from app.extensions import transaction
from app.identity import clocks
from app.identity.models import Mode

CHINESE = "zh_Hans_CN"


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


def speaking() -> AbstractContextManager[None]:
    """Speak Chinese unless this browser chose a language: payers are in China."""
    spoken: AbstractContextManager[None] = force_locale(session.get("language", CHINESE))
    return spoken
