"""The owners hear that an endpoint stays silent: once when it lasts, once when it is disabled."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, select

from app.core.db import Transaction, begin
from app.core.ids import Prefix, show
from app.core.language import Language
from app.identity.models import Role, User, UserMerchant
from app.mail import rendering
from app.mail.models import Mail, MailKind
from app.webhooks import endpoints
from app.webhooks.models import DisabledReason, WebhookEndpoint
from jobs import webhook_mails
from tests.make import NOON, Make
from tests.webhooks.builders import pay, subscribe

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def merchant_id(engine: Engine) -> int:
    """Return a merchant with one owner and somebody who owns nothing of it."""
    merchant_id = Make.new_merchant_id()
    with begin(engine, merchant_id) as session:
        Make(session).merchant()
        owner = User(email=f"wang{merchant_id}@example.cn", password_hash="", created_at=NOON)
        other = User(email=f"li{merchant_id}@example.cn", password_hash="", created_at=NOON)
        session.add_all([owner, other])
        session.flush()  # the link refers to it
        link = UserMerchant(user_id=owner.id, merchant_id=merchant_id, role=Role.OWNER)
        session.add(link)
    return merchant_id


@pytest.fixture
def of_merchant(engine: Engine, merchant_id: int) -> Transaction:
    return partial(begin, engine, merchant_id)


def mails(transaction: Transaction) -> list[Mail]:
    with transaction() as session:
        return list(session.scalars(select(Mail).order_by(Mail.id)))


def failing(transaction: Transaction) -> str:
    with transaction() as session:
        endpoint = subscribe(session)
        pay(session)
        endpoint.failing_since = NOON
        return show(Prefix.WEBHOOK_ENDPOINT, endpoint.id)


def test_the_owner_is_warned_once(of_merchant: Transaction, merchant_id: int) -> None:
    endpoint = failing(of_merchant)

    for _ in range(2):
        webhook_mails.tell_owners(merchant_id=merchant_id, endpoint=endpoint)

    (mail,) = mails(of_merchant)
    assert (mail.kind, mail.recipient) == (
        MailKind.WEBHOOK_FAILING,
        f"wang{merchant_id}@example.cn",
    )
    assert "https://hooks.shop.com/buffmoney" in mail.text_body
    assert "待发送消息" in mail.text_body
    assert f"/merchant/webhooks/{endpoint}" in mail.text_body


def test_each_owner_is_written_to_in_his_language(
    engine: Engine, of_merchant: Transaction, merchant_id: int
) -> None:
    with begin(engine, merchant_id) as session:
        email = f"jones{merchant_id}@example.com"
        jones = User(email=email, password_hash="", language=Language.EN, created_at=NOON)
        session.add(jones)
        session.flush()  # the link refers to it
        session.add(UserMerchant(user_id=jones.id, merchant_id=merchant_id, role=Role.OWNER))
    endpoint = failing(of_merchant)

    webhook_mails.tell_owners(merchant_id=merchant_id, endpoint=endpoint)

    texts = {mail.recipient.partition("@")[0]: mail.text_body for mail in mails(of_merchant)}
    assert "待发送消息" in texts[f"wang{merchant_id}"]
    assert "Messages waiting" in texts[f"jones{merchant_id}"]


def test_the_end_is_another_mail(of_merchant: Transaction, merchant_id: int) -> None:
    endpoint = failing(of_merchant)
    webhook_mails.tell_owners(merchant_id=merchant_id, endpoint=endpoint)
    with of_merchant() as session:
        (row,) = session.scalars(select(WebhookEndpoint))
        endpoints.disable(session, row.id, reason=DisabledReason.GONE)

    webhook_mails.tell_owners(merchant_id=merchant_id, endpoint=endpoint)

    assert [mail.kind for mail in mails(of_merchant)] == [
        MailKind.WEBHOOK_FAILING,
        MailKind.WEBHOOK_DISABLED,
    ]
    assert "410 Gone" in mails(of_merchant)[1].text_body


def test_an_endpoint_that_answers_again_is_not_complained_of(
    of_merchant: Transaction, merchant_id: int
) -> None:
    endpoint = failing(of_merchant)
    with of_merchant() as session:
        (row,) = session.scalars(select(WebhookEndpoint))
        row.failing_since = None

    webhook_mails.tell_owners(merchant_id=merchant_id, endpoint=endpoint)

    assert mails(of_merchant) == []


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("is_gone", [True, False])
def test_both_languages_word_both_mails(language: Language, *, is_gone: bool) -> None:
    disabled = rendering.WebhookDisabled(
        merchant_name="Aurora <b>",
        number="https://hooks.shop.com/buffmoney",
        amount=f"{NOON - timedelta(days=5):%Y-%m-%d %H:%M}",
        link="https://pay.example.cn/merchant/webhooks/whe_1",
        reference="whe_1",
        waiting=12,
        is_gone=is_gone,
    )

    content = rendering.render(disabled, language)

    for body in (content.text, content.html):
        assert ("410 Gone" in body) is is_gone
        assert "12" in body
    assert "<b>" not in content.html
