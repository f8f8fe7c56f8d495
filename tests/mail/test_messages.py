"""A message says what we say to whom we mean, and nothing in it can become a second header."""

# ruff: noqa: RUF001  # Chinese punctuation is full-width

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.messages import (
    Attachment,
    Content,
    Envelope,
    InvalidAddress,
    InvalidHeader,
    Party,
    build_message,
    parse_address,
)

CONTENT = Content("极光科技 账单 MER-2026-000001：应付 ¥905.33", "您好\n", "<p>您好</p>\n")
ENVELOPE = Envelope(
    sender=Party("billing@buffmoney.test", "BuffMoney 账单"),
    recipient=Party("finance@example.cn", "北京堃昇科技"),
    message_id="mail_0000000000001",
    reference="inv_0000000000001",
    sent_at=datetime(2026, 6, 2, 4, 0, tzinfo=UTC),
)


def envelope(**changes: object) -> Envelope:
    fields = {name: getattr(ENVELOPE, name) for name in Envelope.__slots__}
    return Envelope(**{**fields, **changes})


def reread(message: EmailMessage) -> EmailMessage:
    """Return the message as a mail program reads it off the wire."""
    raw = message.as_bytes()
    assert raw.isascii()
    read = message_from_bytes(raw, policy=default)
    assert isinstance(read, EmailMessage)
    return read


def test_a_chinese_mail_with_its_pdf_survives_the_wire() -> None:
    pdf = Attachment("账单-MER-2026-000001.pdf", b"%PDF-1.7\r\n\x00\xff")

    message = reread(build_message(CONTENT, ENVELOPE, pdf))

    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    (attached,) = message.iter_attachments()
    assert message["Subject"] == "极光科技 账单 MER-2026-000001：应付 ¥905.33"
    assert message["From"] == "BuffMoney 账单 <billing@buffmoney.test>"
    assert message["To"] == "北京堃昇科技 <finance@example.cn>"
    assert message["Message-ID"] == "<mail_0000000000001@buffmoney.test>"
    assert message["X-Reference"] == "inv_0000000000001"
    assert message["Date"] == "Tue, 02 Jun 2026 04:00:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert text is not None
    assert text.get_content().splitlines() == ["您好"]
    assert html is not None
    assert html.get_content().splitlines() == ["<p>您好</p>"]
    assert attached.get_filename() == "账单-MER-2026-000001.pdf"
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_content() == b"%PDF-1.7\r\n\x00\xff"


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\x00"])
def test_a_line_break_never_reaches_a_header(break_: str) -> None:
    injected = f"x{break_}Bcc: everybody@example.com"

    with pytest.raises(InvalidHeader):
        build_message(Content(injected, "", ""), ENVELOPE)
    with pytest.raises(InvalidHeader):
        build_message(CONTENT, envelope(recipient=Party("a@example.cn", injected)))
    with pytest.raises(InvalidHeader):
        build_message(CONTENT, envelope(reference=injected))
    with pytest.raises(InvalidHeader):
        build_message(CONTENT, envelope(message_id=injected))
    with pytest.raises(InvalidHeader):
        build_message(CONTENT, ENVELOPE, Attachment(injected, b""))
    with pytest.raises(InvalidAddress):
        build_message(CONTENT, envelope(recipient=Party(f"a@example.cn{break_}Bcc: b@c.cn")))


@given(st.text(max_size=300))
def test_any_subject_is_sent_as_it_is_or_refused(subject: str) -> None:
    try:
        message = build_message(Content(subject, "", ""), ENVELOPE)
    except InvalidHeader:
        return

    read = reread(message)
    assert str(read["Subject"]).split() == subject.split()
    assert set(read.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "X-Reference"),
        *("Auto-Submitted", "MIME-Version", "Content-Type"),
    }


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("finance@example.cn", "finance@example.cn"),
        ("First.Last+bills@Example.COM", "First.Last+bills@example.com"),
        ("billing@例子.中国", "billing@xn--fsqu00a.xn--fiqs8s"),
        ("demo@buffmoney.test", "demo@buffmoney.test"),
    ],
)
def test_a_plain_address_is_taken_in_its_normal_form(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "finance",
        "finance@",
        "@example.cn",
        "finance@localhost",
        "a@b@example.cn",
        "Name <finance@example.cn>",
        "finance@example.cn, other@example.cn",
        '"quoted local"@example.cn',
        "finance@[127.0.0.1]",
        "财务@example.cn",
        "finance@example.cn\r\nBcc: other@example.cn",
        "finance @example.cn",
        "a" * 65 + "@example.cn",
        "a@" + "b" * 50_000 + "!",
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(InvalidAddress) as refusal:
        parse_address(text, path="email")

    assert refusal.value.path == "email"
