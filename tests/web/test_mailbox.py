"""The sandbox's mailbox shows the mails as text, never as somebody's HTML."""

from collections.abc import Callable

from sqlalchemy import Engine

from app.core import clock
from app.core.db import begin
from app.core.ids import Prefix, show
from app.core.language import Language
from app.documents import store
from app.documents.models import DocumentKind
from app.extensions import bound, runtime
from app.mail import sending
from app.mail.messages import Content, Party
from app.mail.models import MailKind
from app.mail.sending import StoredFile
from tests.web.conftest import Browser

CONTENT = Content(
    "Your invoice <b>LUM</b>", "Please pay 905.33 CNY", "<img src=x onerror=alert(1)>"
)


def queue(engine: Engine, browser: Browser, *, key: str = "") -> str:
    """Queue a mail and return its path."""
    with begin(engine, browser.merchant_id) as session:
        mail = sending.queue_mail(
            session,
            CONTENT,
            kind=MailKind.INVOICE_ISSUED,
            reference="inv_1",
            recipient=Party("pay@acme.example", "Acme"),
            now=clock.now(),
            attachment=StoredFile("LUM-1.pdf", key) if key else None,
        )
        return f"/merchant/mailbox/{show(Prefix.MAIL, mail.id)}"


def test_a_mail_is_listed_and_read_as_text(browser: Browser, engine: Engine) -> None:
    path = queue(engine, browser)

    assert path in browser.text("/merchant/mailbox")
    page = browser.text(path)
    assert "Please pay 905.33 CNY" in page
    assert "Your invoice &lt;b&gt;LUM&lt;/b&gt;" in page
    assert "onerror" not in page


def test_the_attached_pdf_can_be_fetched(browser: Browser, engine: Engine) -> None:
    with browser.app.app_context():
        document = store.store_document(
            bound(browser.merchant_id),
            runtime().storage,
            b"%PDF-1.7",
            kind=DocumentKind.INVOICE_PDF,
            subject_id=1,
            language=Language.EN,
            now=clock.now(),
        )
    path = queue(engine, browser, key=document.storage_key)

    answer = browser.get(f"{path}/pdf")
    assert answer.data == b"%PDF-1.7"
    assert 'filename="LUM-1.pdf"' in answer.headers["Content-Disposition"]


def test_a_mail_without_a_pdf_has_none(browser: Browser, engine: Engine) -> None:
    assert browser.get(f"{queue(engine, browser)}/pdf").status_code == 404


def test_mails_of_another_merchant_are_not_there(
    sign_up: Callable[..., Browser], engine: Engine
) -> None:
    path = queue(engine, sign_up())
    stranger = sign_up("Nimbus")

    assert stranger.get(path).status_code == 404
    assert stranger.get(f"{path}/pdf").status_code == 404


def test_an_empty_mailbox_says_what_comes(browser: Browser) -> None:
    assert "No mail yet" in browser.text("/merchant/mailbox")
