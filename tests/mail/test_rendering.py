"""A mail says the same in text and HTML, in the reader's language, and values stay values."""

# ruff: noqa: RUF001  # Chinese punctuation is full-width

from dataclasses import replace
from datetime import date

import pytest

from app.core.language import Language
from app.mail.messages import one_line
from app.mail.rendering import (
    InvoiceCredited,
    InvoiceIssued,
    InvoicePaid,
    InvoiceVoided,
    MailBrand,
    UnsafeLink,
    render,
)

ISSUED = InvoiceIssued(
    merchant_name="极光科技",
    customer_name="北京堃昇科技",
    number="MER-2026-000001",
    amount="¥905.33",
    due_on=date(2026, 7, 2),
    link="https://pay.example.cn/c/abc?x=1&y=2",
    reference="inv_0000000000001",
)
PAID = InvoicePaid(
    merchant_name="极光科技",
    customer_name="北京堃昇科技",
    number="MER-2026-000001",
    amount="¥905.33",
    paid_on=date(2026, 6, 2),
    channel="微信支付",
    transaction="4200001234202606021234567890",
    link="https://pay.example.cn/i/abc",
    reference="inv_0000000000001",
)
VOIDED = InvoiceVoided(
    merchant_name="极光科技",
    customer_name="北京堃昇科技",
    number="MER-2026-000001",
    amount="¥905.33",
    voided_on=date(2026, 6, 3),
    reason="抬头有误",
    link="https://pay.example.cn/i/abc",
    reference="inv_0000000000001",
)
CREDITED = InvoiceCredited(
    merchant_name="极光科技",
    customer_name="北京堃昇科技",
    number="MER-CN-2026-000001",
    invoice_number="MER-2026-000001",
    amount="¥89.59",
    to_balance="¥30.00",
    off_due="",
    issued_on=date(2026, 6, 20),
    link="https://pay.example.cn/i/abc",
    reference="cn_0000000000001",
)


def test_an_issued_invoice_asks_for_its_payment_in_chinese() -> None:
    content = render(ISSUED, Language.ZH_HANS_CN)

    assert content.subject == "极光科技 账单 MER-2026-000001：应付 ¥905.33"
    for body in (content.text, content.html):
        for fact in ("北京堃昇科技", "MER-2026-000001", "¥905.33", "2026-07-02", "不作为发票"):
            assert fact in body
        assert "inv_0000000000001" in body
    assert "https://pay.example.cn/c/abc?x=1&y=2" in content.text
    assert 'href="https://pay.example.cn/c/abc?x=1&amp;y=2"' in content.html


def test_an_issued_invoice_asks_for_its_payment_in_english() -> None:
    content = render(replace(ISSUED, amount="CN¥905.33"), Language.EN)

    assert content.subject == "Invoice MER-2026-000001 from 极光科技: CN¥905.33 due"
    assert "not a VAT fapiao" in content.text
    assert "Due: 2026-07-02" in content.text


@pytest.mark.parametrize("language", Language)
def test_a_receipt_names_the_payment(language: Language) -> None:
    content = render(PAID, language)

    for body in (content.text, content.html):
        for fact in ("MER-2026-000001", "¥905.33", "2026-06-02", "微信支付", PAID.transaction):
            assert fact in body


@pytest.mark.parametrize("language", Language)
def test_a_sandbox_mail_says_so_in_its_subject(language: Language) -> None:
    subject = render(replace(PAID, is_sandbox=True), language).subject

    assert subject.startswith(("[沙箱]", "[Sandbox]"))


def test_an_invoice_that_is_never_due_names_no_day() -> None:
    content = render(replace(ISSUED, due_on=None), Language.ZH_HANS_CN)

    assert "到期日" not in content.text + content.html


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{7*7}}{% raw %}", "{0.__class__}"])
def test_a_name_is_shown_to_the_letter(name: str) -> None:
    content = render(replace(ISSUED, customer_name=name), Language.EN)

    assert name in content.text
    assert "<script" not in content.html
    assert name.replace("<", "&lt;").replace(">", "&gt;") in content.html


def test_a_name_can_not_add_lines_to_a_mail_or_its_subject() -> None:
    name = "Evil\r\nBcc: a@b.cn\n\nPay here instead: \u202ehttp\x00"
    plain = render(ISSUED, Language.EN)

    content = render(replace(ISSUED, merchant_name=name), Language.EN)

    assert "\n" not in content.subject
    assert content.text.count("\n") == plain.text.count("\n")
    assert "Evil Bcc: a@b.cn Pay here instead: http" in content.text


@pytest.mark.parametrize("link", ["javascript:alert(1)", "/pay", "", "https://" + "x" * 600])
def test_only_links_to_us_are_sent(link: str) -> None:
    with pytest.raises(UnsafeLink):
        render(replace(ISSUED, link=link), Language.EN)


@pytest.mark.parametrize("language", Language)
def test_a_credit_note_says_what_it_took_off_and_where_that_went(language: Language) -> None:
    content = render(CREDITED, language)

    assert "MER-CN-2026-000001" in content.subject
    for body in (content.text, content.html):
        for fact in ("MER-2026-000001", "¥89.59", "¥30.00", "2026-06-20"):
            assert fact in body
        assert not any(words in body for words in ("冲减应付", "Off what is due"))


@pytest.mark.parametrize("language", Language)
def test_a_void_notice_says_why_and_asks_for_nothing(language: Language) -> None:
    content = render(VOIDED, language)

    assert "MER-2026-000001" in content.subject
    for body in (content.text, content.html):
        for fact in ("MER-2026-000001", "¥905.33", "2026-06-03", "抬头有误"):
            assert fact in body
        assert not any(words in body for words in ("微信", "WeChat", "替代", "eplace"))


@pytest.mark.parametrize("language", Language)
def test_a_void_notice_names_the_invoice_that_takes_its_place(language: Language) -> None:
    content = render(replace(VOIDED, replaced_by="MER-2026-000009"), language)

    for body in (content.text, content.html):
        assert "MER-2026-000009" in body
        assert "抬头有误" not in body


def test_a_brand_is_seen_in_the_html_alone() -> None:
    brand = MailBrand("https://pay.example.cn/brand/abc/0f.png", "#0f766e")
    plain = render(ISSUED, Language.EN)

    branded = render(ISSUED, Language.EN, brand)

    assert branded.text == plain.text
    assert 'src="https://pay.example.cn/brand/abc/0f.png"' in branded.html
    assert "background:#0f766e" in branded.html.replace(" ", "")
    assert "<img" not in plain.html


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(
    "name", ["字" * 500, "\u202e\u200f" + "אבג" * 200, "<b>" * 200, "a\u2028b"]
)
def test_a_subject_fits_its_header_whatever_the_names(language: Language, name: str) -> None:
    mail = replace(ISSUED, merchant_name=name, customer_name=name)

    content = render(mail, language)

    assert one_line(content.subject, path="subject") == content.subject
    assert "MER-2026-000001" in content.subject
    assert "\u202e" not in content.subject + content.text + content.html
    assert "<b>" not in content.html


@pytest.mark.parametrize("language", Language)
def test_an_invoice_with_nothing_due_asks_for_no_payment(language: Language) -> None:
    content = render(replace(ISSUED, amount="¥0.00", due_on=None, is_due=False), language)

    for words in ("应付", "due", "微信", "WeChat"):
        assert words not in content.subject + content.text + content.html
