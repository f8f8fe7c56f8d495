"""What the audit trail says of a deed, of what it changed, and of how it was before and after."""

import json
from typing import Any

from flask_babel import gettext as _

from app.web import risk_words


def deeds() -> dict[str, str]:
    """Return every deed that is written down, by the name of its entry."""
    return _deeds_of_money_back() | {
        "branding.changed": _("Branding changed"),
        "contract.coupon_attached": _("Coupon attached"),
        "contract.coupon_detached": _("Coupon taken off"),
        "contract.version_cancelled": _("Price change called off"),
        "contract.version_scheduled": _("Price change scheduled"),
        "coupon.archived": _("Coupon archived"),
        "coupon.created": _("Coupon created"),
        "coupon.renamed": _("Coupon renamed"),
        "coupon.restored": _("Coupon restored"),
        "customer.tax_changed": _("Tax of a customer changed"),
        "customer_balance.adjusted": _("Balance adjusted"),
        "dead_event.discarded": _("Unmatched usage discarded"),
        "fapiao.issued": _("Fapiao issued"),
        "fapiao.red_letter_requested": _("Red letter requested"),
        "fapiao.red_lettered": _("Fapiao red-lettered"),
        "fapiao.rejected": _("Fapiao rejected"),
        "fapiao_settings.changed": _("Item of the fapiao changed"),
        "webhook_endpoint.secret_revealed": _("Signing secret shown"),
        "credit_note.issued": _("Credit note given"),
        "invoice.given_up": _("Invoice given up"),
        "invoice.voided": _("Invoice voided"),
        "invoice.reissued": _("Invoice issued anew"),
        "invoice.reminded": _("Customer reminded"),
        "invoice.resent": _("Invoice mailed again"),
        "product.tax_changed": _("Tax of a product changed"),
        "rate_card.published": _("Prices published"),
        "rate_card_version.contracts_scheduled": _("Price change scheduled for all"),
        "reminder_settings.changed": _("Reminders changed"),
        "tax_rate.archived": _("Tax rate archived"),
        "tax_rate.created": _("Tax rate created"),
        "tax_rate.default_cleared": _("Default tax taken away"),
        "tax_rate.default_set": _("Default tax set"),
        "tax_rate.renamed": _("Tax rate renamed"),
        "tax_rate.restored": _("Tax rate restored"),
        "usage_event.voided": _("Usage voided"),
    }


def _deeds_of_money_back() -> dict[str, str]:
    """Return what is done about refunds, disputes, cases, and merchants at risk."""
    return {
        "case.kept": _("Money that paid nothing kept"),
        "case.sent_back": _("Money that paid nothing sent back"),
        "dispute.closed": _("Dispute closed"),
        "dispute.opened": _("Dispute opened"),
        "refund.approve": _("Refund approved"),
        "refund.reject": _("Refund rejected"),
        "refund.request": _("Refund requested"),
        "refund.resent": _("Refund mailed again"),
        "refund_settings.changed": _("Refund window changed"),
        "risk.freeze": _("Frozen by the platform"),
        "risk.set_limits": _("Limits set by the platform"),
        "risk.unfreeze": _("Released by the platform"),
    }


def deed(action: str) -> str:
    """Say what was done; a deed of a later version by its name."""
    return deeds().get(action, action)


def field(name: str) -> str:
    """Say what a field is called on our pages, those nobody else has by their name."""
    words = {
        "amount_minor": _("Amount in minor units"),
        "code": _("Code"),
        "color": _("Colour"),
        "coupon": _("Coupon"),
        "currency": _("Currency"),
        "default": _("Default"),
        "duration": _("Duration"),
        "footer": _("Footer"),
        "is_inclusive": _("Prices hold the tax"),
        "is_on": _("On"),
        "is_tax_exempt": _("Pays no tax"),
        "is_for_new_customers": _("New customers only"),
        "item": _("Item"),
        "legal_address": _("Legal address"),
        "legal_name": _("Legal name"),
        "logo_sha256": _("Logo"),
        "max_per_customer": _("Most for each customer"),
        "max_redemptions": _("Most contracts"),
        "metric_codes": _("Metrics"),
        "minimum_minor": _("Minimum in minor units"),
        "months": _("Months"),
        "name": _("Name"),
        "number": _("Number"),
        "percent": _("Percent"),
        "prices": _("Prices"),
        "product_codes": _("Products"),
        "reason": _("Reason"),
        "redeem_by": _("Redeem by"),
        "sha256": "SHA-256",
        "status": _("Status"),
        "steps": _("Steps"),
        "switch": _("What is stopped"),
        "tax_code": _("Tax classification code"),
        "tax_id": _("Tax number"),
        "tax_rate": _("Tax rate"),
        "version": _("Version"),
        "window_days": _("Refund window in days"),
    }
    return str(words.get(name) or risk_words.named(name))


def value(stored: Any) -> str:
    """Say what a field held, of many things only which; what was not there is empty."""
    if isinstance(stored, bool):
        return str(_("yes") if stored else _("no"))
    if isinstance(stored, dict | list):
        return ", ".join(map(str, stored))
    words = {
        "active": _("Active"),
        "archived": _("Archived"),
        "draft": _("Draft"),
        "forever": _("Forever"),
        "once": _("Once"),
        "open": _("Open"),
        "repeating": _("Repeating"),
        "uncollectible": _("Uncollectible"),
        "void": _("Void"),
    }
    return "" if stored is None else str(words.get(stored, stored))


def exact(stored: Any) -> str:
    """Write all that a field held, for programs; what was not there is empty."""
    if stored is None or isinstance(stored, str):
        return stored or ""
    return json.dumps(stored, ensure_ascii=False)
