"""Rate cards and their versions: a price changes by publishing the next version."""

from app.api.operations import Call
from app.api.v1 import prices
from app.api.v1.base import API, In, Listing, Moment, Out, PageQuery, utc
from app.api.v1.prices import Prices
from app.core.ids import Prefix, read, show
from app.identity.models import Scope
from app.pricing import queries, rate_cards
from app.pricing.models import CatalogStatus, RateCard, RateCardVersion

TAG = "Rate cards"
_CURRENCIES = {
    "USD": [
        {"metric": "tokens_input", "model": "standard", "unitPrice": "0.00025"},
        {
            "metric": "agent_runs",
            "model": "graduated",
            "freeUnits": "100",
            "tiers": [
                {"upTo": "1000", "unitPrice": "4"},
                {"upTo": None, "unitPrice": "3", "flatFee": "500"},
            ],
        },
    ]
}


class RateCardIn(In):
    """A rate card to add, with the prices of its version 1."""

    product_id: str
    code: str
    name: str
    currencies: Prices


class RateCardChange(In):
    """What to change; what is left out stays."""

    name: str | None = None


class VersionIn(In):
    """The prices of the next version, all of them: nothing is taken over from the last one."""

    currencies: Prices


class RateCardQuery(PageQuery, kw_only=True):
    product_id: str | None = None
    status: CatalogStatus | None = None
    q: str = ""


class VersionOut(Out):
    """One immutable edition of a rate card; `sha256` is the hash of its content."""

    id: str
    rate_card_id: str
    number: int
    currencies: Prices
    sha256: str
    published_at: Moment

    @classmethod
    def of(cls, version: RateCardVersion) -> "VersionOut":
        return cls(
            id=show(Prefix.RATE_CARD_VERSION, version.id),
            rate_card_id=show(Prefix.RATE_CARD, version.rate_card_id),
            number=version.number,
            currencies=prices.prices_of(version.content),
            sha256=version.sha256,
            published_at=utc(version.published_at),
        )


class RateCardOut(Out):
    """A rate card and the version that new contracts get."""

    id: str
    product_id: str
    code: str
    name: str
    status: CatalogStatus
    current_version: VersionOut
    created_at: Moment

    @classmethod
    def of(cls, card: RateCard, current: RateCardVersion) -> "RateCardOut":
        return cls(
            id=show(Prefix.RATE_CARD, card.id),
            product_id=show(Prefix.PRODUCT, card.product_id),
            code=card.code,
            name=card.name,
            status=card.status,
            current_version=VersionOut.of(current),
            created_at=utc(card.created_at),
        )


class RateCardList(Listing[RateCardOut]):
    """A page of rate cards, newest first."""


class VersionList(Listing[VersionOut]):
    """A page of the versions of a rate card, the current one first."""


@API.route(
    "POST",
    "/rate-cards",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=RateCardIn,
    returns=RateCardOut,
    status=201,
    errors=(404,),
    example={
        "productId": "prod_0123456789abc",
        "code": "standard",
        "name": "Standard",
        "currencies": _CURRENCIES,
    },
)
def create_rate_card(call: Call, body: RateCardIn) -> RateCardOut:
    """Add a rate card to a product and publish its version 1."""
    version = rate_cards.create_rate_card(
        call.session,
        product_id=read(Prefix.PRODUCT, body.product_id),
        code=body.code,
        name=body.name,
        content=prices.content(body.currencies),
        actor=call.actor,
        now=call.now,
    )
    card = queries.get_rate_card(call.session, version.rate_card_id)
    return RateCardOut.of(card, version)


@API.route(
    "GET",
    "/rate-cards",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    query=RateCardQuery,
    returns=RateCardList,
    errors=(404,),
)
def list_rate_cards(call: Call, query: RateCardQuery) -> Listing[RateCardOut]:
    """List rate cards; `q` is a part of the code or the name."""
    product_id = read(Prefix.PRODUCT, query.product_id) if query.product_id else None
    page = queries.list_rate_cards(
        call.session, product_id=product_id, status=query.status, q=query.q, **query.page
    )
    current = queries.current_versions(call.session, [card.id for card in page.rows])
    return RateCardList.of(page, lambda card: RateCardOut.of(card, current[card.id]))


@API.route(
    "GET",
    "/rate-cards/<rate_card_id>",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    returns=RateCardOut,
)
def get_rate_card(call: Call, rate_card_id: int) -> RateCardOut:
    """Return a rate card with its current version."""
    return _shown(call, queries.get_rate_card(call.session, rate_card_id))


@API.route(
    "PATCH",
    "/rate-cards/<rate_card_id>",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=RateCardChange,
    returns=RateCardOut,
)
def update_rate_card(call: Call, rate_card_id: int, body: RateCardChange) -> RateCardOut:
    """Change a rate card's name; its prices change by a new version."""
    if body.name is None:
        return _shown(call, queries.get_rate_card(call.session, rate_card_id))
    return _shown(call, rate_cards.rename_rate_card(call.session, rate_card_id, name=body.name))


@API.route(
    "POST",
    "/rate-cards/<rate_card_id>/archive",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=RateCardOut,
)
def archive_rate_card(call: Call, rate_card_id: int) -> RateCardOut:
    """Take a rate card off sale; the contracts it has go on."""
    return _shown(call, rate_cards.archive_rate_card(call.session, rate_card_id))


@API.route(
    "POST",
    "/rate-cards/<rate_card_id>/restore",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=RateCardOut,
)
def restore_rate_card(call: Call, rate_card_id: int) -> RateCardOut:
    """Put a rate card back on sale."""
    return _shown(call, rate_cards.restore_rate_card(call.session, rate_card_id))


@API.route(
    "POST",
    "/rate-cards/<rate_card_id>/versions",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=VersionIn,
    returns=VersionOut,
    status=201,
    example={"currencies": _CURRENCIES},
)
def publish_rate_card_version(call: Call, rate_card_id: int, body: VersionIn) -> VersionOut:
    """Publish the next version; contracts keep the version they were made with."""
    version = rate_cards.publish_version(
        call.session,
        rate_card_id,
        content=prices.content(body.currencies),
        actor=call.actor,
        now=call.now,
    )
    return VersionOut.of(version)


@API.route(
    "GET",
    "/rate-cards/<rate_card_id>/versions",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    query=PageQuery,
    returns=VersionList,
)
def list_rate_card_versions(call: Call, rate_card_id: int, query: PageQuery) -> Listing[VersionOut]:
    """List the versions of a rate card, the current one first."""
    page = queries.list_versions(call.session, rate_card_id, **query.page)
    return VersionList.of(page, VersionOut.of)


@API.route(
    "GET",
    "/rate-card-versions/<rate_card_version_id>",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    returns=VersionOut,
)
def get_rate_card_version(call: Call, rate_card_version_id: int) -> VersionOut:
    """Return one version of a rate card."""
    return VersionOut.of(queries.get_version(call.session, rate_card_version_id))


def _shown(call: Call, card: RateCard) -> RateCardOut:
    return RateCardOut.of(card, queries.current_version(call.session, card.id))
