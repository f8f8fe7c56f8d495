"""Branding: how the merchant's documents, mails and payment page look."""

from typing import Annotated

import msgspec

from app.api.operations import Call
from app.api.v1.base import API, In, Out
from app.core import ids
from app.extensions import runtime
from app.identity import branding
from app.identity.branding import Brand
from app.identity.models import Branding, Scope

TAG = "Branding"


class BrandingIn(In):
    """What documents say of the seller, and how they look. What is left out is emptied.

    `color` is #rrggbb, with a contrast of at least 4.5 to white. `footer` is the last paragraph
    of every document; its line breaks stay.
    """

    legal_name: str = ""
    legal_address: str = ""
    tax_id: str = ""
    color: str = ""
    footer: str = ""


class LogoIn(In):
    """A PNG or JPEG of at most 512 kB, in base64. It is drawn anew, to fit 800 × 240 pixels."""

    logo: Annotated[bytes, msgspec.Meta(description="The file, in base64.")]


class BrandingOut(Out):
    """How documents, mails and the payment page look from now on; printed ones stay."""

    legal_name: str
    legal_address: str
    tax_id: str
    color: str
    footer: str
    logo_url: str | None

    @classmethod
    def of(cls, found: Branding) -> "BrandingOut":
        return cls(
            legal_name=found.legal_name,
            legal_address=found.legal_address,
            tax_id=found.tax_id,
            color=found.color,
            footer=found.footer,
            logo_url=_logo_url(found),
        )


@API.route("GET", "/merchant/branding", scope=Scope.INVOICE_READ, tag=TAG, returns=BrandingOut)
def get_branding(call: Call) -> BrandingOut:
    """Return the branding; a merchant without one has empty texts and no logo."""
    return BrandingOut.of(branding.get_branding(call.session))


@API.route(
    "PUT",
    "/merchant/branding",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=BrandingIn,
    returns=BrandingOut,
    example={"legalName": "Lumen AI Pte. Ltd.", "color": "#0f766e", "footer": "Thank you."},
)
def set_branding(call: Call, body: BrandingIn) -> BrandingOut:
    """Replace all of the branding but the logo."""
    brand = Brand(
        legal_name=body.legal_name,
        legal_address=body.legal_address,
        tax_id=body.tax_id,
        color=body.color,
        footer=body.footer,
    )
    found = branding.set_brand(call.session, brand, actor=call.actor, now=call.real_now)
    return BrandingOut.of(found)


@API.route(
    "PUT",
    "/merchant/branding/logo",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    body=LogoIn,
    returns=BrandingOut,
    example={
        "logo": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42"
        "YAAAAASUVORK5CYII="
    },
)
def set_branding_logo(call: Call, body: LogoIn) -> BrandingOut:
    """Take a picture as the logo."""
    found = branding.set_logo(call.session, body.logo, actor=call.actor, now=call.real_now)
    return BrandingOut.of(found)


@API.route(
    "DELETE",
    "/merchant/branding/logo",
    scope=Scope.INVOICE_WRITE,
    tag=TAG,
    returns=BrandingOut,
)
def remove_branding_logo(call: Call) -> BrandingOut:
    """Go on without a logo; when there is none, nothing changes."""
    found = branding.remove_logo(call.session, actor=call.actor, now=call.real_now)
    return BrandingOut.of(found)


def _logo_url(found: Branding) -> str | None:
    if found.logo_sha256 is None:
        return None
    merchant = ids.show_merchant(found.merchant_id)
    return f"{runtime().settings.base_url}/brand/{merchant}/{found.logo_sha256}.png"
