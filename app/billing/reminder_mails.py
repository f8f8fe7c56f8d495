"""What a reminder says, in the language of the customer, and in the looks of the merchant."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.billing import collection
from app.billing.models import Invoice
from app.core import ids
from app.core.language import Language
from app.core.periods import local_date
from app.customers.models import Customer
from app.documents import formats
from app.identity import branding, clocks
from app.mail import rendering
from app.mail.messages import Content
from app.mail.rendering import InvoiceReminder, MailBrand


def word(
    session: Session, invoice: Invoice, customer: Customer, *, base_url: str, now: datetime
) -> Content:
    """Word the reminder of an open invoice as it is at `now`; its link is on `base_url`."""
    merchant, language = clocks.get_merchant(session), Language(customer.language)
    zone = ZoneInfo(invoice.time_zone)
    due_on = local_date(invoice.due_at or now, zone)
    words = InvoiceReminder(
        merchant_name=merchant.name,
        customer_name=customer.name,
        number=str(invoice.number),
        amount=formats.money(invoice.due, language),
        due_on=due_on,
        days_overdue=(local_date(now, zone) - due_on).days,
        link=collection.hosted_url(invoice, base_url),
        reference=str(invoice.number),
        is_sandbox=merchant.is_sandbox,
    )
    return rendering.render(words, language, brand_of(session, base_url=base_url))


def brand_of(session: Session, *, base_url: str) -> MailBrand:
    """Return how the mails of the session's merchant look."""
    found = branding.get_branding(session)
    if found.logo_sha256 is None:
        return MailBrand(color=found.color)
    merchant = ids.show_merchant(found.merchant_id)
    return MailBrand(f"{base_url}/brand/{merchant}/{found.logo_sha256}.png", found.color)
