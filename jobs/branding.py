"""How the mails of a merchant look, with addresses that a mail program can reach."""

from sqlalchemy.orm import Session

from app.core import ids
from app.extensions import runtime
from app.identity import branding
from app.mail.rendering import MailBrand


def mail_brand(session: Session) -> MailBrand:
    """Return the logo's address and the colour of the session's merchant."""
    found = branding.get_branding(session)
    if found.logo_sha256 is None:
        return MailBrand(color=found.color)
    merchant = ids.show_merchant(found.merchant_id)
    logo_url = f"{runtime().settings.base_url}/brand/{merchant}/{found.logo_sha256}.png"
    return MailBrand(logo_url, found.color)
