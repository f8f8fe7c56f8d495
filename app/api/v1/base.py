"""What the resources of v1 share."""

import msgspec

from app.api.operations import Api
from app.core.paging import DEFAULT_LIMIT

API = Api("api_v1", prefix="/api/v1")


class In(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """A body or a query: a field that is not declared is refused, never ignored."""


class Out(msgspec.Struct, rename="camel", frozen=True):
    """An answer. Amounts are integers of minor units; quantities and prices are decimal text."""


class PageQuery(In, kw_only=True):
    """Which page of a list."""

    cursor: str | None = None
    limit: int = DEFAULT_LIMIT
