"""`/api/v1`: camelCase, problem+json, cursors. One module a resource."""

from app.api.v1 import (
    checkout,
    contracts,
    customers,
    dead_events,
    invoices,
    ledger,
    metrics,
    products,
    rate_cards,
    sandbox,
    usage,
    usage_reads,
    webhooks,
)
from app.api.v1.base import API
from app.api.v1.document import document, spec

__all__ = [
    "API",
    "checkout",
    "contracts",
    "customers",
    "dead_events",
    "document",
    "invoices",
    "ledger",
    "metrics",
    "products",
    "rate_cards",
    "sandbox",
    "spec",
    "usage",
    "usage_reads",
    "webhooks",
]
