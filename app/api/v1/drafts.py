"""The draft of a rate card's next version: saved as often as one likes, published once."""

from app.api.operations import Call
from app.api.v1 import prices
from app.api.v1.base import API, In, Moment, Out, utc
from app.api.v1.prices import Commitments, ContentIn, DifferenceOut, Prices
from app.core.errors import NotFound
from app.core.ids import Prefix, show
from app.identity.models import Scope
from app.pricing import drafts, queries
from app.pricing.differences import differences
from app.pricing.models import RateCardDraft, RateCardVersion
from app.pricing.price_sets import content_sha256

TAG = "Rate cards"


class DraftIn(ContentIn):
    """What the next version is to say, all of it."""


class DraftPublication(In):
    """The hash of the draft that is meant, so that nothing is published unseen."""

    sha256: str | None = None


class DraftOut(Out):
    """What the next version will say. `basedOn` is the number of the version it was begun from.

    It is outdated when a version was published since: see what differs, then rebase it.
    """

    rate_card_id: str
    currencies: Prices
    commitments: Commitments
    sha256: str
    based_on: int
    is_outdated: bool
    updated_at: Moment
    updated_by: str

    @classmethod
    def of(cls, draft: RateCardDraft, *, current: RateCardVersion) -> "DraftOut":
        return cls(
            rate_card_id=show(Prefix.RATE_CARD, draft.rate_card_id),
            currencies=prices.prices_of(draft.content),
            commitments=prices.commitments_of(draft.content),
            sha256=content_sha256(draft.content),
            based_on=draft.based_on,
            is_outdated=draft.based_on != current.number,
            updated_at=utc(draft.updated_at),
            updated_by=draft.updated_by,
        )


class DraftDiffOut(Out):
    """What publishing the draft would change, and what was published since it was begun."""

    current: int
    based_on: int
    differences: list[DifferenceOut]
    published_since: list[DifferenceOut]


class DraftGone(Out):
    """The rate card has no draft any more."""

    rate_card_id: str


class PublishedOut(Out):
    """The version that a draft became."""

    rate_card_version_id: str
    number: int
    sha256: str


@API.route(
    "PUT",
    "/rate-cards/<rate_card_id>/draft",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=DraftIn,
    returns=DraftOut,
    example={
        "currencies": {
            "USD": [{"metric": "tokens_input", "model": "standard", "unitPrice": "0.0003"}]
        }
    },
)
def save_rate_card_draft(call: Call, rate_card_id: int, body: DraftIn) -> DraftOut:
    """Keep prices as the draft of a rate card's next version, in place of the last draft."""
    draft = drafts.save_draft(
        call.session, rate_card_id, content=body.document(), actor=call.actor, now=call.now
    )
    return _shown(call, draft)


@API.route(
    "GET",
    "/rate-cards/<rate_card_id>/draft",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    returns=DraftOut,
)
def get_rate_card_draft(call: Call, rate_card_id: int) -> DraftOut:
    """Return the draft of a rate card."""
    return _shown(call, _existing(call, rate_card_id))


@API.route(
    "DELETE",
    "/rate-cards/<rate_card_id>/draft",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=DraftGone,
)
def discard_rate_card_draft(call: Call, rate_card_id: int) -> DraftGone:
    """Forget the draft of a rate card; without one, nothing changes."""
    drafts.discard_draft(call.session, rate_card_id)
    return DraftGone(show(Prefix.RATE_CARD, rate_card_id))


@API.route(
    "GET",
    "/rate-cards/<rate_card_id>/draft/diff",
    scope=Scope.CATALOG_READ,
    tag=TAG,
    returns=DraftDiffOut,
)
def diff_rate_card_draft(call: Call, rate_card_id: int) -> DraftDiffOut:
    """Return what publishing the draft would change, field by field."""
    draft = _existing(call, rate_card_id)
    current = queries.current_version(call.session, rate_card_id)
    base = queries.version_of_number(call.session, rate_card_id, draft.based_on)
    changed = differences(current.content, draft.content)
    return DraftDiffOut(
        current=current.number,
        based_on=base.number,
        differences=[DifferenceOut.of(one) for one in changed],
        published_since=[
            DifferenceOut.of(one) for one in differences(base.content, current.content)
        ],
    )


@API.route(
    "POST",
    "/rate-cards/<rate_card_id>/draft/rebase",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    returns=DraftOut,
)
def rebase_rate_card_draft(call: Call, rate_card_id: int) -> DraftOut:
    """Let the draft follow the current version: you have seen what was published since."""
    return _shown(call, drafts.rebase_draft(call.session, rate_card_id))


@API.route(
    "POST",
    "/rate-cards/<rate_card_id>/draft/publish",
    scope=Scope.CATALOG_WRITE,
    tag=TAG,
    body=DraftPublication,
    returns=PublishedOut,
    status=201,
)
def publish_rate_card_draft(call: Call, rate_card_id: int, body: DraftPublication) -> PublishedOut:
    """Publish the draft as the next version; contracts keep the version they have."""
    version = drafts.publish_draft(
        call.session,
        rate_card_id,
        expected_sha256=body.sha256,
        actor=call.actor,
        now=call.now,
    )
    shown = show(Prefix.RATE_CARD_VERSION, version.id)
    return PublishedOut(shown, version.number, version.sha256)


def _existing(call: Call, rate_card_id: int) -> RateCardDraft:
    draft = drafts.find_draft(call.session, rate_card_id)
    if draft is None:
        raise NotFound("this rate card has no draft")
    return draft


def _shown(call: Call, draft: RateCardDraft) -> DraftOut:
    return DraftOut.of(draft, current=queries.current_version(call.session, draft.rate_card_id))
