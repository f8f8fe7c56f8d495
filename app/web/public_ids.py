"""How templates write ids: by what kind of row they name, never as a number."""

from functools import partial
from typing import Any

from app.core.ids import Prefix, show

PUBLIC_IDS: dict[str, Any] = {
    "contract_id": partial(show, Prefix.CONTRACT),
    "coupon_id": partial(show, Prefix.COUPON),
    "customer_id": partial(show, Prefix.CUSTOMER),
    "invoice_id": partial(show, Prefix.INVOICE),
    "key_id": partial(show, Prefix.API_KEY),
    "metric_id": partial(show, Prefix.METRIC),
    "product_id": partial(show, Prefix.PRODUCT),
    "rate_card_id": partial(show, Prefix.RATE_CARD),
    "replay_id": partial(show, Prefix.PRICE_REPLAY),
    "tax_rate_id": partial(show, Prefix.TAX_RATE),
    "version_id": partial(show, Prefix.RATE_CARD_VERSION),
}
"""Pass it to `page` and write `{{ customer_id(customer.id) }}`."""
