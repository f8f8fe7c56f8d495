"""`/api/v1`: camelCase, problem+json, cursors. One module a resource."""

from app.api.v1 import (
    audit,
    checkout,
    contracts,
    customers,
    dead_events,
    drafts,
    fapiao,
    invoices,
    ledger,
    metrics,
    pricing,
    products,
    rate_cards,
    replays,
    sandbox,
    usage,
    usage_reads,
    webhooks,
)
from app.api.v1.base import API
from app.api.v1.document import document, spec

__all__ = [
    "API",
    "audit",
    "checkout",
    "contracts",
    "customers",
    "dead_events",
    "document",
    "drafts",
    "fapiao",
    "invoices",
    "ledger",
    "metrics",
    "pricing",
    "products",
    "rate_cards",
    "replays",
    "sandbox",
    "spec",
    "usage",
    "usage_reads",
    "webhooks",
]
