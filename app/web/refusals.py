"""What a refusal says on a page, in the reader's language: by its code, else in its own words."""

from flask_babel import get_locale
from flask_babel import gettext as _

from app.billing.collection import InvoiceNotOpen
from app.billing.models import InvoiceStatus
from app.core.errors import Refusal


def say(refusal: Refusal) -> str:
    """Return the sentence for people.

    What a refusal says itself is English and knows the details; other languages get the rule.
    """
    if isinstance(refusal, InvoiceNotOpen):
        return _instead()[refusal.status]
    return say_code(refusal.code, str(refusal))


def say_code(code: str, own_words: str) -> str:
    """Return the sentence for a refusal that was kept: its code, and what it said itself."""
    if str(get_locale()) != "en":
        own_words = _rules().get(code, own_words)
    said = (
        _sentences()
        | _sentences_of_invoices()
        | _sentences_of_usage()
        | _sentences_of_corrections()
        | _sentences_of_coupons()
        | _sentences_of_webhooks()
        | _sentences_of_refunds()
        | _sentences_of_risk()
        | _sentences_of_reminders()
    )
    return said.get(code, own_words)


def _instead() -> dict[InvoiceStatus, str]:
    """Say what an invoice is by now, and what can be done with it instead."""
    return {
        InvoiceStatus.DRAFT: _("It is a draft. Finalize it first, or throw it away."),
        InvoiceStatus.OPEN: _("It is open. Void it, give it up, or wait for the payment."),
        InvoiceStatus.PAID: _("It is paid by now. Correct it with a credit note."),
        InvoiceStatus.VOID: _("It is void. Nothing is owed any more."),
        InvoiceStatus.UNCOLLECTIBLE: _("It is given up by now. It can still be paid or voided."),
        InvoiceStatus.PARTIALLY_REFUNDED: _(
            "It is paid, and refunded in part. Correct what is left with a credit note."
        ),
        InvoiceStatus.REFUNDED: _("It is refunded. Nothing is left to correct."),
    }


def _rules() -> dict[str, str]:
    return {
        "dimension_in_use": _("A rate card prices by a dimension or value that is missing here."),
        "draft_changed": _("Somebody saved the draft meanwhile; look at it again."),
        "draft_outdated": _("A version was published meanwhile; look at what differs."),
        "invalid_branding": _("This text is too long or has control characters."),
        "invalid_coupon": _("This value is not possible here."),
        "invalid_tax_rate": _("From 0 to 100, with at most four decimals."),
        "invalid_refund": _("Refund more than zero, and of lines as much as of all."),
        "invalid_dates": _("A contract ends after it starts, between the years 2000 and 2199."),
        "invalid_metric": _(
            "At most five dimensions, each with different values; different values are counted "
            "of one of them."
        ),
        "invalid_price": _(
            "Each tier reaches further than the one before, and the maximum is not below the "
            "minimum."
        ),
        "invalid_rate_card": _("Price every metric at most once per currency."),
        "invalid_setting": _("This value is not possible here."),
        "invalid_text": _("Write one line that is not too long, without control characters."),
    }


def _sentences() -> dict[str, str]:
    return {
        "color_too_light": _("This colour is hard to read on white. Choose a darker one."),
        "invalid_logo": _("Choose a PNG or JPEG picture of at most 512 kB."),
        "clock_is_real": _("Only a sandbox has a clock of its own."),
        "clock_only_forward": _("After the first invoice the clock only moves forward."),
        "contract_ended": _("This contract has ended."),
        "contract_on_this_version": _("The contract is on this version already."),
        "contract_end_put_off": _("The end of a contract can be brought forward, never put off."),
        "contract_overlap": _(
            "Another contract of this customer prices the same metric in that time."
        ),
        "currency_not_priced": _("The rate card has no prices in this currency."),
        "customer_archived": _("This customer is archived. Restore it first."),
        "customer_has_contracts": _(
            "This customer has contracts that run or are not invoiced yet. End them first."
        ),
        "external_id_taken": _("There is a customer with this external id already."),
        "invalid_code": _("Use 1 to 64 of a–z, 0–9 and _, beginning with a letter."),
        "invalid_email": _("This is not an e-mail address."),
        "internal_error": _("Something went wrong on our side. We have been told."),
        "line_too_large": _("A line comes to more than we bill. Look at its price."),
        "no_draft": _("There is no draft any more: it was published or discarded."),
        "product_archived": _("This product is archived. Restore it first."),
        "product_code_taken": _("There is a product with this code already."),
        "rate_card_archived": _("This rate card is archived. Restore it first."),
        "rate_card_code_taken": _("There is a rate card with this code already."),
        "rate_card_unchanged": _("These prices are the ones of the current version."),
        "settlement_currency_fixed": _(
            "Invoices were settled in this currency; it stays as it is."
        ),
        "starts_in_the_past": _("A live contract starts today or later."),
        "too_many_api_keys": _("There are too many keys. Revoke one first."),
        "too_many_webhook_endpoints": _("There are too many endpoints. Delete one first."),
        "version_of_another_product": _("Choose a version of a rate card of the same product."),
    }


