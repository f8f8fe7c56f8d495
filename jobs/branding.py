"""How the mails of a merchant look, with addresses that a mail program can reach."""

from sqlalchemy.orm import Session

from app.billing import reminder_mails
from app.extensions import runtime
from app.mail.rendering import MailBrand


def mail_brand(session: Session) -> MailBrand:
    """Return the logo's address and the colour of the session's merchant."""
    return reminder_mails.brand_of(session, base_url=runtime().settings.base_url)
