"""What limits and switches are called on pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _

from app.audit.models import AuditEntry
from app.core.money import Currency, Money
from app.risk.models import Switch
from app.risk.rules import LIMITS, Rule
from app.web.amounts import grouped

_LOOKS = {
    "risk.freeze": ("bad", "snowflake"),
    "risk.unfreeze": ("ok", "shield-check"),
    "risk.set_limits": ("info", "gauge"),
}


@dataclass(frozen=True)
class Deed:
    """Something that an admin did about limits and switches, as a timeline shows it."""

    tone: str
    icon: str
    title: str
    at: datetime
    text: str


def rules() -> dict[Rule, str]:
    """Name every rule."""
    return {
        Rule.DAILY_AMOUNT: _("Paid and reserved in a day"),
        Rule.PAYMENTS_PER_MINUTE: _("Payments opened in a minute"),
        Rule.PAYMENTS_PER_HOUR: _("Payments opened in an hour"),
        Rule.CUSTOMER_DAILY_AMOUNT: _("Of one customer in a day"),
        Rule.CUSTOMER_PER_MINUTE: _("Payments of one customer in a minute"),
        Rule.CUSTOMER_PER_HOUR: _("Payments of one customer in an hour"),
        Rule.PAYER_PER_MINUTE: _("Payments from one address in a minute"),
        Rule.PAYER_PER_HOUR: _("Payments from one address in an hour"),
        Rule.WECHAT_PAYMENT: _("One payment by WeChat Pay"),
        Rule.WECHAT_DAILY: _("WeChat Pay in a day, of each merchant"),
        Rule.ALIPAY_PAYMENT: _("One payment by Alipay"),
        Rule.ALIPAY_DAILY: _("Alipay in a day, of each merchant"),
        Rule.REFUND_AMOUNT: _("One refund without approval"),
        Rule.REFUNDS_PER_DAY: _("Refunds in a day without approval"),
        Rule.FROZEN: _("Frozen by hand"),
    }


def named(rule: str) -> str:
    """Name a rule by its text; what is none stays as it is."""
    return rules()[Rule(rule)] if rule in {each.value for each in Rule} else rule


def switches() -> dict[Switch, tuple[str, str]]:
    """Name what can be frozen, and say what then happens."""
    return {
        Switch.CHECKOUT: (
            _("Checkout"),
            _("No payment is opened. Payers are told to come back later; open codes run out."),
        ),
        Switch.PAYOUTS: (_("Payouts"), _("Nothing is paid out; what is earned stays on account.")),
        Switch.REFUNDS: (_("Refunds"), _("Every refund waits until the platform approves it.")),
    }


def measured(rule: Rule, number: int | None) -> str:
    """Write a limit, or a use of it: CNY, or how many times; nothing where there is no number."""
    if number is None:
        return ""
    if rule in LIMITS and LIMITS[rule].is_amount:
        return grouped(Money(number, Currency.CNY))
    return f"{number:,}"


def deeds_of(entries: Iterable[AuditEntry]) -> list[Deed]:
    """Return what was done about risk among these entries: what, by whom, and why or how."""
    titles = {
        "risk.freeze": _("Frozen"),
        "risk.unfreeze": _("Released"),
        "risk.set_limits": _("Limits set"),
    }
    return [
        Deed(*_LOOKS[entry.action], titles[entry.action], entry.at, _told(entry))
        for entry in entries
        if entry.action in titles
    ]


def _told(entry: AuditEntry) -> str:
    before, after = entry.before or {}, entry.after or {}
    if entry.action != "risk.set_limits":
        stopped = after or before
        name = switches()[Switch(stopped["switch"])][0]
        return " · ".join(filter(None, (entry.actor_name, name, after.get("reason", ""))))
    names = rules()
    changes = [
        f"{names[Rule(key)]}: {_shown(key, before.get(key))} → {_shown(key, after.get(key))}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return " · ".join([entry.actor_name, *changes])


def _shown(rule: str, number: int | None) -> str:
    return measured(Rule(rule), number) or _("as for everybody")
