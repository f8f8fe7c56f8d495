"""What narrows the operator's lists, as their addresses say: whose rows, of which channel."""

from typing import Any

from flask import request
from flask_babel import gettext as _

from app.channels.base import ChannelName
from app.core.errors import NotFound
from app.core.ids import find_merchant
from app.payments.platform_filter import PlatformFilter
from app.web import listing, refund_words


def chosen_merchant() -> int | None:
    """Return the merchant of the filter `merchant`, or None when it is not set. Raises NotFound."""
    text = request.args.get("merchant", "").strip()
    if not text:
        return None
    found = find_merchant(text)
    if found is None:
        raise NotFound(_("there is no merchant of this id"), path="merchant")
    return found


def chosen() -> PlatformFilter:
    """Read the filter from the address. Raises Invalid and NotFound."""
    return PlatformFilter(
        merchant_id=chosen_merchant(), channel=listing.chosen(ChannelName, "channel")
    )


def fields(*names: str) -> dict[str, Any]:
    """Return what a bar of these filters is drawn from, and whether any of them is set."""
    values = {name: request.args.get(name, "") for name in names}
    return {
        "values": values,
        "channels": refund_words.channels(),
        "is_filtered": any(values.values()),
    }
