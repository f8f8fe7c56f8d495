"""What was stored is there, whole, and is never written over."""

import resource
from pathlib import Path

import pytest

from app.core.errors import NotFound
from app.documents.storage import AlreadyStored, Storage, StorageUnavailable


def test_what_is_put_is_read(tmp_path: Path) -> None:
    storage = Storage.at(str(tmp_path / "new" / "folder"))

    storage.put_once("00000000abc/2026/doc_1.pdf", b"%PDF-1.7")

    assert storage.read("00000000abc/2026/doc_1.pdf") == b"%PDF-1.7"
    assert (tmp_path / "new/folder/00000000abc/2026/doc_1.pdf").read_bytes() == b"%PDF-1.7"


def test_a_second_write_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    storage = Storage.at(f"file://{tmp_path}")
    storage.put_once("a.pdf", b"first")

    with pytest.raises(AlreadyStored):
        storage.put_once("a.pdf", b"second")

    assert storage.read("a.pdf") == b"first"


def test_what_was_never_stored_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Storage.at(str(tmp_path)).read("a.pdf")


def test_a_key_can_not_leave_the_folder(tmp_path: Path) -> None:
    storage = Storage.at(str(tmp_path / "documents"))

    with pytest.raises(Exception, match=r"\.\."):
        storage.put_once("../outside.pdf", b"x")

    assert not (tmp_path / "outside.pdf").exists()


def test_a_bucket_is_opened_and_any_other_address_refused() -> None:
    assert Storage.at("s3://invoices/production")
    with pytest.raises(ValueError, match="not under https"):
        Storage.at("https://example.com/invoices")


def test_what_can_not_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    storage = Storage.at(str(tmp_path))
    (tmp_path / "merchant").write_bytes(b"a file where a folder should be")

    with pytest.raises(StorageUnavailable):
        storage.put_once("merchant/a.pdf", b"x")

    assert [path.name for path in tmp_path.rglob("*")] == ["merchant"]


def test_a_file_that_is_cut_short_is_not_left_behind(tmp_path: Path) -> None:
    storage = Storage.at(str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (4_096, hard)
    )  # a write ends early, as on a full disk
    try:
        with pytest.raises(StorageUnavailable):
            storage.put_once("a.pdf", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(tmp_path.iterdir()) == []
    storage.put_once("a.pdf", b"x" * 100_000)
    assert len(storage.read("a.pdf")) == 100_000


def test_what_is_deleted_is_gone_and_deleting_it_again_is_nothing(tmp_path: Path) -> None:
    storage = Storage.at(str(tmp_path))
    storage.put_once("merchant/a.zip", b"a")
    storage.put_once("merchant/b.zip", b"b")

    for _ in range(2):
        storage.delete("merchant/a.zip")

    with pytest.raises(NotFound):
        storage.read("merchant/a.zip")
    assert storage.read("merchant/b.zip") == b"b"
