"""The file of a download is there whole or not at all, and no longer than it serves."""

import io
import zipfile
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, select

from app.audit.recording import SYSTEM
from app.billing import bulk
from app.billing.handling_models import BulkAction, InvoiceBulk
from app.core.db import Transaction, begin
from app.core.errors import NotFound
from app.core.ids import Prefix, show
from app.core.language import Language
from app.documents import store
from app.documents.models import Document, DocumentKind
from app.documents.storage import Storage, StorageUnavailable
from app.extensions import reading, runtime
from jobs import bulk as jobs
from jobs import housekeeping
from tests.billing.make import billed, sold, use
from tests.documents.disks import FullDisk
from tests.make import NOON, Make

pytestmark = pytest.mark.usefixtures("app")


class AwayStorage(Storage):
    """A bucket that does not answer when something is to be deleted."""

    def delete(self, key: str) -> None:
        raise StorageUnavailable(f"{key}: no answer")


@pytest.fixture
def merchant_id(engine: Engine) -> int:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
    return merchant_id


@pytest.fixture
def of_merchant(engine: Engine, merchant_id: int) -> Transaction:
    return partial(begin, engine, merchant_id)


@pytest.fixture
def download(of_merchant: Transaction) -> int:
    """Ask for the file of one invoice, which is printed."""
    with of_merchant() as session:
        sale = sold(Make(session))
        use(session, sale, "12641")
        invoice_id = billed(session, sale).id
    store.store_document(
        of_merchant,
        runtime().storage,
        b"%PDF-1.7",
        kind=DocumentKind.INVOICE_PDF,
        subject_id=invoice_id,
        language=Language.EN,
        now=NOON,
    )
    with of_merchant() as session:
        asked = bulk.start(
            session,
            BulkAction.DOWNLOAD,
            [invoice_id],
            language=Language.EN,
            actor=SYSTEM,
            now=NOON,
        )
        return asked.id


def handle(merchant_id: int, bulk_id: int) -> None:
    public_id = show(Prefix.INVOICE_BULK, bulk_id)
    jobs.handle(merchant_id=merchant_id, bulk=public_id, **SYSTEM.dump())


def ended(transaction: Transaction, *, at: datetime) -> str:
    """Return the key of the one download, which ended `at`."""
    with transaction() as session:
        row = session.scalars(select(InvoiceBulk)).one()
        row.ended_at = at
        return str(row.storage_key)


def test_a_full_disk_leaves_no_half_file_and_the_job_comes_again(
    of_merchant: Transaction, merchant_id: int, download: int
) -> None:
    storage = runtime().storage
    vars(runtime())["storage"] = FullDisk(storage, room=0)

    with pytest.raises(StorageUnavailable):
        handle(merchant_id, download)

    with of_merchant() as session:
        row = session.scalars(select(InvoiceBulk)).one()
        assert (row.ended_at, row.storage_key) == (None, None)
    vars(runtime())["storage"] = storage
    handle(merchant_id, download)
    key = ended(of_merchant, at=NOON)
    with zipfile.ZipFile(io.BytesIO(storage.read(key))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["LUM-2026-000001-en.pdf"]


def test_the_file_is_thrown_away_after_seven_days_and_the_documents_are_not(
    of_merchant: Transaction, merchant_id: int, download: int
) -> None:
    handle(merchant_id, download)
    key = ended(of_merchant, at=NOON)
    throw_away = partial(bulk.throw_files_away, of_merchant, runtime().storage)

    assert throw_away(now=NOON + timedelta(days=7, seconds=-1)) == 0
    assert runtime().storage.read(key)
    assert throw_away(now=NOON + timedelta(days=7)) == 1
    assert throw_away(now=NOON + timedelta(days=7)) == 0

    with pytest.raises(NotFound):
        runtime().storage.read(key)
    with of_merchant() as session:
        assert session.scalars(select(InvoiceBulk.storage_key)).all() == [None]
        (printed,) = session.scalars(select(Document))
    assert store.read_document(runtime().storage, printed) == b"%PDF-1.7"


def test_a_file_that_can_not_be_deleted_now_is_not_forgotten(
    of_merchant: Transaction, merchant_id: int, download: int
) -> None:
    handle(merchant_id, download)
    key, week = ended(of_merchant, at=NOON), NOON + timedelta(days=7)

    with pytest.raises(StorageUnavailable):
        bulk.throw_files_away(of_merchant, AwayStorage(runtime().storage.store), now=week)

    assert ended(of_merchant, at=NOON) == key
    runtime().storage.delete(key)  # as a worker that was killed before it wrote it down
    assert bulk.throw_files_away(of_merchant, runtime().storage, now=week) == 1


def test_the_hourly_sweep_finds_the_merchants_and_clears_their_files(
    of_merchant: Transaction, merchant_id: int, download: int
) -> None:
    handle(merchant_id, download)
    ended(of_merchant, at=NOON)
    with reading() as session:
        week = NOON + timedelta(days=7)
        assert merchant_id in bulk.merchants_with_old_files(session, now=week)
        assert merchant_id not in bulk.merchants_with_old_files(session, now=NOON)

    housekeeping.purge()

    assert ended(of_merchant, at=NOON) == "None"
