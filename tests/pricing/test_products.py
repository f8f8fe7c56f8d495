"""A product has one code for ever, a name that may change, and goes on and off sale."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.core.db import Transaction, begin
from app.core.errors import NotFound
from app.core.text import InvalidCode, InvalidText
from app.pricing import products, queries
from app.pricing.models import CatalogStatus
from tests.make import NOON, Make
from tests.pricing.races import race


def test_a_product_is_made_on_sale(session: Session) -> None:
    product = products.create_product(
        session, code="chat_api", name="Chat API", description="Fast\nand cheap", now=NOON
    )

    assert queries.get_product(session, product.id) is product
    assert (
        product.code,
        product.name,
        product.description,
        product.status,
        product.created_at,
    ) == (
        "chat_api",
        "Chat API",
        "Fast\nand cheap",
        CatalogStatus.ACTIVE,
        NOON,
    )


def test_a_code_is_taken_once(session: Session) -> None:
    products.create_product(session, code="chat_api", name="Chat API", now=NOON)

    with pytest.raises(products.ProductCodeTaken) as refused:
        products.create_product(session, code="chat_api", name="Another", now=NOON)

    assert refused.value.code == "product_code_taken"


def test_two_merchants_may_have_the_same_code(engine: Engine) -> None:
    for _ in range(2):
        with begin(engine, Make.new_merchant_id()) as session:
            products.create_product(session, code="chat_api", name="Chat API", now=NOON)


def test_of_products_made_at_once_with_one_code_one_is_made(transaction: Transaction) -> None:
    def create(session: Session, _runner: int) -> int:
        return products.create_product(session, code="chat_api", name="Chat", now=NOON).id

    made, refused = race(transaction, create)

    assert len(made) == 1
    assert refused == ["product_code_taken"] * 5


def test_a_bad_code_or_name_is_refused(session: Session) -> None:
    with pytest.raises(InvalidCode):
        products.create_product(session, code="Chat API", name="Chat API", now=NOON)
    with pytest.raises(InvalidText):
        products.create_product(session, code="chat_api", name=" ", now=NOON)
    with pytest.raises(InvalidText):
        products.create_product(session, code="chat_api", name="A", description="\0", now=NOON)


def test_an_update_changes_what_is_given(session: Session, make: Make) -> None:
    product = make.product(name="Chat", description="Old")

    products.update_product(session, product.id, name="Chat API")

    assert (product.name, product.description) == ("Chat API", "Old")


def test_archiving_twice_is_archiving_once(session: Session, make: Make) -> None:
    product_id = make.product().id

    for _ in range(2):
        assert products.archive_product(session, product_id).status is CatalogStatus.ARCHIVED
    for _ in range(2):
        assert products.restore_product(session, product_id).status is CatalogStatus.ACTIVE


def test_another_merchants_product_is_not_found(session: Session, engine: Engine) -> None:
    with begin(engine, Make.new_merchant_id()) as theirs:
        product_id = Make(theirs).product().id

    with pytest.raises(NotFound):
        queries.get_product(session, product_id)
    with pytest.raises(NotFound):
        products.update_product(session, product_id, name="Mine")
    with pytest.raises(NotFound):
        products.archive_product(session, product_id)


def test_a_list_pages_newest_first(session: Session, make: Make) -> None:
    ids = [make.product().id for _ in range(5)]

    first = queries.list_products(session, limit=3)
    rest = queries.list_products(session, limit=3, cursor=first.next_cursor)

    assert [row.id for row in (*first.rows, *rest.rows)] == ids[::-1]
    assert rest.next_cursor is None


def test_a_list_is_filtered_by_status_and_by_part_of_code_or_name(
    session: Session, make: Make
) -> None:
    chat = make.product(code="chat_api", name="Chat")
    image = make.product(code="image_api", name="100%_images")
    old = make.product(code="old_api", name="Chat 1", status=CatalogStatus.ARCHIVED)

    assert queries.list_products(session, q="CHAT").rows == [old, chat]
    assert queries.list_products(session, q="0%_i").rows == [image]
    assert queries.list_products(session, q="%").rows == [image]
    assert queries.list_products(session, status=CatalogStatus.ARCHIVED).rows == [old]


def test_a_search_no_column_could_hold_is_refused(session: Session) -> None:
    with pytest.raises(InvalidText) as refused:
        queries.list_products(session, q="\0")

    assert refused.value.path == "q"
