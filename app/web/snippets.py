"""Commands to copy, holding the merchant's own ids and the current time; the key stays a variable.

A key is readable only when it is made, so every command reads `$BUFFMONEY_API_KEY`.
"""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from app.core.money import Currency
from app.customers import queries as customers
from app.customers.models import Contract
from app.extensions import runtime
from app.pricing import price_sets
from app.pricing import queries as catalogue

_METRIC, _CUSTOMER = "tokens_input", "user_42"  # the guide's own, until there are others


def key() -> str:
    """Return the line that keeps a key for the commands below it."""
    return "export BUFFMONEY_API_KEY=bm_sandbox_…"


def curl(path: str, body: dict[str, Any], *headers: str) -> str:
    """Return a command that posts `body` to our API; its quoting holds for any POSIX shell."""
    lines = [
        f"curl -X POST {runtime().settings.base_url}{path}",
        '-H "Authorization: Bearer $BUFFMONEY_API_KEY"',
        *(f'-H "{header}"' for header in headers),
        '-H "Content-Type: application/json"',
        f"-d {_quoted(json.dumps(body, ensure_ascii=False, indent=2))}",
    ]
    return " \\\n  ".join(lines)


def first_event(session: Session, *, now: datetime) -> str:
    """Return the guide's usage event, for the newest contract's customer and metric, of now."""
    newest = customers.list_contracts(session, limit=1).rows
    customer, metric = _CUSTOMER, _METRIC
    if newest:
        customer = customers.get_customer(session, newest[0].customer_id).external_id
        metric = next(iter(_priced(session, newest[0])), _METRIC)
    moment = now.astimezone(UTC)
    event = {
        "customerExternalId": customer,
        "idempotencyKey": f"evt_{moment:%Y%m%d%H%M%S}",
        "metric": metric,
        "quantity": "12500",
        "occurredAt": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "dimensions": {"model": "gpt-5", "region": "us-east-1"},
    }
    batch = f"Idempotency-Key: batch-{moment:%Y%m%d-%H%M%S}"
    return curl("/api/v1/usage-events", {"events": [event]}, batch)


def _priced(session: Session, contract: Contract) -> list[str]:
    version = catalogue.get_version(session, contract.rate_card_version_id)
    return list(price_sets.prices_of(version, Currency(contract.currency)))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
