"""What pages and mails take of a merchant's looks: its logo and its colour, for ever the same."""

import re

from flask import abort
from werkzeug.wrappers import Response

from app.core import ids
from app.extensions import transaction
from app.identity import branding

_COLOR = re.compile(r"[0-9a-f]{6}")
_FOR_EVER = "public, max-age=31536000, immutable"


def brand_logo(merchant: str, sha256: str) -> Response:
    """Return a logo by its hash: the one of today, or 404, so that its address never changes."""
    merchant_id = ids.find_merchant(merchant)
    if not merchant_id:
        abort(404)
    with transaction(merchant_id) as session:
        found = branding.get_branding(session)
        logo = found.logo if found.logo_sha256 == sha256 else None
    if logo is None:
        abort(404)
    return _lasting(logo, "image/png")


def brand_color(color: str) -> Response:
    """Return the stylesheet of one colour: the policy of our pages allows no inline styles."""
    if not _COLOR.fullmatch(color) or branding.contrast_with_white(f"#{color}") < (
        branding.MIN_CONTRAST
    ):
        abort(404)
    return _lasting(f":root {{ --merchant: #{color} }}\n".encode(), "text/css")


def _lasting(content: bytes, kind: str) -> Response:
    response = Response(content, mimetype=kind)
    response.headers["Cache-Control"] = _FOR_EVER
    return response
