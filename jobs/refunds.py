"""Pay refunds back, find out what became of them, and tell the buyer."""

from functools import partial
from zoneinfo import ZoneInfo

from app.billing import collection
from app.billing import queries as invoices
from app.channels.base import Channel, ChannelName
from app.core import clock
from app.core.ids import Prefix, read
from app.core.language import Language
from app.core.periods import local_date
from app.customers import queries as customers
from app.documents import formats
from app.extensions import bound, reading, runtime, transaction
from app.identity import clocks
from app.mail import rendering, sending
from app.mail.messages import Party, shown_name
from app.payments import addresses, refund_queries, refunding
from jobs import sweep
from jobs.branding import mail_brand
from jobs.documents import CHANNELS


def settle(*, merchant_id: int, refund: str) -> None:
    """Tell the channel of a refund, or ask what became of it."""
    refunding.settle(
        bound(merchant_id),
        partial(_channel, merchant_id),
        read(Prefix.REFUND, refund),
        notify_url=_notify_url,
        now=clock.now(),
    )


def heal() -> None:
    """Look after the due refunds of every merchant that has some."""
    with reading() as session:
        merchants = refund_queries.due_merchants(session, now=clock.now())
    sweep.for_each(merchants, _heal_merchant)


def mail(*, merchant_id: int, refund: str, again: str = "") -> None:
    """Queue the mail that tells a buyer of the money that went back to him.

    One mail for each refund, and one more for each time somebody asked for it `again`.
    """
    with transaction(merchant_id) as session:
        row = refund_queries.get_refund(session, read(Prefix.REFUND, refund))
        invoice = invoices.get_invoice(session, row.invoice_id)
        customer = customers.get_customer(session, invoice.customer_id)
        if not customer.email:
            return
        merchant, language = clocks.get_merchant(session), Language(customer.language)
        returned_at = row.succeeded_at or row.created_at
        words = rendering.InvoiceRefunded(
            merchant_name=merchant.name,
            customer_name=customer.name,
            number=str(invoice.number),
            amount=formats.money(row.amount, language),
            refunded_on=local_date(returned_at, ZoneInfo(invoice.time_zone)),
            channel=CHANNELS[language][row.channel],
            refund_number=row.channel_refund_id or row.out_refund_no,
            reason=row.reason,
            link=collection.hosted_url(invoice, runtime().settings.base_url),
            reference=refund,
            is_sandbox=merchant.is_sandbox,
        )
        sending.queue_mail(
            session,
            rendering.render(words, language, mail_brand(session)),
            kind=words.kind,
            reference=f"{refund} {again}".rstrip(),
            recipient=Party(customer.email, shown_name(customer.name)),
            now=clock.now(),
        )


def _heal_merchant(merchant_id: int) -> None:
    refunding.heal(
        bound(merchant_id),
        partial(_channel, merchant_id),
        notify_url=_notify_url,
        now=clock.now(),
    )


def _channel(merchant_id: int, name: ChannelName) -> Channel:
    with transaction(merchant_id) as session:
        mode = clocks.get_merchant(session).mode
    return runtime().channel(name, mode)


def _notify_url(channel: ChannelName) -> str:
    return addresses.notify_url(runtime().settings.base_url, channel)
