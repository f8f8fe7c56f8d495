"""What narrows the lists of operators: whose payments they are about, and of which channel."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement

from app.channels.base import ChannelName
from app.payments.models import ChannelCallback, UnallocatedPayment
from app.payments.refund_models import Refund


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFilter:
    """Which rows of all merchants a list has. What is not given does not narrow it."""

    merchant_id: int | None = None
    channel: ChannelName | None = None

    def of(
        self, model: type[Refund | UnallocatedPayment | ChannelCallback]
    ) -> list[ColumnElement[bool]]:
        """Return the conditions that rows of `model` meet."""
        conditions: list[ColumnElement[bool]] = []
        if self.merchant_id is not None:
            conditions.append(model.merchant_id == self.merchant_id)
        if self.channel is not None:
            conditions.append(model.channel == self.channel)
        return conditions


EVERYTHING = PlatformFilter()