def _sentences_of_corrections() -> dict[str, str]:
    return {
        "balance_too_low": _("The customer does not have that much to his credit."),
        "credit_too_large": _("That is more than is left to credit."),
        "invalid_amount": _("Write an amount such as 12.50."),
        "invalid_items": _("Write at least one line, and at most 100."),
        "invoice_not_creditable": _("Only an open or a paid invoice can be credited."),
        "invoice_not_editable": _("Only a draft made by hand can be changed or thrown away."),
        "invoice_was_credited": _("A credit note corrected it. Void it and bill the rest by hand."),
        "payment_under_way": _("A payment of this invoice is under way. Try again in a moment."),
        "reissue_too_early": _("Its rates still hold: it can be issued anew after 30 days."),
    }


def _sentences_of_refunds() -> dict[str, str]:
    return {
        "case_under_way": _("This money is on its way back already."),
        "dispute_recorded": _("This case of the channel was recorded already."),
        "not_refundable": _("No channel holds money of this invoice that could go back."),
        "refund_not_mailable": _("The buyer is told once the channel has paid."),
        "refund_preview_outdated": _("Look at what it comes to now, and refund it then."),
        "refund_too_large": _("That is more than is left to refund."),
        "refund_window_over": _("The time in which it can be refunded is over."),
        "too_many_refunds": _("A payment goes back in at most 50 parts."),
    }


def _sentences_of_risk() -> dict[str, str]:
    """Say what a payer is told, too: neither blames him nor says what the platform looks at."""
    return {
        "channel_limit": _("This channel does not take this amount. Please pay another way."),
        "daily_limit_reached": _(
            "Payments here have reached today’s limit. Try again tomorrow, or ask the seller."
        ),
        "invalid_limit": _("Write an amount or a number from 0, or nothing."),
        "merchant_frozen": _(
            "Payments here are paused for the moment. Nothing was charged; please ask the seller."
        ),
        "too_many_payments": _(
            "There are many payments at once. Nothing was charged; try again in a few minutes."
        ),
    }


def _sentences_of_reminders() -> dict[str, str]:
    return {
        "customer_without_email": _("This customer has no e-mail address."),
        "invalid_reminder_steps": _(
            "Choose 1 to 10 different days, from 30 before the due day to 90 after."
        ),
        "invoice_outdated": _("Its locked rates are too old to be paid at. Issue it anew."),
        "reminded_today": _("A reminder of this invoice went out today already."),
    }


def _sentences_of_invoices() -> dict[str, str]:
    return {
        "document_not_ready": _("The PDF is not printed yet."),
        "invalid_fapiao_item": _("Write a name, or *class*name."),
        "invalid_tax_code": _("Copy the 19 digits from the tax authority’s list."),
        "invoice_not_draft": _("It is no draft any more."),
        "invoice_not_mailable": _("A draft or a void invoice is not mailed."),
        "invoice_not_open": _(
            "Only an unpaid invoice can be voided or given up. "
            "Correct a paid one with a credit note."
        ),
        "mailed_just_now": _("It was mailed within the last minute."),
        "no_invoices_chosen": _("Select at least one invoice."),
        "too_many_invoices": _("Select at most 500 invoices."),
    }


def _sentences_of_usage() -> dict[str, str]:
    return {
        "dead_event_changed": _(
            "This event was discarded while it was replayed. Nothing was stored."
        ),
        "invalid_decimal": _(
            "Write a plain number such as 0.015, with at most 18 digits and 12 decimals."
        ),
        "invalid_reason": _("Write a reason of 1 to 500 characters."),
        "metric_built_in": _("Built-in metrics stay as they are."),
        "metric_code_taken": _("There is a metric with this code already."),
        "period_invoiced": _("An invoice covers days after this end."),
        "replay_running": _("A replay is under way. Wait for its end."),
        "time_zone_fixed": _("Usage was counted by the days of this time zone; it stays as it is."),
    }


def _sentences_of_coupons() -> dict[str, str]:
    return {
        "contract_invoiced": _("Every period of this contract is invoiced."),
        "coupon_archived": _("This coupon is archived. Restore it first."),
        "coupon_attached": _("The contract has this coupon already."),
        "coupon_code_taken": _("There is a coupon with this code already."),
        "coupon_currency_mismatch": _("This coupon is in another currency than the contract."),
        "coupon_customer_limit": _("This customer redeems the coupon as often as one may."),
        "coupon_exhausted": _("This coupon is redeemed as often as it may be."),
        "coupon_expired": _("The last day of this coupon has passed."),
        "coupon_for_new_customers": _("Only customers never billed before may redeem it."),
        "exempt_with_tax_rate": _("A customer is exempt or has a rate, not both."),
        "tax_rate_archived": _("This tax rate is archived. Restore it first."),
        "tax_rate_code_taken": _("There is a tax rate with this code already."),
        "tax_rate_is_default": _("Make another rate the default first, or none."),
        "too_many_coupons": _("A contract has at most ten coupons."),
    }


def _sentences_of_webhooks() -> dict[str, str]:
    return {
        "webhook_description_too_long": _("The description is too long."),
        "webhook_endpoint_archived": _("This endpoint was deleted."),
        "webhook_endpoint_not_active": _("This endpoint is off. Enable it first."),
        "webhook_event_types_empty": _("Choose at least one event."),
        "webhook_host_not_allowed": _("The host must be a public domain name."),
        "webhook_port_not_allowed": _("The port must be 443 or 8443."),
        "webhook_url_malformed": _("Write the URL as https://host/path."),
        "webhook_url_not_https": _("The URL must start with https://."),
    }
