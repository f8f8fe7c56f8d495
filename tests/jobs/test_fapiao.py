"""What became of a fapiao reaches the buyer's own address, with its file, once."""

from functools import partial

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from app.billing import fapiao, fapiao_issuing
from app.core.db import Transaction, begin
from app.core.ids import Prefix, show
from app.extensions import runtime
from app.mail.models import Mail, MailKind
from jobs import fapiao as jobs
from tests.billing.fapiao import DIGITAL, XML, requested, upload
from tests.make import ADA, NOON, Make

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def merchant_id(engine: Engine) -> int:
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
    return merchant_id


@pytest.fixture
def of_merchant(engine: Engine, merchant_id: int) -> Transaction:
    return partial(begin, engine, merchant_id)


def the_mail(transaction: Transaction) -> Mail:
    with transaction() as session:
        return session.scalars(select(Mail)).one()


def test_an_issued_fapiao_is_mailed_with_its_file(
    app: Flask, of_merchant: Transaction, merchant_id: int
) -> None:
    with of_merchant() as session:
        request_id = requested(session).id
    storage = runtime().storage
    issued = upload(content=XML)
    fapiao_issuing.issue(of_merchant, storage, request_id, upload=issued, actor=ADA, now=NOON)
    public_id = show(Prefix.FAPIAO_REQUEST, request_id)

    jobs.mail_issued(merchant_id=merchant_id, fapiao_request=public_id)
    jobs.mail_issued(merchant_id=merchant_id, fapiao_request=public_id)

    mail = the_mail(of_merchant)
    assert (mail.kind, mail.recipient) == (MailKind.FAPIAO_ISSUED, "caiwu@example.cn")
    assert mail.attachment_name == f"fapiao-{DIGITAL}.xml"
    assert storage.read(str(mail.attachment_key)) == XML
    assert f"{app.extensions['buffmoney'].settings.base_url}/pay/" in mail.text_body


def test_a_rejection_is_mailed_without_a_file(of_merchant: Transaction, merchant_id: int) -> None:
    with of_merchant() as session:
        found = requested(session)
        fapiao.reject(session, found.id, reason="税号与抬头不符", actor=ADA, now=NOON)
    public_id = show(Prefix.FAPIAO_REQUEST, found.id)

    jobs.mail_rejected(merchant_id=merchant_id, fapiao_request=public_id)

    mail = the_mail(of_merchant)
    assert (mail.kind, mail.attachment_key) == (MailKind.FAPIAO_REJECTED, None)
    assert "税号与抬头不符" in mail.text_body


def test_a_red_letter_is_mailed_with_its_own_file(
    of_merchant: Transaction, merchant_id: int
) -> None:
    with of_merchant() as session:
        request_id = requested(session).id
    storage = runtime().storage
    fapiao_issuing.issue(of_merchant, storage, request_id, upload=upload(), actor=ADA, now=NOON)
    with of_merchant() as session:
        fapiao.request_red_letter(session, request_id, reason="退款", actor=ADA, now=NOON)
    red = upload("26312000000087654321", XML)
    fapiao_issuing.red_letter(of_merchant, storage, request_id, upload=red, actor=ADA, now=NOON)

    public_id = show(Prefix.FAPIAO_REQUEST, request_id)
    jobs.mail_red_lettered(merchant_id=merchant_id, fapiao_request=public_id)

    mail = the_mail(of_merchant)
    assert mail.attachment_name == "fapiao-26312000000087654321.xml"
    assert storage.read(str(mail.attachment_key)) == XML
