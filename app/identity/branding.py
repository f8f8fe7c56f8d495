"""How a merchant's documents, mails and payment page look, and who they say the seller is."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import Actor, Change
from app.core import ids
from app.core.db import merchant_of
from app.core.errors import Invalid
from app.documents.logos import clean_logo
from app.identity.models import Branding

MAX_FOOTER = 500
MIN_CONTRAST = 4.5
"""Between the colour and white paper, as WCAG 2 asks for text."""

_MAX_NAME = 200
_MAX_ADDRESS = 300
_MAX_TAX_ID = 40
_COLOR = re.compile(r"#[0-9a-f]{6}")
_WHITE = 1.05
"""The luminance of white, and the 0.05 that the formula adds to both sides."""


class InvalidBranding(Invalid):
    code = "invalid_branding"


class ColorTooLight(Invalid):
    """White on this colour, or the colour on white, can hardly be read."""

    code = "color_too_light"


@dataclass(frozen=True, slots=True)
class Brand:
    """What a merchant says about its looks; empty is what we print without."""

    legal_name: str = ""
    legal_address: str = ""
    tax_id: str = ""
    color: str = ""
    footer: str = ""


def get_branding(session: Session) -> Branding:
    """Return the branding of the session's merchant; without one, an empty one that is no row."""
    found = session.get(Branding, merchant_of(session))
    return found or Branding(
        merchant_id=merchant_of(session),
        legal_name="",
        legal_address="",
        tax_id="",
        color="",
        footer="",
        logo=None,
        logo_sha256=None,
    )


def set_brand(session: Session, brand: Brand, *, actor: Actor, now: datetime) -> Branding:
    """Replace all but the logo; it holds for documents, mails and pages made from now on.

    Raises InvalidBranding and ColorTooLight, naming the field.
    """
    checked = Brand(
        legal_name=_line(brand.legal_name, _MAX_NAME, path="legal_name"),
        legal_address=_line(brand.legal_address, _MAX_ADDRESS, path="legal_address"),
        tax_id=_line(brand.tax_id, _MAX_TAX_ID, path="tax_id"),
        color=_color(brand.color),
        footer=_footer(brand.footer),
    )
    return _write(session, asdict(checked), actor=actor, now=now)


def set_logo(session: Session, upload: bytes, *, actor: Actor, now: datetime) -> Branding:
    """Take a PNG or JPEG as the logo, drawn anew. Raises InvalidLogo."""
    logo = clean_logo(upload)
    values = {"logo": logo, "logo_sha256": sha256(logo).hexdigest()}
    return _write(session, values, actor=actor, now=now)


def remove_logo(session: Session, *, actor: Actor, now: datetime) -> Branding:
    """Go on without a logo; when there is none, nothing changes."""
    return _write(session, {"logo": None, "logo_sha256": None}, actor=actor, now=now)


def contrast_with_white(color: str) -> float:
    """Return the contrast of #rrggbb and white as WCAG 2 counts it: from 1 to 21."""
    red, green, blue = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return _WHITE / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _linear(channel: float) -> float:
    """Undo the curve by which screens are told a brightness from 0 to 1."""
    if channel <= 0.04045:  # noqa: PLR2004  # where the standard's curve begins
        return channel / 12.92
    return float(((channel + 0.055) / 1.055) ** 2.4)


def _write(session: Session, values: Mapping[str, Any], *, actor: Actor, now: datetime) -> Branding:
    """Write the row, whether or not there is one, and write down what changed of it."""
    before = get_branding(session)
    hashed = {name: value for name, value in values.items() if name != "logo"}
    told = [name for name, value in hashed.items() if getattr(before, name) != value]
    recording.record(
        session,
        actor,
        "branding.changed",
        subject=ids.show_merchant(merchant_of(session)),
        change=Change(
            {name: getattr(before, name) for name in told}, {name: values[name] for name in told}
        ),
        now=now,
    )
    written = {**values, "updated_at": now}
    session.execute(
        insert(Branding)
        .values(merchant_id=merchant_of(session), **written)
        .on_conflict_do_update(index_elements=["merchant_id"], set_=written)
    )
    return session.get_one(Branding, merchant_of(session), populate_existing=True)


def _line(text: str, longest: int, *, path: str) -> str:
    line = " ".join(text.split())
    if len(line) > longest or not line.isprintable():
        raise InvalidBranding(
            f"must be one line of at most {longest} characters, without control characters",
            path=path,
        )
    return line


def _footer(text: str) -> str:
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    footer = "\n".join(lines)
    if len(footer) > MAX_FOOTER or not all(line.isprintable() for line in lines):
        raise InvalidBranding(
            f"must have at most {MAX_FOOTER} characters, none of them control characters",
            path="footer",
        )
    return footer


def _color(text: str) -> str:
    color = text.strip().lower()
    if not color:
        return ""
    if not _COLOR.fullmatch(color):
        raise InvalidBranding("must be a colour such as #0f766e", path="color")
    contrast = contrast_with_white(color)
    if contrast < MIN_CONTRAST:
        raise ColorTooLight(
            f"has a contrast of {contrast:.1f} with white; {MIN_CONTRAST} is the least",
            path="color",
        )
    return color
