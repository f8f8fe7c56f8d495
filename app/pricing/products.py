"""Products: what the merchant sells, as rate cards and bills name it."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.core import db
from app.core.errors import Conflict
from app.core.text import clean_code, clean_name, clean_text
from app.pricing.models import CatalogEvent, Product, moved


class ProductCodeTaken(Conflict):
    code = "product_code_taken"


def create_product(
    session: Session, *, code: str, name: str, description: str = "", now: datetime
) -> Product:
    """Add a product. Raises Invalid and ProductCodeTaken."""
    statement = insert(Product).values(
        merchant_id=db.merchant_of(session),
        code=clean_code(code, path="code"),
        name=clean_name(name, path="name"),
        description=clean_text(description, path="description"),
        created_at=now,
    )
    free = statement.on_conflict_do_nothing(index_elements=["merchant_id", "code"])
    product: Product | None = session.scalar(free.returning(Product))
    if product is None:
        raise ProductCodeTaken(f"there is a product {code} already")
    return product


def update_product(
    session: Session, product_id: int, *, name: str | None = None, description: str | None = None
) -> Product:
    """Change what is given; the code stays for ever. Raises NotFound and Invalid."""
    product = db.get_locked(session, Product, product_id, noun="product")
    if name is not None:
        product.name = clean_name(name, path="name")
    if description is not None:
        product.description = clean_text(description, path="description")
    return product


def archive_product(session: Session, product_id: int) -> Product:
    """Take the product off sale: no new rate card, while those it has stay in force.

    Doing it twice changes nothing. Raises NotFound.
    """
    return _move(session, product_id, CatalogEvent.ARCHIVE)


def restore_product(session: Session, product_id: int) -> Product:
    """Put the product back on sale. Doing it twice changes nothing. Raises NotFound."""
    return _move(session, product_id, CatalogEvent.RESTORE)


def _move(session: Session, product_id: int, event: CatalogEvent) -> Product:
    product = db.get_locked(session, Product, product_id, noun="product")
    product.status = moved(product.status, event)
    return product
