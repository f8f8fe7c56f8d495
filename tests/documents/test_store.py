"""A subject has one document per kind and language, and what is read is what was stored."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.core import ids
from app.core.db import Transaction, merchant_of
from app.core.errors import NotFound
from app.core.language import Language
from app.documents.models import Document, DocumentKind
from app.documents.storage import Storage
from app.documents.store import (
    DocumentDamaged,
    find_document,
    get_document,
    read_document,
    store_document,
)

NOON = datetime(2026, 6, 2, 12, 0, tzinfo=UTC)
INVOICE_ID = 42


class SlowStorage(Storage):
    """A storage in which something else happens between a file and its row."""

    def __init__(self, storage: Storage, meanwhile: Callable[[], object]) -> None:
        super().__init__(storage.store)
        self.meanwhile = meanwhile

    def put_once(self, key: str, content: bytes) -> None:
        super().put_once(key, content)
        self.meanwhile()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.at(str(tmp_path))


def store(
    transaction: Transaction,
    storage: Storage,
    content: bytes,
    *,
    language: Language = Language.EN,
) -> Document:
    return store_document(
        transaction,
        storage,
        content,
        kind=DocumentKind.INVOICE_PDF,
        subject_id=INVOICE_ID,
        language=language,
        now=NOON,
    )


def test_a_stored_document_is_found_and_read(transaction: Transaction, storage: Storage) -> None:
    stored = store(transaction, storage, b"%PDF-1.7")

    with transaction() as session:
        found = find_document(
            session, kind=DocumentKind.INVOICE_PDF, subject_id=INVOICE_ID, language=Language.EN
        )
        merchant = ids.show_merchant(merchant_of(session))
    assert found is not None
    assert found.id == stored.id
    assert found.size_bytes == 8
    assert found.storage_key == f"{merchant}/2026/{ids.show(ids.Prefix.DOCUMENT, stored.id)}.pdf"
    assert read_document(storage, found) == b"%PDF-1.7"


def test_the_first_print_stays(transaction: Transaction, storage: Storage) -> None:
    first = store(transaction, storage, b"first")

    second = store(transaction, storage, b"second")

    assert second.id == first.id
    assert read_document(storage, second) == b"first"


def test_each_language_has_a_document_of_its_own(
    transaction: Transaction, storage: Storage
) -> None:
    english = store(transaction, storage, b"english")
    chinese = store(transaction, storage, b"chinese", language=Language.ZH_HANS_CN)

    assert chinese.id != english.id
    assert read_document(storage, chinese) == b"chinese"


def test_of_two_workers_with_one_print_one_row_and_one_file_stay(
    transaction: Transaction, storage: Storage, tmp_path: Path
) -> None:
    others: list[Document] = []
    slow = SlowStorage(storage, lambda: others.append(store(transaction, storage, b"theirs")))

    ours = store(transaction, slow, b"ours")

    assert ours.id == others[0].id
    assert read_document(storage, ours) == b"theirs"
    assert [each.read_bytes() for each in tmp_path.rglob("*.pdf")] == [b"theirs"]


def test_a_damaged_file_is_handed_to_nobody(
    transaction: Transaction, storage: Storage, tmp_path: Path
) -> None:
    stored = store(transaction, storage, b"%PDF-1.7")
    (tmp_path / stored.storage_key).write_bytes(b"%PDF-1.8")

    with pytest.raises(DocumentDamaged, match="not what was stored"):
        read_document(storage, stored)


def test_a_document_of_nobody_is_not_found(transaction: Transaction) -> None:
    with transaction() as session, pytest.raises(NotFound):
        get_document(session, 1)
