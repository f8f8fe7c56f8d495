"""Drafts: what a rate card's next version will say, kept while it is written.

A card has at most one draft, and it is always valid in itself: publishing it needs no correction.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit.recording import Actor
from app.core.errors import Conflict
from app.pricing import queries, rate_cards
from app.pricing.models import RateCardDraft, RateCardVersion
from app.pricing.price_sets import content_sha256


class NoDraft(Conflict):
    code = "no_draft"


class DraftChanged(Conflict):
    code = "draft_changed"


class DraftOutdated(Conflict):
    code = "draft_outdated"


def find_draft(session: Session, rate_card_id: int) -> RateCardDraft | None:
    """Return the rate card's draft as it is now, or None. Raises NotFound without such a card."""
    card = queries.get_rate_card(session, rate_card_id)
    return session.get(RateCardDraft, (card.merchant_id, card.id), populate_existing=True)


def drafts_of(session: Session, rate_card_ids: Collection[int]) -> dict[int, RateCardDraft]:
    """Return the drafts that there are of these rate cards, by the card's id."""
    found = select(RateCardDraft).where(RateCardDraft.rate_card_id.in_(rate_card_ids))
    return {draft.rate_card_id: draft for draft in session.scalars(found)}


def save_draft(
    session: Session, rate_card_id: int, *, content: object, actor: Actor, now: datetime
) -> RateCardDraft:
    """Keep `content` as the card's draft, in place of the one there may be.

    A new draft is based on the current version, and stays so. Locks the rate card. Raises
    NotFound, Invalid and RateCardArchived.
    """
    card = rate_cards.lock_on_sale(session, rate_card_id)
    stored = rate_cards.read_content(session, content)
    draft = find_draft(session, card.id)
    if draft is None:
        current = queries.current_version(session, card.id)
        draft = RateCardDraft(
            merchant_id=card.merchant_id, rate_card_id=card.id, based_on=current.number
        )
        session.add(draft)
    draft.content, draft.updated_at, draft.updated_by = stored, now, actor.name
    session.flush()  # who looks for it in this transaction finds it
    return draft


def discard_draft(session: Session, rate_card_id: int) -> None:
    """Forget the draft; without one, nothing changes. Locks the rate card. Raises NotFound."""
    card = rate_cards.lock_rate_card(session, rate_card_id)
    draft = find_draft(session, card.id)
    if draft is not None:
        session.delete(draft)
        session.flush()  # who looks for it in this transaction finds none


def rebase_draft(session: Session, rate_card_id: int) -> RateCardDraft:
    """Make the current version the one the draft is based on; what the draft says stays.

    Its author has seen what was published since. Locks the rate card. Raises NotFound and NoDraft.
    """
    card = rate_cards.lock_rate_card(session, rate_card_id)
    draft = _existing(session, card.id)
    draft.based_on = queries.current_version(session, card.id).number
    return draft


def publish_draft(
    session: Session,
    rate_card_id: int,
    *,
    expected_sha256: str | None = None,
    actor: Actor,
    now: datetime,
) -> RateCardVersion:
    """Publish the draft as the next version; there is no draft then.

    `expected_sha256` is the hash of what the author has seen, where that matters. Locks the rate
    card, so that of two publishers one finds no draft. Raises NotFound, Invalid when a metric
    changed since, RateCardArchived, NoDraft, DraftChanged, RateCardUnchanged, and DraftOutdated
    when a version was published after the one the draft is based on.
    """
    card = rate_cards.lock_on_sale(session, rate_card_id)
    draft = _existing(session, card.id)
    if expected_sha256 not in {None, content_sha256(draft.content)}:
        raise DraftChanged(f"{draft.updated_by} changed the draft; look at it again")
    current = queries.current_version(session, card.id)
    if draft.based_on != current.number:
        raise DraftOutdated(
            f"the draft is based on version {draft.based_on}, and version {current.number} is "
            "published; look at what differs, then rebase it"
        )
    version = rate_cards.publish_version(
        session, card.id, content=draft.content, actor=actor, now=now
    )
    session.delete(draft)
    session.flush()  # who looks for it in this transaction finds none
    return version


def _existing(session: Session, rate_card_id: int) -> RateCardDraft:
    draft = find_draft(session, rate_card_id)
    if draft is None:
        raise NoDraft("this rate card has no draft; it was published or discarded")
    return draft
