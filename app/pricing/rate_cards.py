"""Rate cards: price books that change only by publishing a new, immutable version."""

from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import db
from app.core.errors import Conflict
from app.core.text import clean_code, clean_name
from app.pricing import queries
from app.pricing.models import (
    CatalogEvent,
    CatalogStatus,
    Product,
    RateCard,
    RateCardVersion,
    moved,
)
from app.pricing.price_sets import content_sha256, dump_content, parse_content


class RateCardCodeTaken(Conflict):
    code = "rate_card_code_taken"


class RateCardUnchanged(Conflict):
    code = "rate_card_unchanged"


class RateCardArchived(Conflict):
    code = "rate_card_archived"


class ProductArchived(Conflict):
    code = "product_archived"


def create_rate_card(
    session: Session, *, product_id: int, code: str, name: str, content: object, now: datetime
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
    stored = _read_content(session, content)
    free = statement.on_conflict_do_nothing(index_elements=["merchant_id", "code"])
    card: RateCard | None = session.scalar(free.returning(RateCard))
    if card is None:
        raise RateCardCodeTaken(f"there is a rate card {code} already")
    return _publish(session, card, stored, number=1, now=now)


def publish_version(
    session: Session, rate_card_id: int, *, content: object, now: datetime
) -> RateCardVersion:
    """Publish the next version; contracts stay on the version they were made with.

    Locks the rate card, so that two publishers get two numbers. Raises NotFound, Invalid,
    RateCardArchived, and RateCardUnchanged when the current version says the same.
    """
    card = db.get_locked(session, RateCard, rate_card_id, noun="rate card")
    if card.status is CatalogStatus.ARCHIVED:
        raise RateCardArchived(f"{card.code} is archived")
    stored = _read_content(session, content)
    current = queries.current_version(session, card.id)
    if current.sha256 == content_sha256(stored):
        raise RateCardUnchanged(f"version {current.number} of {card.code} says the same")
    return _publish(session, card, stored, number=current.number + 1, now=now)


def rename_rate_card(session: Session, rate_card_id: int, *, name: str) -> RateCard:
    """Change the name; the code stays for ever. Raises NotFound and Invalid."""
    card = db.get_locked(session, RateCard, rate_card_id, noun="rate card")
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


def _move(session: Session, rate_card_id: int, event: CatalogEvent) -> RateCard:
    card = db.get_locked(session, RateCard, rate_card_id, noun="rate card")
    card.status = moved(card.status, event)
    return card


def _read_content(session: Session, content: object) -> dict[str, Any]:
    """Return what will be stored: the same prices, in the one form they are written in."""
    codes = queries.active_metric_codes(session)
    return dump_content(parse_content(content, metric_codes=codes))


def _publish(
    session: Session, card: RateCard, content: dict[str, Any], *, number: int, now: datetime
) -> RateCardVersion:
    version = RateCardVersion(
        merchant_id=card.merchant_id,
        rate_card_id=card.id,
        number=number,
        content=content,
        sha256=content_sha256(content),
        published_at=now,
    )
    session.add(version)
    session.flush()  # a contract's foreign key needs the row
    return version
