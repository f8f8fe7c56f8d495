"""The mails about a fapiao bring it, or say why there is none, in the buyer's language."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from app.core.language import Language
from app.mail.messages import Attachment, Content, Envelope, Party, build_message
from app.mail.rendering import (
    FapiaoIssued,
    FapiaoMail,
    FapiaoRedLettered,
    FapiaoRejected,
    UnsafeLink,
    render,
)

SHARED: dict[str, Any] = {
    "merchant_name": "Lumen AI",
    "buyer": "上海智谱星图信息科技有限公司",
    "number": "LUM-2026-000001",
    "amount": "CN¥905.33",
    "link": "https://pay.example.com/pay/abc",
    "reference": "LUM-2026-000001",
    "is_sandbox": True,
}
NUMBER, REASON = "26312000000012345678", "税号与抬头不符"
ISSUED = FapiaoIssued(**SHARED, fapiao_number=NUMBER, day=date(2026, 6, 2))
REJECTED = FapiaoRejected(**SHARED, reason=REASON)
RED_LETTERED = FapiaoRedLettered(
    **SHARED, fapiao_number=NUMBER, day=date(2026, 6, 2), reason=REASON
)
CHINESE, ENGLISH = Language.ZH_HANS_CN, Language.EN


def test_an_issued_fapiao_is_announced_in_chinese() -> None:
    mail = render(ISSUED, CHINESE)

    assert (
        mail.subject
        == "[沙箱] Lumen AI 账单 LUM-2026-000001 的发票已开具\uff1a26312000000012345678"
    )
    assert "发票号码\uff1a26312000000012345678\n开票日期\uff1a2026-06-02\n" in mail.text
    assert "https://pay.example.com/pay/abc\n" in mail.text


def test_an_issued_fapiao_is_announced_in_english() -> None:
    mail = render(replace(ISSUED, is_sandbox=False), ENGLISH)

    assert mail.subject == ("Fapiao 26312000000012345678 for invoice LUM-2026-000001 from Lumen AI")
    assert "Buyer: 上海智谱星图信息科技有限公司\n" in mail.text


@pytest.mark.parametrize("language", Language)
def test_a_rejection_says_why(language: Language) -> None:
    mail = render(REJECTED, language)

    assert REASON in mail.text
    assert REASON in mail.html
    assert REJECTED.link in mail.html


@pytest.mark.parametrize("language", Language)
def test_a_red_letter_names_its_number_and_reason(language: Language) -> None:
    mail = render(RED_LETTERED, language)

    assert NUMBER in mail.text
    assert REASON in mail.text


@pytest.mark.parametrize("words", [ISSUED, REJECTED, RED_LETTERED])
@pytest.mark.parametrize("language", Language)
def test_a_buyers_name_is_text_and_nothing_else(words: FapiaoMail, language: Language) -> None:
    mail = render(replace(words, buyer="<b>Bobby</b>\r\nBcc: all@example.cn"), language)

    assert "<b>" not in mail.html
    assert "\nBcc:" not in mail.text


@pytest.mark.parametrize("words", [REJECTED, RED_LETTERED])
@pytest.mark.parametrize("language", Language)
def test_a_reason_is_text_and_nothing_else(
    words: FapiaoRejected | FapiaoRedLettered, language: Language
) -> None:
    mail = render(replace(words, reason="<i>\u202eno</i>"), language)

    assert "<i>" not in mail.html
    assert "\u202e" not in mail.text


@pytest.mark.parametrize("words", [ISSUED, REJECTED, RED_LETTERED])
def test_only_links_to_us_are_sent(words: FapiaoMail) -> None:
    with pytest.raises(UnsafeLink):
        render(replace(words, link="javascript:alert(1)"), CHINESE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fapiao-1.pdf", "application/pdf"),
        ("fapiao-1.OFD", "application/ofd"),
        ("fapiao-1.xml", "application/xml"),
        ("fapiao-1.html", "application/pdf"),
        ("发票", "application/pdf"),
    ],
)
def test_an_attachment_says_what_it_is_and_is_never_a_page(name: str, kind: str) -> None:
    envelope = Envelope(
        Party("billing@example.com"),
        Party("caiwu@example.cn"),
        "mail_1",
        "fpr_1",
        datetime(2026, 6, 2, tzinfo=UTC),
    )

    message = build_message(Content("s", "t\n", "<p>t</p>"), envelope, Attachment(name, b"x"))

    (file,) = message.iter_attachments()
    assert (file.get_content_type(), file.get_filename()) == (kind, name)
