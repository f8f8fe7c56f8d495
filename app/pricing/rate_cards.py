"""Rate cards: price books that change only by publishing a new, immutable version."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audit import recording
from app.audit.recording import Actor, Change
from app.core import db
from app.core.errors import Conflict
from app.core.ids import Prefix, show
from app.core.text import clean_code, clean_name
from app.pricing import queries
from app.pricing.differences import NOTHING, differences
from app.pricing.models import (
    CatalogEvent,
    CatalogStatus,
    Product,
    RateCard,
    RateCardVersion,
    moved,
)
from app.pricing.price_sets import content_sha256, dump_content, parse_content

PUBLISHED = "rate_card.published"
"""The deed, as audit entries name it; their subject is the rate card."""


class RateCardCodeTaken(Conflict):
    code = "rate_card_code_taken"


class RateCardUnchanged(Conflict):
    code = "rate_card_unchanged"


class RateCardArchived(Conflict):
    code = "rate_card_archived"


class ProductArchived(Conflict):
    code = "product_archived"


def create_rate_card(
    session: Session,
    *,
    product_id: int,
    code: str,
    name: str,
    content: object,
    actor: Actor,
    now: datetime,
) -> RateCardVersion:
    """Add a rate card to a product on sale and publish its version 1.

    Locks the product. Raises NotFound, Invalid, ProductArchived and RateCardCodeTaken.
    """
    product = db.get_locked(session, Product, product_id, noun="product")
    if product.status is CatalogStatus.ARCHIVED:
        raise ProductArchived(f"{product.code} is archived")
    statement = insert(RateCard).values(
        merchant_id=db.merchant_of(session),
        product_id=product.id,
        code=clean_code(code, path="code"),
        name=clean_name(name, path="name"),
        created_at=now,
    )
    stored = read_content(session, content)
    free = statement.on_conflict_do_nothing(index_elements=["merchant_id", "code"])
    card: RateCard | None = session.scalar(free.returning(RateCard))
    if card is None:
        raise RateCardCodeTaken(f"there is a rate card {code} already")
    return _publish(session, card, stored, before=None, actor=actor, now=now)


def publish_version(
    session: Session, rate_card_id: int, *, content: object, actor: Actor, now: datetime
) -> RateCardVersion:
    """Publish the next version; contracts stay on the version they were made with.

    Locks the rate card, so that two publishers get two numbers. Writes down who did it and what
    changed. Raises NotFound, Invalid, RateCardArchived, and RateCardUnchanged when the current
    version says the same.
    """
    card = lock_on_sale(session, rate_card_id)
    stored = read_content(session, content)
    current = queries.current_version(session, card.id)
    if current.sha256 == content_sha256(stored):
        raise RateCardUnchanged(f"version {current.number} of {card.code} says the same")
    return _publish(session, card, stored, before=current, actor=actor, now=now)


def rename_rate_card(session: Session, rate_card_id: int, *, name: str) -> RateCard:
    """Change the name; the code stays for ever. Raises NotFound and Invalid."""
    card = lock_rate_card(session, rate_card_id)
    card.name = clean_name(name, path="name")
    return card


def archive_rate_card(session: Session, rate_card_id: int) -> RateCard:
    """Take the rate card off sale: no new version, no new contract; those it has go on.

    Doing it twice changes nothing. Raises NotFound.
    """
    return _move(session, rate_card_id, CatalogEvent.ARCHIVE)


def restore_rate_card(session: Session, rate_card_id: int) -> RateCard:
    """Put the rate card back on sale. Doing it twice changes nothing. Raises NotFound."""
    return _move(session, rate_card_id, CatalogEvent.RESTORE)


def lock_rate_card(session: Session, rate_card_id: int) -> RateCard:
    """Lock the rate card, its draft and the numbers of its versions. Raises NotFound."""
    return db.get_locked(session, RateCard, rate_card_id, noun="rate card")


def lock_on_sale(session: Session, rate_card_id: int) -> RateCard:
    """Lock a rate card that may get a version. Raises NotFound and RateCardArchived."""
    card = lock_rate_card(session, rate_card_id)
    if card.status is CatalogStatus.ARCHIVED:
        raise RateCardArchived(f"{card.code} is archived")
    return card


def read_content(session: Session, content: object) -> dict[str, Any]:
    """Return what will be stored: the same prices, in the one form they are written in.

    Locks the metrics against change until it is. Raises Invalid with the path of what is wrong.
    """
    queries.lock_metrics(session)
    return judge_content(session, content)


def judge_content(session: Session, content: object) -> dict[str, Any]:
    """Return what would be stored. Raises Invalid with the path of what is wrong."""
    metrics = queries.priceable_metrics(session)
    return dump_content(parse_content(content, metrics=metrics))


def _move(session: Session, rate_card_id: int, event: CatalogEvent) -> RateCard:
    card = lock_rate_card(session, rate_card_id)
    card.status = moved(card.status, event)
    return card


def _publish(
    session: Session,
    card: RateCard,
    content: dict[str, Any],
    *,
    before: RateCardVersion | None,
    actor: Actor,
    now: datetime,
) -> RateCardVersion:
    version = RateCardVersion(
        merchant_id=card.merchant_id,
        rate_card_id=card.id,
        number=before.number + 1 if before else 1,
        content=content,
        sha256=content_sha256(content),
        published_at=now,
    )
    session.add(version)
    session.flush()  # a contract's foreign key needs the row
    recording.record(
        session,
        actor,
        PUBLISHED,
        subject=show(Prefix.RATE_CARD, card.id),
        change=_change(before, version),
        now=now,
    )
    return version


def _change(before: RateCardVersion | None, after: RateCardVersion) -> Change:
    """Return what a version changes: its number, and of its prices only what differs."""
    found = differences(before.content if before else NOTHING, after.content)
    old = {one.path: one.before for one in found if one.before is not None}
    new = {one.path: one.after for one in found if one.after is not None}
    return Change(
        before={"version": before.number, "prices": old} if before else {},
        after={"version": after.number, "sha256": after.sha256, "prices": new},
    )
