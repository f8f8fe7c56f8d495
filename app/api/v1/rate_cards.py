"""Rate cards and their versions: a price changes by publishing the next version."""

from enum import StrEnum

from app.api.operations import Call
from app.api.v1 import prices
from app.api.v1.base import API, In, Listing, Moment, Out, PageQuery, utc
from app.api.v1.drafts import DraftOut
from app.api.v1.prices import Commitments, ContentIn, DifferenceOut, Prices
from app.core.ids import Prefix, read, show
from app.identity.models import Scope
from app.pricing import drafts, queries, rate_cards
from app.pricing.differences import NOTHING, differences
from app.pricing.models import CatalogStatus, RateCard, RateCardDraft, RateCardVersion

TAG = "Rate cards"
EXAMPLE = {
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
        {
            "metric": "images",
            "model": "standard",
            "unitPrice": "4",
            "filters": [
                {"match": {"model": ["dall-e-3"]}, "model": "standard", "unitPrice": "8"},
            ],
        },
    ]
}


class VersionStatus(StrEnum):
    """Whether new contracts get the version; those that are on it keep it."""

    PUBLISHED = "published"
    SUPERSEDED = "superseded"


class RateCardIn(ContentIn, kw_only=True):
    """A rate card to add, with the prices of its version 1."""

    product_id: str
    code: str
    name: str


class RateCardChange(In):
    """What to change; what is left out stays."""

    name: str | None = None


class VersionIn(ContentIn):
    """The prices of the next version, all of them: nothing is taken over from the last one."""


class RateCardQuery(PageQuery, kw_only=True):
    product_id: str | None = None
    status: CatalogStatus | None = None
    q: str = ""


class DiffQuery(In, kw_only=True):
    """Which version to compare with; the one before when it is left out."""

    against: str | None = None


class VersionOut(Out):
    """One immutable edition of a rate card; `sha256` is the hash of its content."""

    id: str
    rate_card_id: str
    number: int
    status: VersionStatus
    currencies: Prices
    commitments: Commitments
    sha256: str
    published_at: Moment

    @classmethod
    def of(cls, version: RateCardVersion, *, current: RateCardVersion) -> "VersionOut":
        is_current = version.number == current.number
        return cls(
            id=show(Prefix.RATE_CARD_VERSION, version.id),
            rate_card_id=show(Prefix.RATE_CARD, version.rate_card_id),
            number=version.number,
            status=VersionStatus.PUBLISHED if is_current else VersionStatus.SUPERSEDED,
            currencies=prices.prices_of(version.content),
            commitments=prices.commitments_of(version.content),
            sha256=version.sha256,
            published_at=utc(version.published_at),
        )


class RateCardOut(Out):
    """A rate card, the version that new contracts get, and the draft of the next one."""

    id: str
    product_id: str
    code: str
    name: str
    status: CatalogStatus
    current_version: VersionOut
    draft: DraftOut | None
    created_at: Moment

    @classmethod
    def of(
        cls, card: RateCard, current: RateCardVersion, draft: RateCardDraft | None
    ) -> "RateCardOut":
        return cls(
            id=show(Prefix.RATE_CARD, card.id),
            product_id=show(Prefix.PRODUCT, card.product_id),
            code=card.code,
            name=card.name,
            status=card.status,
            current_version=VersionOut.of(current, current=current),
            draft=DraftOut.of(draft, current=current) if draft else None,
            created_at=utc(card.created_at),
        )


class RateCardList(Listing[RateCardOut]):
    """A page of rate cards, newest first."""


class VersionList(Listing[VersionOut]):
    """A page of the versions of a rate card, the current one first."""


class DiffOut(Out):
    """What a version says differently from the one before, or the one asked for."""

    rate_card_version_id: str
    against: str | None
    differences: list[DifferenceOut]


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
        "currencies": EXAMPLE,
    },
)
def create_rate_card(call: Call, body: RateCardIn) -> RateCardOut:
    """Add a rate card to a product and publish its version 1."""
    version = rate_cards.create_rate_card(
        call.session,
        product_id=read(Prefix.PRODUCT, body.product_id),
        code=body.code,
        name=body.name,
        content=body.document(),
        actor=call.actor,
        now=call.now,
    )
    card = queries.get_rate_card(call.session, version.rate_card_id)
    return RateCardOut.of(card, version, None)


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
    ids = [card.id for card in page.rows]
    current = queries.current_versions(call.session, ids)
    drafted = drafts.drafts_of(call.session, ids)
    return RateCardList.of(
        page, lambda card: RateCardOut.of(card, current[card.id], drafted.get(card.id))
    )


@API.route(
    "GET",
    "/rate-cards/<rate_card_id>",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    returns=RateCardOut,
)
def get_rate_card(call: Call, rate_card_id: int) -> RateCardOut:
    """Return a rate card with its current version and its draft."""
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
    example={"currencies": EXAMPLE},
)
def publish_rate_card_version(call: Call, rate_card_id: int, body: VersionIn) -> VersionOut:
    """Publish the next version at once; contracts keep the version they were made with."""
    version = rate_cards.publish_version(
        call.session, rate_card_id, content=body.document(), actor=call.actor, now=call.now
    )
    return VersionOut.of(version, current=version)


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
    current = queries.current_version(call.session, rate_card_id)
    return VersionList.of(page, lambda version: VersionOut.of(version, current=current))


@API.route(
    "GET",
    "/rate-card-versions/<rate_card_version_id>",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    returns=VersionOut,
)
def get_rate_card_version(call: Call, rate_card_version_id: int) -> VersionOut:
    """Return one version of a rate card."""
    version = queries.get_version(call.session, rate_card_version_id)
    current = queries.current_version(call.session, version.rate_card_id)
    return VersionOut.of(version, current=current)


@API.route(
    "GET",
    "/rate-card-versions/<rate_card_version_id>/diff",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    query=DiffQuery,
    returns=DiffOut,
)
def diff_rate_card_version(call: Call, rate_card_version_id: int, query: DiffQuery) -> DiffOut:
    """Return what a version says differently, field by field."""
    version = queries.get_version(call.session, rate_card_version_id)
    if query.against is None:
        other = queries.version_before(call.session, version)
    else:
        other_id = read(Prefix.RATE_CARD_VERSION, query.against)
        other = queries.get_version(call.session, other_id)
    found = differences(other.content if other else NOTHING, version.content)
    return DiffOut(
        rate_card_version_id=show(Prefix.RATE_CARD_VERSION, version.id),
        against=show(Prefix.RATE_CARD_VERSION, other.id) if other else None,
        differences=[DifferenceOut.of(one) for one in found],
    )


def _shown(call: Call, card: RateCard) -> RateCardOut:
    current = queries.current_version(call.session, card.id)
    return RateCardOut.of(card, current, drafts.find_draft(call.session, card.id))
