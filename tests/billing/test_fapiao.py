"""A buyer asks for one fapiao of an invoice; until it is issued he may change or withdraw it."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit import queries as audit
from app.billing import collection, credit_notes, fapiao, fapiao_queries
from app.billing.credit_models import CreditReason
from app.billing.credit_notes import CreditRequest
from app.billing.fapiao import FapiaoAlreadyRequested, FapiaoNotPossible
from app.billing.fapiao_details import InvalidFapiaoKind, checked
from app.billing.fapiao_models import (
    FAPIAO,
    FapiaoEvent,
    FapiaoKind,
    FapiaoStatus,
    TitleType,
)
from app.billing.models import Invoice, InvoiceStatus
from app.billing.tax_ids import InvalidTaxId
from app.core.db import Transaction
from app.core.errors import Invalid, NotFound
from app.core.ids import Prefix, show
from app.core.outbox import OutboxJob
from app.core.states import IllegalMove
from app.webhooks.models import WebhookEvent
from tests.billing.fapiao import DIGITAL, details, paid_invoice, requested
from tests.billing.make import billed, sold, use
from tests.make import ADA, NOON, Make, cny
from tests.payments.builders import issue
from tests.pricing.races import race


def events(session: Session) -> list[str]:
    session.flush()
    return list(session.scalars(select(WebhookEvent.event_type).order_by(WebhookEvent.id)))


def owed(session: Session) -> list[str]:
    session.flush()
    return list(session.scalars(select(OutboxJob.task).order_by(OutboxJob.id)))


def test_a_request_keeps_what_was_asked_for(session: Session) -> None:
    invoice = paid_invoice(session)

    made = fapiao.request(session, invoice.id, details(tax_id="91350100 m000100y43"), now=NOON)

    assert (made.status, made.revision, made.requested_at) == (FapiaoStatus.REQUESTED, 1, NOON)
    assert (made.title, made.tax_id) == ("上海智谱星图信息科技有限公司", "91350100M000100Y43")
    assert (made.amount, made.customer_id) == (cny(90_533), invoice.customer_id)
    assert events(session) == ["fapiao.requested"]
    assert owed(session) == []


def test_an_open_invoice_may_be_asked_for_before_it_is_paid(session: Session) -> None:
    assert requested(session, issue(session)).status is FapiaoStatus.REQUESTED


def test_a_void_invoice_has_no_fapiao(session: Session) -> None:
    void = issue(session, status=InvoiceStatus.VOID, voided_at=NOON, void_reason="a mistake")

    with pytest.raises(FapiaoNotPossible):
        requested(session, void)


def test_an_invoice_over_nothing_has_no_fapiao() -> None:
    assert not fapiao.is_possible(Invoice(status=InvoiceStatus.PAID, collection_minor=0))
    assert fapiao.is_possible(Invoice(status=InvoiceStatus.PAID, collection_minor=1))


def test_an_invoice_that_is_not_there_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        fapiao.request(session, 1, details(), now=NOON)


def test_an_invoice_has_one_live_request(session: Session) -> None:
    invoice = paid_invoice(session)
    requested(session, invoice)

    with pytest.raises(FapiaoAlreadyRequested):
        requested(session, invoice)


def test_of_six_requests_at_once_one_is_made(transaction: Transaction) -> None:
    with transaction() as session:
        invoice = paid_invoice(session)

    results, refusals = race(
        transaction,
        lambda session, _: fapiao.request(session, invoice.id, details(), now=NOON).id,
    )

    assert len(results) == 1
    assert refusals == ["fapiao_already_requested"] * 5


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"title": "  "}, "title"),
        ({"title": "x" * 101}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"tax_id": ""}, "tax_id"),
        ({"tax_id": "91350100M000100Y4Z"}, "tax_id"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@example.cn\nBcc: b@example.cn"}, "email"),
        ({"address": "x" * 201}, "address"),
        ({"bank": "a\x00b"}, "bank"),
        ({"note": "x" * 201}, "note"),
        ({"title_type": TitleType.PERSONAL, "kind": FapiaoKind.SPECIAL}, "kind"),
        ({"title_type": TitleType.PERSONAL, "tax_id": "123"}, "tax_id"),
    ],
)
def test_what_can_not_be_printed_is_refused_at_its_field(changed: object, path: str) -> None:
    assert isinstance(changed, dict)
    with pytest.raises(Invalid) as refusal:
        checked(details(**changed))

    assert refusal.value.path == path


def test_a_person_needs_no_tax_number() -> None:
    person = details(title_type=TitleType.PERSONAL, title=" 张三 ", tax_id=" ")

    assert checked(person) == replace(person, title="张三", tax_id="")


def test_a_special_fapiao_is_for_companies() -> None:
    assert checked(details(kind=FapiaoKind.SPECIAL)).kind is FapiaoKind.SPECIAL
    with pytest.raises(InvalidFapiaoKind):
        checked(details(kind=FapiaoKind.SPECIAL, title_type=TitleType.PERSONAL))


def test_a_request_is_changed_until_somebody_acts_on_it(session: Session) -> None:
    made = requested(session)

    fapiao.change(session, made.id, details(title="北京云杉数据有限公司"), now=NOON)

    assert (made.title, made.revision, made.changed_at) == ("北京云杉数据有限公司", 2, NOON)
    fapiao.reject(session, made.id, reason="抬头有误", actor=ADA, now=NOON)
    with pytest.raises(IllegalMove):
        fapiao.change(session, made.id, details(), now=NOON)


def test_a_change_that_is_wrong_changes_nothing(session: Session) -> None:
    made = requested(session)

    with pytest.raises(InvalidTaxId):
        fapiao.change(session, made.id, details(tax_id="1"), now=NOON)

    assert made.revision == 1


def test_a_withdrawn_request_makes_room_for_another(session: Session) -> None:
    invoice = paid_invoice(session)
    first = requested(session, invoice)

    fapiao.withdraw(session, first.id, now=NOON)
    fapiao.withdraw(session, first.id, now=NOON)
    second = requested(session, invoice)

    assert (first.status, second.status) == (FapiaoStatus.WITHDRAWN, FapiaoStatus.REQUESTED)
    assert fapiao_queries.find_live(session, invoice.id) is second
    assert fapiao_queries.find_newest(session, invoice.id) is second


def test_a_rejected_request_says_why_and_is_written_down(session: Session) -> None:
    made = requested(session)

    fapiao.reject(session, made.id, reason=" 税号与抬头不符 ", actor=ADA, now=NOON)

    assert (made.status, made.reject_reason) == (FapiaoStatus.REJECTED, "税号与抬头不符")
    assert events(session) == ["fapiao.requested", "fapiao.rejected"]
    assert owed(session) == ["jobs.fapiao.mail_rejected"]
    (entry,) = audit.list_entries(session, subject=show(Prefix.FAPIAO_REQUEST, made.id)).rows
    assert (entry.action, entry.actor_name) == ("fapiao.rejected", ADA.name)


def test_a_rejection_wants_a_reason(session: Session) -> None:
    made = requested(session)

    with pytest.raises(Invalid):
        fapiao.reject(session, made.id, reason="", actor=ADA, now=NOON)

    assert made.status is FapiaoStatus.REQUESTED


def test_the_buyer_may_correct_what_was_rejected_and_ask_again(session: Session) -> None:
    invoice = paid_invoice(session)
    first = requested(session, invoice)
    fapiao.reject(session, first.id, reason="抬头有误", actor=ADA, now=NOON)

    second = requested(session, invoice, title="北京云杉数据有限公司")

    assert (first.status, second.status) == (FapiaoStatus.REJECTED, FapiaoStatus.REQUESTED)
    assert events(session) == ["fapiao.requested", "fapiao.rejected", "fapiao.requested"]


def test_of_withdrawing_and_rejecting_at_once_one_wins(transaction: Transaction) -> None:
    with transaction() as session:
        made = requested(session)

    def decide(session: Session, runner: int) -> FapiaoStatus:
        if runner % 2:
            return fapiao.withdraw(session, made.id, now=NOON).status
        return fapiao.reject(session, made.id, reason="no", actor=ADA, now=NOON).status

    results, refusals = race(transaction, decide)

    assert len(set(results)) == 1
    assert set(refusals) == {"illegal_state"}


def test_a_voided_invoice_takes_its_request_along(session: Session) -> None:
    invoice = issue(session)
    made = requested(session, invoice)

    collection.void(session, invoice, reason="sent to the wrong company", now=NOON)

    assert made.status is FapiaoStatus.REJECTED
    assert made.reject_reason == "账单已作废 The invoice was voided"
    assert "jobs.fapiao.mail_rejected" in owed(session)


def test_a_credit_note_wants_a_red_letter_of_what_was_issued(session: Session) -> None:
    sale = sold(Make(session))
    use(session, sale, "12641")
    invoice = billed(session, sale)
    collection.mark_paid(session, invoice, now=NOON)
    made = requested(session, invoice)
    made.status, made.number = FapiaoStatus.ISSUED, DIGITAL
    made.issued_on, made.issued_at = NOON.date(), NOON

    wanted = CreditRequest(CreditReason.CORRECTION, total_minor=100)
    note = credit_notes.issue(session, invoice.id, wanted, actor=ADA, now=NOON)

    assert made.status is FapiaoStatus.RED_LETTER_REQUESTED
    assert made.red_letter_reason == note.number


def test_a_correction_leaves_a_request_that_can_still_be_issued(session: Session) -> None:
    invoice = paid_invoice(session)
    made = requested(session, invoice)

    assert fapiao.follow_correction(session, invoice, reason="credit", now=NOON) is None
    assert made.status is FapiaoStatus.REQUESTED


def test_a_correction_of_an_invoice_without_a_fapiao_changes_nothing(session: Session) -> None:
    assert fapiao.follow_correction(session, issue(session), reason="credit", now=NOON) is None


def test_a_request_is_found_by_title_number_and_invoice(session: Session) -> None:
    made = requested(session, paid_invoice(session, number="LUM-2026-000007"))
    requested(session, title="北京云杉数据有限公司")

    for part in ("智谱", "lum-2026-000007"):
        assert list(fapiao_queries.list_requests(session, q=part).rows) == [made]
    assert len(fapiao_queries.list_requests(session, q="91350100").rows) == 2
    assert not fapiao_queries.list_requests(session, q="%").rows


def test_the_counts_name_every_status(session: Session) -> None:
    requested(session)

    counts = fapiao_queries.counts_by_status(session)

    assert counts == dict.fromkeys(FapiaoStatus, 0) | {FapiaoStatus.REQUESTED: 1}


@pytest.mark.parametrize("status", FapiaoStatus)
def test_only_a_request_nobody_acted_on_can_be_issued(status: FapiaoStatus) -> None:
    is_requested = status is FapiaoStatus.REQUESTED
    assert FAPIAO.allows(status, FapiaoEvent.ISSUE) == is_requested
    assert not FAPIAO.is_repeat(status, FapiaoEvent.ISSUE)
