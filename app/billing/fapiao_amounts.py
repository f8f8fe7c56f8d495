"""What a fapiao is about: the CNY of its invoice, and the tax within it."""

from dataclasses import dataclass

from app.billing.models import Invoice
from app.core.money import Currency, Money


@dataclass(frozen=True, slots=True)
class FapiaoAmounts:
    """CNY: the whole amount, and the tax within it."""

    amount: Money
    tax: Money


def amounts_of(invoice: Invoice) -> FapiaoAmounts:
    """Return what a fapiao of a finalised invoice comes to: what is collected."""
    return FapiaoAmounts(invoice.collection, Money.zero(Currency.CNY))
