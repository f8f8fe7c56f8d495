"""An issued fapiao is kept with its file and its hash, once; a red letter cancels it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.billing import fapiao, fapiao_issuing, fapiao_queries
from app.billing.fapiao_details import InvalidFapiaoDate, InvalidFapiaoNumber, Printed
from app.billing.fapiao_files import InvalidFapiaoFile
from app.billing.fapiao_issuing import FapiaoRequestChanged, InvoiceNotPaid, Upload
from app.billing.fapiao_models import FapiaoFormat, FapiaoPart, FapiaoRequest, FapiaoStatus
from app.billing.models import Invoice
from app.core.db import Transaction
from app.core.errors import NotFound
from app.core.outbox import OutboxJob
from app.core.states import IllegalMove
from app.documents.storage import Storage
from app.documents.store import DocumentDamaged
from app.webhooks.models import WebhookEvent
from tests.billing.fapiao import DIGITAL, PDF, XML, details, packed, requested, upload
from tests.make import ADA, NOON
from tests.payments.builders import issue

RED = "26312000000087654321"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.at(str(tmp_path))


@pytest.fixture
def request_id(transaction: Transaction) -> int:
    """Return the id of the request of a paid invoice, committed."""
    with transaction() as session:
        return requested(session).id


def issued(transaction: Transaction, storage: Storage, request_id: int) -> FapiaoRequest:
    return fapiao_issuing.issue(
        transaction, storage, request_id, upload=upload(), actor=ADA, now=NOON
    )


def ask_for_red(transaction: Transaction, request_id: int) -> None:
    with transaction() as session:
        fapiao.request_red_letter(session, request_id, reason="退款", actor=ADA, now=NOON)


def test_an_issued_fapiao_is_kept_with_its_file(
    transaction: Transaction, storage: Storage, request_id: int
) -> None:
    found = issued(transaction, storage, request_id)

    assert (found.status, found.number) == (FapiaoStatus.ISSUED, DIGITAL)
    assert (found.issued_on, found.issued_at) == (date(2026, 6, 2), NOON)
    with transaction() as session:
        file = fapiao_queries.get_file(session, request_id, FapiaoPart.FAPIAO)
        tasks = session.scalars(select(OutboxJob.task)).all()
        events = session.scalars(select(WebhookEvent.event_type).order_by(WebhookEvent.id)).all()
    assert (file.format, file.size_bytes) == (FapiaoFormat.PDF, len(PDF))
    assert fapiao_issuing.read_file(storage, file) == PDF
    assert fapiao_issuing.file_name(found, file) == f"fapiao-{DIGITAL}.pdf"
    assert tasks == ["jobs.fapiao.mail_issued"]
    assert events == ["fapiao.requested", "fapiao.issued"]


@pytest.mark.parametrize(("content", "name"), [(packed("OFD.xml"), "ofd"), (XML, "xml")])
def test_the_format_is_what_the_file_holds(
    transaction: Transaction, storage: Storage, request_id: int, content: bytes, name: str
) -> None:
    fapiao_issuing.issue(
        transaction, storage, request_id, upload=upload(content=content), actor=ADA, now=NOON
    )

    with transaction() as session:
        file = fapiao_queries.get_file(session, request_id, FapiaoPart.FAPIAO)
    assert file.format == name


def test_a_damaged_file_is_handed_to_nobody(
    transaction: Transaction, storage: Storage, request_id: int, tmp_path: Path
) -> None:
    issued(transaction, storage, request_id)
    with transaction() as session:
        file = fapiao_queries.get_file(session, request_id, FapiaoPart.FAPIAO)

    (tmp_path / file.storage_key).write_bytes(b"something else")

    with pytest.raises(DocumentDamaged):
        fapiao_issuing.read_file(storage, file)


def test_only_a_paid_invoice_gets_its_fapiao(transaction: Transaction, storage: Storage) -> None:
    with transaction() as session:
        request_id = requested(session, issue(session)).id

    with pytest.raises(InvoiceNotPaid):
        issued(transaction, storage, request_id)


def test_it_is_issued_once(transaction: Transaction, storage: Storage, request_id: int) -> None:
    issued(transaction, storage, request_id)

    with pytest.raises(IllegalMove):
        issued(transaction, storage, request_id)


def test_what_the_buyer_changed_meanwhile_is_not_issued(
    transaction: Transaction, storage: Storage, request_id: int
) -> None:
    with transaction() as session:
        fapiao.change(session, request_id, details(title="另一家公司"), now=NOON)

    with pytest.raises(FapiaoRequestChanged):
        fapiao_issuing.issue(
            transaction, storage, request_id, upload=upload(), revision=1, actor=ADA, now=NOON
        )
    fapiao_issuing.issue(
        transaction, storage, request_id, upload=upload(), revision=2, actor=ADA, now=NOON
    )


def test_of_two_that_issue_at_once_one_is_refused(
    transaction: Transaction, storage: Storage, request_id: int
) -> None:
    opened = 0

    @contextmanager
    def slow() -> Iterator[Session]:
        """Let another issue it between the two transactions of the first."""
        nonlocal opened
        opened += 1
        if opened == 2:
            issued(transaction, storage, request_id)
        with transaction() as session:
            yield session

    with pytest.raises(IllegalMove):
        fapiao_issuing.issue(slow, storage, request_id, upload=upload(RED), actor=ADA, now=NOON)

    with transaction() as session:
        assert fapiao_queries.get_request(session, request_id).number == DIGITAL


@pytest.mark.parametrize(
    ("number", "code"),
    [("12345678", ""), ("12345678", "3100201130"), ("12345678", "031002000111"), (DIGITAL, "")],
)
def test_numbers_of_all_kinds_are_taken(
    transaction: Transaction, storage: Storage, request_id: int, number: str, code: str
) -> None:
    found = fapiao_issuing.issue(
        transaction,
        storage,
        request_id,
        upload=upload(f" {number[:4]} {number[4:]} ", code=code),
        actor=ADA,
        now=NOON,
    )

    assert (found.number, found.code) == (number, code or None)


@pytest.mark.parametrize(
    ("number", "code"),
    [("", ""), ("1234567", ""), ("A" * 8, ""), (DIGITAL, "3100201130"), ("12345678", "31")],
)
def test_a_number_of_no_fapiao_is_refused(
    transaction: Transaction, storage: Storage, request_id: int, number: str, code: str
) -> None:
    with pytest.raises(InvalidFapiaoNumber):
        fapiao_issuing.issue(
            transaction,
            storage,
            request_id,
            upload=upload(number, code=code),
            actor=ADA,
            now=NOON,
        )


@pytest.mark.parametrize("on", [date(2026, 6, 3), date(1999, 12, 31)])
def test_a_day_to_come_is_refused(
    transaction: Transaction, storage: Storage, request_id: int, on: date
) -> None:
    with pytest.raises(InvalidFapiaoDate):
        fapiao_issuing.issue(
            transaction,
            storage,
            request_id,
            upload=Upload(Printed(DIGITAL, on), PDF),
            actor=ADA,
            now=NOON,
        )


def test_a_file_that_is_none_changes_nothing(
    transaction: Transaction, storage: Storage, request_id: int, tmp_path: Path
) -> None:
    with pytest.raises(InvalidFapiaoFile):
        fapiao_issuing.issue(
            transaction,
            storage,
            request_id,
            upload=upload(content=b"<html>"),
            actor=ADA,
            now=NOON,
        )

    with transaction() as session:
        assert fapiao_queries.get_request(session, request_id).status is FapiaoStatus.REQUESTED
        assert not fapiao_queries.list_files(session, request_id)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_correction_of_an_issued_one_wants_a_red_letter(
    transaction: Transaction, storage: Storage, request_id: int
) -> None:
    found = issued(transaction, storage, request_id)

    with transaction() as session:
        invoice = session.get_one(Invoice, (found.merchant_id, found.invoice_id))
        fapiao.follow_correction(session, invoice, reason="LUM-CN-2026-000001", now=NOON)
        fapiao.follow_correction(session, invoice, reason="LUM-CN-2026-000002", now=NOON)

    with transaction() as session:
        found = fapiao_queries.get_request(session, request_id)
    assert found.status is FapiaoStatus.RED_LETTER_REQUESTED
    assert found.red_letter_reason == "LUM-CN-2026-000001"


def test_a_red_letter_cancels_it_and_makes_room_for_another(
    transaction: Transaction, storage: Storage, request_id: int
) -> None:
    issued(transaction, storage, request_id)
    ask_for_red(transaction, request_id)

    found = fapiao_issuing.red_letter(
        transaction, storage, request_id, upload=upload(RED, XML), actor=ADA, now=NOON
    )

    assert (found.status, found.number, found.red_number) == (
        FapiaoStatus.RED_LETTERED,
        DIGITAL,
        RED,
    )
    with transaction() as session:
        files = fapiao_queries.list_files(session, request_id)
        names = [fapiao_issuing.file_name(found, file) for file in files]
        again = fapiao.request(session, found.invoice_id, details(), now=NOON)
    assert names == [f"fapiao-{DIGITAL}.pdf", f"fapiao-{RED}.xml"]
    assert again.status is FapiaoStatus.REQUESTED


def test_nothing_is_red_lettered_that_was_not_asked_for(
    transaction: Transaction, storage: Storage, request_id: int
) -> None:
    issued(transaction, storage, request_id)

    with pytest.raises(IllegalMove):
        fapiao_issuing.red_letter(
            transaction, storage, request_id, upload=upload(RED), actor=ADA, now=NOON
        )


def test_another_merchants_request_is_not_there(
    transaction: Transaction, session: Session, storage: Storage, request_id: int
) -> None:
    issued(transaction, storage, request_id)

    with pytest.raises(NotFound):
        fapiao_queries.get_request(session, request_id)
    with pytest.raises(NotFound):
        fapiao_queries.get_file(session, request_id, FapiaoPart.FAPIAO)
